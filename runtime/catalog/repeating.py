"""Whether a call that brings an idempotency key is the one that is on record under it. Pure.

The recorded parameters are in the canonical form of the types of then. Where the types have changed since, they are
brought into the form of today's, as the caller's were: the same call gets the execution that it began.
"""

from __future__ import annotations

import msgspec

from obelisk.codegen.model.signatures import same_params
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.errors import IdempotencyConflict
from obelisk.runtime.log.events import Created


def require_same(execution_id: str, created: Created, function: DeployedFunction, params: msgspec.Raw) -> None:
    """IdempotencyConflict unless `created` began with this function and these parameters."""
    if created.ffqn == function.ffqn:
        if bytes(created.params) == bytes(params):
            return
        if not same_params(created.signature, function.signature):
            today, _ = function.check_params(msgspec.json.decode(created.params))
            if today is not None and msgspec.json.encode(today) == bytes(params):
                return
    raise IdempotencyConflict(
        f"the idempotency key was used for another call: {execution_id} of {created.ffqn}",
        execution_id=execution_id,
        ffqn=created.ffqn,
    )


def require_comparable(execution_id: str, created: Created, function: DeployedFunction) -> None:
    """IdempotencyConflict when a call that does not have the types of today may be the one on record."""
    if created.ffqn == function.ffqn and not same_params(created.signature, function.signature):
        raise IdempotencyConflict(
            f"the idempotency key was used for {execution_id}; the types of {function.ffqn} have changed since, and "
            "these parameters do not have today's: ask for the result of that execution",
            execution_id=execution_id,
            ffqn=created.ffqn,
        )
