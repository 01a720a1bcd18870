"""One run of a workflow: a guest on a fiber, its replay machine, and what they add to the log.

`advance` moves the guest as far as it can go without waiting; `take` then gives what has to be committed. Progress is
speculative: the guest goes on over events that are not committed yet, as a later commit never lands without the earlier
one. Nothing here has effects: the owner enqueues the transaction, and launches children after its commit. Where a run
is, and what may follow, is told in `phases`.

No child outlives its parent. A run that closes a join set, or whose guest is dead, asks for the cancellation of the
children that have not answered, the newest first, and goes on when all have. It only waits for those that are not
cancellable. The requests are part of the transaction that records what led to them. A dead guest leaves no history.
"""

from __future__ import annotations

from typing import Final

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.catalog.fitting import params_for
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import (
    GuestTrap,
    JsonValue,
    Pending,
    Poll,
    Prepared,
    Returned,
    Trapped,
    Waiting,
    Yielded,
)
from obelisk.runtime.ports.store import Create, Stored
from obelisk.runtime.replay.commands import Appended, Diverged, Replayed, SupplyResult, Suspended
from obelisk.runtime.replay.join_sets import response_id
from obelisk.runtime.replay.machine import Machine
from obelisk.runtime.workers.answers import ChildFailed
from obelisk.runtime.workers.batch import Batch, Progress, Upgrade
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.driven import Driven
from obelisk.runtime.workers.failures import failed, too_large
from obelisk.runtime.workers.history_bound import HistoryBound, HistoryFull
from obelisk.runtime.workers.host_calls import HostCalls, Sink, Stopped
from obelisk.runtime.workers.pausing import diverged, outdated
from obelisk.runtime.workers.pending_writes import PendingWrites, response_to_parent
from obelisk.runtime.workers.phases import RUNNING, Awaiting, Closing, Deciding, Failing, Gone, Over, Running, ToUpgrade
from obelisk.runtime.workers.stubs import Decision

_CREATING: Final = frozenset({log.JoinSetRequest, log.Schedule})


class WorkflowRun:
    """One lock of one workflow execution, from claim to unload or finish; `cuts` runs before it were cut off.

    `calls` is what host functions see of it, with the phase that it is in; `sink` takes new history instead of what
    `take` gives, for a replay that adds nothing. `lost`: it was dropped, and nothing of it counts any more.
    """

    def __init__(
        self,
        *,
        stored: Stored,
        locked: log.Locked,
        function: DeployedFunction,
        prepared: Prepared,
        context: RunContext,
        upgrade: Upgrade | None = None,
        cuts: int = 0,
        sink: Sink | None = None,
    ) -> None:
        self.execution_id = stored.execution_id
        self.locked = locked
        self.function = function
        self.state = stored.state
        self.cuts = cuts
        self.lost = False
        created = stored.events[0]
        assert isinstance(created, log.Created)
        self.created, self.parent = created, created.parent
        family = created.family or ids.root_of(self.execution_id)
        self.group = function.component.name, family
        history = [e for e in stored.events if isinstance(e, log.HistoryEvent)]
        if history:
            context.metrics.replays.add(len(history))
            context.families.had(family, sum(map(_CREATING.__contains__, map(type, history))))
        machine = Machine(self.execution_id, history, stored.responses)
        self._added = PendingWrites(
            self.execution_id,
            machine,
            context,
            {response_id(r) for r in stored.responses},
            created,
            HistoryBound(function.component.settings, history, stored.responses),
            upgrade.to if upgrade is not None else "",
        )
        self.calls = HostCalls(
            stored=stored,
            run=locked.run,
            family=family,
            function=function,
            context=context,
            machine=machine,
            added=self._added,
            sink=sink or self._added.history,
            phase=RUNNING if upgrade is None or upgrade.auto else ToUpgrade(upgrade),
        )
        params: list[JsonValue] = msgspec.json.decode(params_for(created, function))
        calls = self.calls
        self.guest = Driven(lambda: prepared.start(function.export, params, calls), self._added.made, calls)

    # --- what the executor calls -----------------------------------------------------------------------------------
    def deliver(self, response: log.Response, *, committed: bool) -> bool:
        """Hand over a response; True when the run can advance now. `committed` False makes the progress built on it
        depend on it; it may come again once it is committed."""
        if committed and (request := response_id(response)) not in self._added.committed:
            self._added.committed.add(request)
            self._added.bound.answer(response)
        can_go_on = self.calls.machine.deliver(response)
        phase = self.calls.phase
        if isinstance(phase, Failing):
            phase.left.pop(response_id(response), None)
            return not phase.left
        return can_go_on and phase.waits_for is not None

    def advance(self) -> Progress:
        """Run the guest until it waits, has computed for a tick, or is over."""
        calls, guest = self.calls, self.guest
        try:
            match calls.phase:
                case Running() | Awaiting() | Deciding():
                    if guest.is_away and not guest.has_come:
                        return Progress.AWAY
                    if not guest.is_begun:
                        guest.begin()
                    if guest.is_away and not isinstance(poll := guest.poll(), Waiting):
                        return self._after(poll)
                    if calls.phase is not RUNNING and not self._answered():
                        return Progress.BLOCKED
                    return self._after(guest.poll())
                case Closing(result):
                    return self._close(result)
                case Failing(failure):
                    return self._fail(failure)
                case ToUpgrade(upgrade):
                    return self._pause(outdated(upgrade.before, upgrade.to))
                case Over() | Gone():
                    raise AssertionError("the run is over")
        except HistoryFull as full:
            return self._pause(full.paused)
        except Stopped as stopped:
            return self._diverged(stopped.report)

    def decided(self, decision: Decision | Exception) -> None:
        """What becomes of the result that the guest supplied, or why that cannot be told: now the run can advance."""
        phase = self.calls.phase
        if isinstance(phase, Deciding):
            self.calls.phase = Deciding(phase.supply, phase.convert, decision)

    def broken(self, pause: log.Paused) -> tuple[Create, ...]:
        """The engine failed in this run: drop what it added since the last `take` and pause the execution, which a
        replay can go on from; the children that will not be created."""
        dropped = self._added.drop()
        self._pause(pause)
        return dropped

    def unload(self, reason: str, *, ready: bool) -> None:
        """End the run without a result: the log gets Unlocked, the guest is freed; `take` has the write. `ready` True
        when the run could go on at once: then it does not wait for a response."""
        phase = self.calls.phase
        if isinstance(phase, Failing) and phase.left:
            phase = self.calls.phase = Failing(phase.failure, phase.left, _last_join_set(phase.left))
        join_set = None if ready else phase.waits_for
        now_us = self.calls.context.now_us()
        self._added.event(log.Unlocked(reason=reason, pending_at_us=now_us, join_set=join_set))
        self.close()

    def take(self) -> Batch | None:
        """What was added since the last call, or None."""
        phase = self.calls.phase
        batch = self._added.take(
            self.state, self.locked, phase.waits_for, phase.reply if isinstance(phase, Over) else None
        )
        if batch is not None:
            self.state = batch.state
        return batch

    def close(self) -> None:
        """Free the guest, and what waits for an answer, which holds on to the run. Idempotent."""
        phase = self.calls.phase
        if isinstance(phase, Awaiting | Deciding):
            self.calls.phase = Gone(phase.waits_for)
        self.guest.close()

    @property
    def outcome(self) -> log.Outcome | None:
        """How the execution ended in this run, if it did."""
        return phase.outcome if isinstance(phase := self.calls.phase, Over) else None

    @property
    def reply(self) -> log.ChildFinished | None:
        """What the parent is told, once there is an outcome."""
        return phase.reply if isinstance(phase := self.calls.phase, Over) else None

    @property
    def paused(self) -> log.Paused | None:
        """The pause that ended the run, if one did."""
        return phase.paused if isinstance(phase := self.calls.phase, Over) else None

    # --- answers to the guest --------------------------------------------------------------------------------------
    def _answered(self) -> bool:
        """Answer the host call that the guest waits in, if it does; False when it has to go on waiting."""
        match self.calls.phase:
            case Awaiting(convert=convert):
                try:
                    value = self.calls.settle(self.calls.machine.resume(), convert)
                except (ChildFailed, GuestTrap) as error:
                    self.calls.phase = RUNNING
                    self.guest.fail(error if isinstance(error, GuestTrap) else GuestTrap(error.message))
                    return True
            case Deciding(decision=None):
                return False
            case Deciding(decision=Exception() as error):
                raise error
            case Deciding(supply, convert, Decision() as decision):
                told = f"{decision.error}:{decision.detail}" if decision.detail else decision.error
                command = SupplyResult(supply.execution_id, supply.ffqn, supply.result, told)
                value = self.calls.settle(self.calls.machine.step(command), convert)
                self._added.decided(decision)
            case _:
                return True
        if isinstance(value, Pending):
            return False
        self.calls.phase = RUNNING
        self.guest.resume(value)
        return True

    def _after(self, poll: Poll) -> Progress:
        calls, settings = self.calls, self.function.component.settings
        match poll:
            case Waiting():
                return Progress.BLOCKED
            case Yielded():
                trapped = self.guest.overdue(settings.max_compute_ms, replaying=calls.is_replaying)
                return Progress.YIELDED if trapped is None else self._fail(failed(trapped, calls.context.ulid()))
            case Returned(value):
                result = msgspec.json.encode(value)
                trapped = too_large(result, settings.max_value_bytes)
                if trapped is not None and not calls.is_replaying:
                    return self._fail(failed(trapped, calls.context.ulid()))
                return self._close(msgspec.Raw(result))
            case Trapped():
                return self._fail(failed(calls.said.explained(poll) if calls.said else poll, calls.context.ulid()))

    # --- ends ------------------------------------------------------------------------------------------------------
    def _close(self, result: msgspec.Raw) -> Progress:
        """The guest returned: close its open join sets, then finish."""
        machine = self.calls.machine
        is_waiting = isinstance(self.calls.phase, Closing)
        match machine.resume() if is_waiting else machine.finish():
            case Suspended(join_set, events):
                if events:
                    self.calls.sink(events)
                self.calls.phase = Closing(result, join_set)
                self._added.cancel(machine.closing)
                return Progress.BLOCKED
            case Diverged(report):
                return self._diverged(report)
            case Appended(events, _):
                self.calls.sink(events)
            case Replayed():
                pass
        return self._finish(log.Returned(value=result, shape=self.function.shape))

    def _fail(self, failure: log.Failed) -> Progress:
        """The guest is dead: finish once every child has answered."""
        self.guest.close()
        facts = self.calls.machine.facts
        if facts.is_replaying:
            return self._diverged(facts.left(), f"the guest failed early: {failure.reason}")
        left = {child: None for child in facts.submitted() if facts.response(child) is None}
        if left:
            self.calls.phase = Failing(failure, left, _last_join_set(left))
            self._added.cancel(reversed(left))
            return Progress.BLOCKED
        self._added.give_up()
        return self._finish(failure)

    def _diverged(self, report: log.Divergence, reason: str = "") -> Progress:
        """The build does not fit the history: leave the execution alone, another build may go on."""
        return self._pause(diverged(self.calls.stored.events, self.locked.digest, report, reason))

    def _pause(self, paused: log.Paused) -> Progress:
        """Leave the execution alone: it cannot go on with this build."""
        self.calls.phase = Over(paused=paused)
        self._added.upgrade = ""
        self._added.event(paused)
        self.guest.close()
        return Progress.OVER

    def _finish(self, outcome: log.Outcome) -> Progress:
        self.calls.phase = Over(outcome, response_to_parent(self.execution_id, outcome))
        if self.calls.said is not None:
            self.calls.said.end()
        self._added.event(log.Finished(outcome=outcome))
        self.guest.close()
        return Progress.OVER


def _last_join_set(children: dict[str, None]) -> str | None:
    """The join set of the newest of these children."""
    return ids.join_set_of(next(reversed(children)))
