"""What a run of a workflow hands to its executor, and what it needs from it."""

from __future__ import annotations

import enum

import msgspec

from obelisk.runtime.log.state import ExecutionState, LockedBy
from obelisk.runtime.ports.store import AddDelay, Create, Write
from obelisk.runtime.workers.stubs import Decision


class Progress(enum.Enum):
    """How far `advance` came."""

    BLOCKED = "blocked"
    YIELDED = "yielded"
    AWAY = "away"
    """Its guest is on a thread."""
    OVER = "over"


class Upgrade(msgspec.Struct, frozen=True, gc=False):
    """The log was made with the build `before`, the run has the build `to`; `auto`: go on if it replays."""

    before: str
    to: str
    auto: bool


class Supply(msgspec.Struct, frozen=True, gc=False):
    """A guest supplies the result of a stub; whether that can be accepted only the store knows."""

    execution_id: str
    ffqn: str
    result: msgspec.Raw


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What one stretch of progress adds: writes for one transaction, the state after it, children that it creates,
    delays to time and those it gives up, the children whose cancellation it asks for, and a stub's result to decide on
    after it, and one that was decided on."""

    writes: tuple[Write, ...]
    state: ExecutionState
    children: tuple[Create, ...]
    delays: tuple[AddDelay, ...]
    given_up: tuple[str, ...]
    cancels: tuple[str, ...]
    supply: Supply | None
    decision: Decision | None
    final: bool

    @property
    def keeps_lock(self) -> bool:
        """Whether the run goes on holding the execution."""
        return isinstance(self.state.status, LockedBy)
