"""Whether an execution can run with the function that is deployed under its name, whose types may have changed. Pure.

It was begun with parameters of the types of then, and a parent expects a result of such a type. It fits when the types
are the same, or when the parameters have those of today and the result has the same type or no parent waits for it.
What does not fit is not begun: it would fail, again and again, or give its parent what that cannot take.
"""

from __future__ import annotations

import msgspec

from obelisk.codegen.model.signatures import same_result
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import Created

SHOWN = 3
"""How many problems with parameters are told."""


class Unfit(ObeliskError):
    """An execution cannot run with the function that is deployed."""

    code = "unfit"


def params_for(created: Created, function: DeployedFunction) -> msgspec.Raw:
    """The parameters of an execution in the canonical form of the deployed function. Unfit."""
    if created.signature == function.signature:
        return created.params
    if function.unsupported:
        raise _unfit(function, function.unsupported)
    require_result(created, function)
    params, problems = function.check_params(msgspec.json.decode(created.params))
    if params is None:
        raise _unfit(
            function, "; ".join(f"params{p.pointer}: expected {p.expected}, {p.detail}" for p in problems[:SHOWN])
        )
    return msgspec.Raw(msgspec.json.encode(params))


def require_result(created: Created, function: DeployedFunction) -> None:
    """Unfit when a parent waits for a result of another type than the deployed function has."""
    if created.signature and created.parent is not None and not same_result(created.signature, function.signature):
        raise _unfit(function, "its result has another type than the parent asked for")


def _unfit(function: DeployedFunction, why: str) -> Unfit:
    return Unfit(
        f"{function.ffqn} of {function.component.digest} has other types than the execution was begun with: {why}; "
        "deploy a build that fits, or cancel the execution",
        ffqn=function.ffqn,
        digest=function.component.digest,
        signature=function.signature,
    )
