"""The replay machine: what a workflow guest asks for, answered from the log or added to it. Pure.

Laws
- A command is compared with the next recorded history event. Agreement answers from the log (`Replayed`), disagreement
  is a divergence: the machine says `Diverged`, with the same report, to everything afterwards.
- Behind the end of the recorded history a command proposes new events (`Appended`) or waits (`Suspended`). After
  `Suspended` nothing may be asked but `resume`, which answers the same command.
- Responses are taken in the order they were delivered; on replay in the order that the log says. A response is recorded
  (`JoinNext`, `JoinNextTry`) when the guest takes it, not when it comes.
- What the guest can observe depends on the commands, the recorded history and the recorded order of responses alone.

Which events a command leaves
- Call, Sleep: JoinSetRequest or DelayRequest of a new one-off set, then JoinNext. Not created, not closed.
- CreateJoinSet: JoinSetCreate; nothing when the name is taken. A name is never free again.
- Submit, SubmitDelay: JoinSetRequest, DelayRequest. Requests are numbered per set, children and delays together.
- AwaitNext, TryNext: JoinNext, JoinNextTry, also when nothing is left or nothing is there yet.
- CloseJoinSet: JoinSetClose, once all children have answered; their responses count as processed, delays are given up.
- Record: Persist. ScheduleExecution: Schedule. SupplyResult: Stub. The end of the guest: CloseJoinSet of every
  open set, newest first.

Errors: `MachineMisuse` when the guest uses a join set that is not there: nothing changes, the shell makes the guest
trap. `CorruptLog` when the history contradicts itself or the responses: such a machine is of no more use. Calling in
the wrong order (`step` while suspended) is a bug of the shell, an AssertionError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.log import events as log
from obelisk.runtime.replay.commands import (
    AllProcessed,
    Appended,
    AwaitNext,
    Call,
    CloseJoinSet,
    Command,
    CreateJoinSet,
    NameTaken,
    Record,
    Replayed,
    ScheduleExecution,
    Sleep,
    Step,
    StillPending,
    Submit,
    SubmitDelay,
    SupplyResult,
    Suspended,
    TryNext,
)
from obelisk.runtime.replay.facts import Facts
from obelisk.runtime.replay.join_sets import JoinSet, JoinSets, MachineMisuse
from obelisk.runtime.replay.matching import Cursor, Left

__all__ = ["Machine", "MachineMisuse"]


class _OneOff(msgspec.Struct, frozen=True):
    """Waits for the only response of a one-off set."""

    join_set: str
    request: str


@dataclass(frozen=True, slots=True)
class _Next:
    """Waits for the next response of a set."""

    join_set: JoinSet
    ffqn: str | None


@dataclass(frozen=True, slots=True)
class _Close:
    """Waits for the children of a set that is being closed."""

    join_set: JoinSet


_Waiting: TypeAlias = _OneOff | _Next | _Close


class Machine:
    """The machine of one run of one execution; see the module's text for its laws. `facts`: what can be asked of it."""

    def __init__(
        self, execution_id: str, history: Sequence[log.HistoryEvent], responses: Sequence[log.Response]
    ) -> None:
        """`history` and `responses` are what the log holds when the run begins, both in order."""
        self._id = execution_id
        self._sets, self._log = JoinSets(), Cursor(execution_id, history)
        self.facts = Facts(self._sets, self._log)
        self._waiting: _Waiting | None = None
        self._to_close: list[JoinSet] | None = None
        for response in responses:
            self._sets.deliver(response)

    # --- driving ---------------------------------------------------------------------------------------------------
    def step(self, command: Command) -> Step:
        """Answer a host call of the guest. MachineMisuse, CorruptLog."""
        if self._log.diverged is not None:
            return self._log.diverged
        assert self._waiting is None, "a suspended machine takes no command"
        assert self._to_close is None, "the guest has returned"
        try:
            match command:
                case Call():
                    return self._call(command)
                case Submit(join_set):
                    return self._submit(self._sets.find_open(join_set), command)
                case AwaitNext(join_set, ffqn):
                    return self._await_next(self._sets.find_open(join_set), ffqn)
                case Record(request, proposed):
                    persist = log.Persist(request=request, value=proposed)
                    kept = self._log.match(persist)
                    return Appended((persist,), proposed) if kept is None else Replayed(kept.value)
                case TryNext(join_set):
                    return self._try_next(self._sets.find_open(join_set))
                case CreateJoinSet(name):
                    return self._create(name)
                case CloseJoinSet(join_set):
                    return self._close(self._sets.find_open(join_set))
                case SubmitDelay():
                    return self._submit_delay(self._sets.find_open(command.join_set), command)
                case Sleep():
                    return self._sleep(command)
                case ScheduleExecution():
                    return self._schedule(command)
                case SupplyResult(execution_id, ffqn, result, error):
                    stub = log.Stub(execution_id=execution_id, ffqn=ffqn, result=result, error=error)
                    supplied = self._log.match(stub)
                    return Appended((stub,), error) if supplied is None else Replayed(supplied.error)
        except Left as left:
            return left.diverged

    def resume(self) -> Step:
        """Answer the command that was suspended (or go on with `finish`), perhaps with Suspended again."""
        if self._log.diverged is not None:
            return self._log.diverged
        waiting, self._waiting = self._waiting, None
        try:
            match waiting:
                case _OneOff(join_set, request):
                    return self._await_one_off(join_set, request, ())
                case _Next(join_set, ffqn):
                    return self._await_next(join_set, ffqn)
                case _Close(join_set):
                    return self._close(join_set) if self._to_close is None else self._close_all(self._to_close)
                case None:
                    raise AssertionError("nothing is suspended")
        except Left as left:
            return left.diverged

    def deliver(self, response: log.Response) -> bool:
        """A response came. True when the suspended command can go on now; a second response to a request is ignored."""
        if not self._sets.deliver(response):
            return False
        match self._waiting:
            case None:
                return False
            case _OneOff(_, awaited):
                return self._sets.response(awaited) is not None
            case _Next(join_set, _):
                return join_set.first is not None
            case _Close(join_set):
                return not join_set.waits_for_children

    def finish(self) -> Step:
        """The guest returned: close what is open, newest first, then Replayed(None) or Appended(closes, None).

        Suspended while children are out (go on with `resume`); Diverged when recorded history is left.
        """
        if self._log.diverged is not None:
            return self._log.diverged
        assert self._waiting is None, "a suspended guest cannot return"
        assert self._to_close is None, "the guest has returned already"
        self._to_close = self._sets.open_sets()
        try:
            return self._close_all(self._to_close)
        except Left as left:
            return left.diverged

    # --- asking ----------------------------------------------------------------------------------------------------
    @property
    def awaited(self) -> Iterator[str]:
        """The open children and delays of which the suspended command waits for one, or all; at least one if any."""
        match self._waiting:
            case _OneOff(_, request):
                return iter((request,))
            case _Next(join_set, _) | _Close(join_set):
                return join_set.open_requests
            case None:
                return iter(())

    @property
    def closing(self) -> tuple[str, ...]:
        """The children that the suspended close of a join set waits for, newest first; empty when nothing is closed."""
        return self._waiting.join_set.open_children[::-1] if isinstance(self._waiting, _Close) else ()

    # --- one-off sets ----------------------------------------------------------------------------------------------
    def _call(self, command: Call) -> Step:
        join_set = self._sets.next_one_off()
        child = ids.child(self._id, join_set, 1)
        wanted = log.JoinSetRequest(
            join_set=join_set, child=child, ffqn=command.ffqn, params=command.params, signature=command.signature
        )
        found = self._log.match(wanted)
        self._sets.add_one_off()
        self._sets.add_child(found or wanted)
        return self._await_one_off(join_set, child, (wanted,) if found is None else ())

    def _sleep(self, command: Sleep) -> Step:
        join_set = self._sets.next_one_off(command.name)
        delay = ids.delay(self._id, join_set, 1)
        wanted = log.DelayRequest(
            join_set=join_set, delay=delay, schedule=command.schedule, expires_at_us=command.expires_at_us
        )
        found = self._log.match(wanted)
        self._sets.add_one_off()
        self._sets.add_delay(delay, (found or wanted).expires_at_us)
        return self._await_one_off(join_set, delay, (wanted,) if found is None else ())

    def _await_one_off(self, join_set: str, request: str, events: tuple[log.HistoryEvent, ...]) -> Step:
        wanted = log.JoinNext(join_set=join_set, response=request)
        found = self._log.match(wanted)
        response = self._sets.response(request)
        if found is not None and (response is None or found.response != request):
            raise self._log.corrupt(f"takes {found.response} from the one-off set of {request}, or before it came")
        if response is None:
            self._waiting = _OneOff(join_set, request)
            return Suspended(join_set, events)
        self._sets.process(request)
        self.facts.last_one_off = request
        if isinstance(response, log.ChildFinished):
            self.facts.last_direct_call = request
        return Appended((*events, wanted), response) if found is None else Replayed(response)

    # --- join sets -------------------------------------------------------------------------------------------------
    def _create(self, name: str | None) -> Step:
        join_set = self._sets.next_id(name)
        if join_set in self._sets:
            return Replayed(NameTaken())
        wanted = log.JoinSetCreate(join_set=join_set)
        found = self._log.match(wanted)
        self._sets.add(join_set)
        return Appended((wanted,), join_set) if found is None else Replayed(join_set)

    def _submit(self, join_set: JoinSet, command: Submit) -> Step:
        child = ids.child(self._id, join_set.id, join_set.requests + 1)
        wanted = log.JoinSetRequest(
            join_set=join_set.id, child=child, ffqn=command.ffqn, params=command.params, signature=command.signature
        )
        found = self._log.match(wanted)
        join_set.request_child(child)
        self._sets.add_child(found or wanted)
        return Appended((wanted,), child) if found is None else Replayed(child)

    def _submit_delay(self, join_set: JoinSet, command: SubmitDelay) -> Step:
        delay = ids.delay(self._id, join_set.id, join_set.requests + 1)
        wanted = log.DelayRequest(
            join_set=join_set.id, delay=delay, schedule=command.schedule, expires_at_us=command.expires_at_us
        )
        found = self._log.match(wanted)
        join_set.request_delay(delay)
        self._sets.add_delay(delay, (found or wanted).expires_at_us)
        return Appended((wanted,), delay) if found is None else Replayed(delay)

    def _await_next(self, join_set: JoinSet, ffqn: str | None) -> Step:
        first = join_set.first
        wanted = log.JoinNext(join_set=join_set.id, response=first, ffqn=ffqn)
        found = self._log.match(wanted)
        if found is not None:
            return Replayed(self._retake(join_set, found.response, pending=False))
        if first is not None:
            return Appended((wanted,), self._take(join_set, first))
        if join_set.is_exhausted:
            return Appended((wanted,), AllProcessed())
        self._waiting = _Next(join_set, ffqn)
        return Suspended(join_set.id)

    def _try_next(self, join_set: JoinSet) -> Step:
        first = join_set.first
        pending = first is None and not join_set.is_exhausted
        wanted = log.JoinNextTry(join_set=join_set.id, response=first, pending=pending)
        found = self._log.match(wanted)
        if found is not None:
            return Replayed(self._retake(join_set, found.response, pending=found.pending))
        if first is not None:
            return Appended((wanted,), self._take(join_set, first))
        return Appended((wanted,), StillPending() if pending else AllProcessed())

    def _take(self, join_set: JoinSet, request: str) -> log.Response:
        response = join_set.take(request)
        if response is None:
            raise self._log.corrupt(f"takes {request} from {join_set.id}: not submitted, not answered, or taken before")
        self._sets.process(request)
        return response

    def _retake(
        self, join_set: JoinSet, request: str | None, *, pending: bool
    ) -> log.Response | AllProcessed | StillPending:
        """What a recorded JoinNext or JoinNextTry gave the guest."""
        if request is not None and not pending:
            return self._take(join_set, request)
        if request is not None or join_set.is_exhausted == pending:
            raise self._log.corrupt(f"cannot be: {join_set.requests} requests were made of {join_set.id} by then")
        return StillPending() if pending else AllProcessed()

    def _close(self, join_set: JoinSet, *, returned: bool = False) -> Step:
        wanted = log.JoinSetClose(join_set=join_set.id)
        found = self._log.match(wanted, returned=returned)
        if join_set.waits_for_children:
            if found is not None:
                raise self._log.corrupt(f"closes {join_set.id} before all its children answered")
            self._waiting = _Close(join_set)
            return Suspended(join_set.id)
        self._sets.close(join_set)
        return Appended((wanted,), None) if found is None else Replayed(None)

    def _close_all(self, to_close: list[JoinSet]) -> Step:
        """Close what was open when the guest returned, newest first, as far as can be."""
        events: list[log.HistoryEvent] = []
        while to_close:
            closed = self._close(to_close[-1], returned=True)
            match closed:
                case Suspended(waits_for):
                    return Suspended(waits_for, tuple(events))
                case Appended(added, _):
                    events += added
                case _:
                    pass
            to_close.pop()
        if self._log.is_replaying:
            raise Left(self._log.diverge(None))
        return Appended(tuple(events), None) if events else Replayed(None)

    # --- other commands --------------------------------------------------------------------------------------------
    def _schedule(self, command: ScheduleExecution) -> Step:
        wanted = log.Schedule(
            execution_id=command.execution_id,
            ffqn=command.ffqn,
            params=command.params,
            schedule=command.schedule,
            scheduled_at_us=command.scheduled_at_us,
            signature=command.signature,
        )
        found = self._log.match(wanted)
        self.facts.scheduled.add(command.execution_id)
        return Appended((wanted,), None) if found is None else Replayed(None)
