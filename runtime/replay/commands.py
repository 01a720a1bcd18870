"""What a workflow guest can ask for, and what the replay machine answers: the machine's whole alphabet.

The shell turns each host call of a guest into one Command and gives it to `machine.Machine.step`. Everything that comes
from outside the guest enters as a *proposal* inside the command (`proposed`, `expires_at_us`); on replay the recorded
value wins and the proposal is ignored. WIT values are raw JSON text in canonical form.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from obelisk.runtime.log.events import Divergence, HistoryEvent, Response


# --- commands -------------------------------------------------------------------------------------------------------
class Call(msgspec.Struct, frozen=True, gc=False):
    """Call a function and wait: a one-off join set, its request, its response. Completes with the Response.

    `signature` is that of the function, a proposal.
    """

    ffqn: str
    params: msgspec.Raw
    signature: str = ""


class CreateJoinSet(msgspec.Struct, frozen=True, gc=False):
    """Create a join set, generated name when `name` is None. Completes with its id, or NameTaken."""

    name: str | None


class Submit(msgspec.Struct, frozen=True, gc=False):
    """Submit a child to a join set; `signature` as in `Call`. Completes with the child's id."""

    join_set: str
    ffqn: str
    params: msgspec.Raw
    signature: str = ""


class SubmitDelay(msgspec.Struct, frozen=True, gc=False):
    """Submit a delay to a join set; `expires_at_us` is the proposal. Completes with the delay's id."""

    join_set: str
    schedule: msgspec.Raw
    expires_at_us: int


class Sleep(msgspec.Struct, frozen=True, gc=False):
    """A delay in a one-off join set (its name may get a suffix), awaited. Completes with the DelayFinished response."""

    schedule: msgspec.Raw
    expires_at_us: int
    name: str | None


class AwaitNext(msgspec.Struct, frozen=True, gc=False):
    """Wait for the next response of a join set; `ffqn` when typed. Completes with a Response or AllProcessed."""

    join_set: str
    ffqn: str | None = None


class TryNext(msgspec.Struct, frozen=True, gc=False):
    """Take the next response if one is there. Completes with a Response, AllProcessed or Pending."""

    join_set: str


class CloseJoinSet(msgspec.Struct, frozen=True, gc=False):
    """Close a join set: waits for every child that is still out. Completes with None."""

    join_set: str


class Record(msgspec.Struct, frozen=True, gc=False):
    """Persist a value from outside. `request` says what (JSON); `proposed` is used when nothing is recorded yet."""

    request: msgspec.Raw
    proposed: msgspec.Raw


class ScheduleExecution(msgspec.Struct, frozen=True, gc=False):
    """Create a new top-level execution; `signature` as in `Call`. Completes with None."""

    execution_id: str
    ffqn: str
    params: msgspec.Raw
    schedule: msgspec.Raw
    scheduled_at_us: int
    signature: str = ""


class SupplyResult(msgspec.Struct, frozen=True, gc=False):
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
class NameTaken(msgspec.Struct, frozen=True, gc=False):
    """A join set of that name exists already."""


class AllProcessed(msgspec.Struct, frozen=True, gc=False):
    """Every request of the join set has been answered and processed."""


class StillPending(msgspec.Struct, frozen=True, gc=False):
    """No response is there yet, and some are still out."""


Answer: TypeAlias = str | msgspec.Raw | Response | NameTaken | AllProcessed | StillPending | None


class Replayed(msgspec.Struct, frozen=True, gc=False):
    """The log had the command already; the guest gets `value`."""

    value: Answer


class Appended(msgspec.Struct, frozen=True, gc=False):
    """New history; the guest gets `value` at once, the events are to be committed."""

    events: tuple[HistoryEvent, ...]
    value: Answer


class Suspended(msgspec.Struct, frozen=True, gc=False):
    """The guest waits for a response of `join_set`; `events` (perhaps none) are to be committed."""

    join_set: str
    events: tuple[HistoryEvent, ...] = ()


class Diverged(msgspec.Struct, frozen=True, gc=False):
    """The guest asked for something else than the log has; the machine accepts nothing more."""

    report: Divergence


Step: TypeAlias = Replayed | Appended | Suspended | Diverged
