"""What records that are older than shapes (`signatures`) are taken for. Pure.

Only here does it matter for a record what is deployed today. A result has the shape of the function that is deployed
under its name if it is a value of that function's type; else what it looks like: an object whose one key is ``ok`` or
``err`` is a `result`, ``null`` is nothing, and everything else is a value.
"""

from __future__ import annotations

from typing import cast

import msgspec

from obelisk.codegen.model import signatures
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.log.events import Failed, Outcome, Returned


def marked(outcome: Outcome, ffqn: str, registry: Registry) -> Outcome:
    """The outcome of an execution of `ffqn`, with its shape if it returned."""
    if isinstance(outcome, Failed) or outcome.shape:
        return outcome
    return Returned(value=outcome.value, shape=shape_of(outcome, ffqn, registry))


def shape_of(outcome: Outcome, ffqn: str, registry: Registry) -> str:
    """The shape of the result of `ffqn`; UNKNOWN for a failure of a function that is not deployed."""
    function = registry.functions.get(ffqn)
    if isinstance(outcome, Failed):
        return function.shape if function is not None else signatures.UNKNOWN
    value: object = msgspec.json.decode(outcome.value)
    if function is not None and not function.unsupported and not function.check_result(value)[1]:
        return function.shape
    return _looks_like(value)


def _looks_like(value: object) -> str:
    if value is None:
        return signatures.NOTHING
    sides = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if len(sides) != 1:
        return signatures.VALUE
    if "ok" in sides:
        return (signatures.ABSENT if sides["ok"] is None else signatures.VALUE) + signatures.VALUE
    if "err" in sides:
        return signatures.VALUE + (signatures.ABSENT if sides["err"] is None else signatures.VALUE)
    return signatures.VALUE
