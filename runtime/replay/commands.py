"""What a workflow guest can ask for, and what the replay machine answers: the machine's whole alphabet.

The shell turns each host call of a guest into one Command and gives it to `machine.Machine.step`. Everything that comes
from outside the guest enters as a *proposal* inside the command (`proposed`, `expires_at_us`); on replay the recorded
value wins and the proposal is ignored. WIT values are raw JSON text in canonical form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from obelisk.runtime.log.events import Divergence, HistoryEvent, Response


# --- commands -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Call:
    """Call a function and wait: a one-off join set, its request, its response. Completes with the Response."""

    ffqn: str
    params: msgspec.Raw


@dataclass(frozen=True, slots=True)
class CreateJoinSet:
    """Create a join set, generated name when `name` is None. Completes with its id, or NameTaken."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit a child to a join set. Completes with the child's id."""

    join_set: str
    ffqn: str
    params: msgspec.Raw


@dataclass(frozen=True, slots=True)
class SubmitDelay:
    """Submit a delay to a join set; `expires_at_us` is the proposal. Completes with the delay's id."""

    join_set: str
    schedule: msgspec.Raw
    expires_at_us: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """A delay in a one-off join set (its name may get a suffix), awaited. Completes with the DelayFinished response."""

    schedule: msgspec.Raw
    expires_at_us: int
    name: str | None


@dataclass(frozen=True, slots=True)
class AwaitNext:
    """Wait for the next response of a join set; `ffqn` when typed. Completes with a Response or AllProcessed."""

    join_set: str
    ffqn: str | None = None


@dataclass(frozen=True, slots=True)
class TryNext:
    """Take the next response if one is there. Completes with a Response, AllProcessed or Pending."""

    join_set: str


@dataclass(frozen=True, slots=True)
class CloseJoinSet:
    """Close a join set: waits for every child that is still out. Completes with None."""

    join_set: str


@dataclass(frozen=True, slots=True)
class Record:
    """Persist a value from outside. `request` says what (JSON); `proposed` is used when nothing is recorded yet."""

    request: msgspec.Raw
    proposed: msgspec.Raw


@dataclass(frozen=True, slots=True)
class ScheduleExecution:
    """Create a new top-level execution. Completes with None."""

    execution_id: str
    ffqn: str
    params: msgspec.Raw
    schedule: msgspec.Raw
    scheduled_at_us: int


@dataclass(frozen=True, slots=True)
class SupplyResult:
    """Set the result of a stub; `error` is the proposal, empty when it is accepted. Completes with the error.

    `ffqn` is empty when the guest does not name the function.
    """

    execution_id: str
    ffqn: str
    result: msgspec.Raw
    error: str


Command: TypeAlias = (
    Call
    | CreateJoinSet
    | Submit
    | SubmitDelay
    | Sleep
    | AwaitNext
    | TryNext
    | CloseJoinSet
    | Record
    | ScheduleExecution
    | SupplyResult
)


# --- answers --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class NameTaken:
    """A join set of that name exists already."""


@dataclass(frozen=True, slots=True)
class AllProcessed:
    """Every request of the join set has been answered and processed."""


@dataclass(frozen=True, slots=True)
class StillPending:
    """No response is there yet, and some are still out."""


Answer: TypeAlias = str | msgspec.Raw | Response | NameTaken | AllProcessed | StillPending | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """The log had the command already; the guest gets `value`."""

    value: Answer


@dataclass(frozen=True, slots=True)
class Appended:
    """New history; the guest gets `value` at once, the events are to be committed."""

    events: tuple[HistoryEvent, ...]
    value: Answer


@dataclass(frozen=True, slots=True)
class Suspended:
    """The guest waits for a response of `join_set`; `events` (perhaps none) are to be committed."""

    join_set: str
    events: tuple[HistoryEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Diverged:
    """The guest asked for something else than the log has; the machine accepts nothing more."""

    report: Divergence


Step: TypeAlias = Replayed | Appended | Suspended | Diverged
