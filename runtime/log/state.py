"""The state of an execution as the fold of its events (contract in `fold`)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from obelisk.runtime.log.events import Outcome


class PendingAt(msgspec.Struct, frozen=True, gc=False):
    """Waits for an executor from that instant on."""

    at_us: int


class LockedBy(msgspec.Struct, frozen=True, gc=False):
    """An executor runs it, under that run id and component digest."""

    executor: str
    run: str
    digest: str


class BlockedByJoinSet(msgspec.Struct, frozen=True, gc=False):
    """Unloaded until that join set gets a response."""

    join_set: str


class AwaitingResult(msgspec.Struct, frozen=True, gc=False):
    """A stub: its result comes from outside, no executor runs it."""


class PausedState(msgspec.Struct, frozen=True, gc=False):
    """An operator paused it; once unpaused it is pending from `pending_at_us` on (0: at once; None: it awaits its
    result)."""

    pending_at_us: int | None = 0


class Cancelling(msgspec.Struct, frozen=True, gc=False):
    """Cancellation was asked for and is under way."""


class FinishedState(msgspec.Struct, frozen=True, gc=False):
    """Ended."""

    outcome: Outcome


Status: TypeAlias = PendingAt | LockedBy | BlockedByJoinSet | AwaitingResult | PausedState | Cancelling | FinishedState


class ExecutionState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fold of a log: `version` is the number of events, `attempts` how many attempts ended intermittently."""

    ffqn: str
    parent: str | None
    status: Status
    version: int
    attempts: int


def is_unbegun(state: ExecutionState) -> bool:
    """Whether it waits for an executor, or for a result from outside, as it has since it was created."""
    return state.version == 1 and isinstance(state.status, PendingAt | AwaitingResult)


def awaits_result(state: ExecutionState) -> bool:
    """Whether its result is to come from outside, also while it is paused."""
    return isinstance(state.status, AwaitingResult) or state.status == PausedState(None)
