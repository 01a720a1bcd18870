"""How a failed execution shows in its function's result type, where the type can carry it. Pure.

A caller expects a value of the function's type, but an execution may also fail without one (trap, timeout, …). The
failure is mapped by the first rule that fits the result type, aliases followed:

    result<T>, result           {"err": null}
    result<T, string>           {"err": "execution_failed"}
    result<T, E>                {"err": "execution_failed"}     E a variant or an enum with a case `execution-failed`
                                                                that carries nothing
    anything else               NOT_MAPPABLE: the caller cannot be told within the type, and traps

T may be absent (`_`). The value is the same for all failures: what failed and why stands in the `Failed` record, and a
workflow asks for the kind with `get-execution-failure-kind`.
"""

from __future__ import annotations

import enum
from typing import Final

from obelisk.codegen.model.types import Case, EnumType, Label, Primitive, ResultType, Type, VariantType, unalias
from obelisk.runtime.log.events import Failed

CASE: Final = "execution-failed"
"""The case of an error type that stands for a failed execution."""
_VALUE: Final = "execution_failed"


class NotMappable(enum.Enum):
    """The type of the one answer for result types that cannot carry a failure."""

    NOT_MAPPABLE = "not_mappable"


NOT_MAPPABLE: Final = NotMappable.NOT_MAPPABLE


def fallback_result(result_type: Type | None, failure: Failed) -> dict[str, str | None] | NotMappable:
    """The JSON value of `result_type` that stands for `failure`, or NOT_MAPPABLE. None is a function without result."""
    result = unalias(result_type) if result_type is not None else None
    if not isinstance(result, ResultType):
        return NOT_MAPPABLE
    if result.err is None:
        return {"err": None}
    match unalias(result.err):
        case Primitive.STRING:
            return {"err": _VALUE}
        case VariantType(cases) | EnumType(cases) if any(map(_stands_for_failure, cases)):
            return {"err": _VALUE}
        case _:
            return NOT_MAPPABLE


def _stands_for_failure(case: Case | Label) -> bool:
    return case.name == CASE and (isinstance(case, Label) or case.payload is None)
