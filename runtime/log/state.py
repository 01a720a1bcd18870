"""The state of an execution as the fold of its events (contract in `fold`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from obelisk.runtime.log.events import Outcome


@dataclass(frozen=True, slots=True)
class PendingAt:
    """Waits for an executor from that instant on."""

    at_us: int


@dataclass(frozen=True, slots=True)
class LockedBy:
    """An executor runs it, under that run id and component digest."""

    executor: str
    run: str
    digest: str


@dataclass(frozen=True, slots=True)
class BlockedByJoinSet:
    """Unloaded until that join set gets a response."""

    join_set: str


@dataclass(frozen=True, slots=True)
class PausedState:
    """An operator paused it; once unpaused it is pending from `pending_at_us` on (0: at once)."""

    pending_at_us: int = 0


@dataclass(frozen=True, slots=True)
class Cancelling:
    """Cancellation was asked for and is under way."""


@dataclass(frozen=True, slots=True)
class FinishedState:
    """Ended."""

    outcome: Outcome


Status: TypeAlias = PendingAt | LockedBy | BlockedByJoinSet | PausedState | Cancelling | FinishedState


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionState:
    """The fold of a log: `version` is the number of events, `attempts` how many attempts ended intermittently."""

    ffqn: str
    parent: str | None
    status: Status
    version: int
    attempts: int
