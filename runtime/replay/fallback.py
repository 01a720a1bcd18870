"""How a failed execution shows in its function's result type, where the type can carry it. Pure.

A caller expects a value of the function's type, but an execution may also fail without one (trap, timeout, …). The
failure is mapped by the first rule that fits the result type, aliases followed:

    result<T>, result           {"err": null}
    result<T, string>           {"err": "execution_failed"}
    result<T, E>                {"err": "execution_failed"}     E a variant or an enum with a case `execution-failed`
                                                                that carries nothing
    anything else               NOT_MAPPABLE: the caller cannot be told within the type, and traps

T may be absent (`_`). The rule reads the type's shape (`signatures`), which is on record. The value is the same for all
failures: what failed and why stands in the `Failed` record, and a workflow asks for the kind with
`get-execution-failure-kind`.
"""

from __future__ import annotations

import enum
from typing import Final

from obelisk.codegen.model import signatures

_VALUE: Final = "execution_failed"


class NotMappable(enum.Enum):
    """The type of the one answer for result types that cannot carry a failure."""

    NOT_MAPPABLE = "not_mappable"


NOT_MAPPABLE: Final = NotMappable.NOT_MAPPABLE


def fallback_result(shape: str) -> dict[str, str | None] | NotMappable:
    """The JSON value of a result type of that shape that stands for a failure, or NOT_MAPPABLE."""
    if not signatures.is_result(shape):
        return NOT_MAPPABLE
    err = shape[1]
    if err == signatures.ABSENT:
        return {"err": None}
    return {"err": _VALUE} if err == signatures.FAILURE else NOT_MAPPABLE
