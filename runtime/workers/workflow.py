"""One run of a workflow: a guest on a fiber, its replay machine, and what they add to the log.

`advance` moves the guest as far as it can go without waiting; `take` then gives what has to be committed. Progress is
speculative: the guest goes on over events that are not committed yet, as a later commit never lands without the earlier
one. Nothing here has effects: the owner enqueues the transaction, and launches children after its commit.

No child outlives its parent. A run that closes a join set, or whose guest is dead, asks for the cancellation of the
children that have not answered, the newest first, and goes on when all have. It only waits for those that are not
cancellable. The requests are part of the transaction that records what led to them. A dead guest leaves no history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.catalog.fitting import params_for
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import (
    MOST_VALUE_BYTES,
    PENDING,
    GuestTrap,
    HostMemory,
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
from obelisk.runtime.replay.commands import (
    Answer,
    Appended,
    Command,
    Diverged,
    Record,
    Replayed,
    Step,
    SupplyResult,
    Suspended,
)
from obelisk.runtime.replay.join_sets import response_id
from obelisk.runtime.replay.machine import Machine, MachineMisuse
from obelisk.runtime.workers import answers
from obelisk.runtime.workers.answers import ChildFailed
from obelisk.runtime.workers.batch import Batch, Progress, Supply, Upgrade
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.driven import Driven
from obelisk.runtime.workers.failures import failed, too_large
from obelisk.runtime.workers.guest_output import GuestOutput
from obelisk.runtime.workers.history_bound import HistoryBound, HistoryFull
from obelisk.runtime.workers.join_set_handles import JoinSetHandles
from obelisk.runtime.workers.pausing import diverged, outdated
from obelisk.runtime.workers.pending_writes import PendingWrites, response_to_parent
from obelisk.runtime.workers.stubs import Decision

Convert: TypeAlias = Callable[[Answer], JsonValue]
_CREATING: Final = frozenset({log.JoinSetRequest, log.Schedule})


class Stopped(Exception):
    """Unwinds a host call of a guest whose run is over (divergence); never leaves the run."""


class WorkflowRun:
    """One lock of one workflow execution, from claim to unload or finish; `cuts` runs before it were cut off."""

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
    ) -> None:
        self.execution_id, self.depth = stored.execution_id, ids.depth(stored.execution_id)
        self.stored = stored
        self.locked = locked
        self.function = function
        self.context = context
        self.state = stored.state
        self.outcome: log.Outcome | None = None
        self.paused: log.Paused | None = None
        self.lost, self.asked, self.cuts = False, 0, cuts
        self.memory = HostMemory(function.component.settings.max_host_bytes)
        """What is kept here for the guest, and by its WASI."""
        self.handles = JoinSetHandles(self.memory)
        created = stored.events[0]
        assert isinstance(created, log.Created)
        self.created, self.parent = created, created.parent
        self.family = created.family or ids.root_of(self.execution_id)
        self.group = function.component.name, self.family
        history = [e for e in stored.events if isinstance(e, log.HistoryEvent)]
        if history:
            context.metrics.replays.add(len(history))
            context.families.had(self.family, sum(map(_CREATING.__contains__, map(type, history))))
        self.machine = Machine(self.execution_id, history, stored.responses)
        self._bound = HistoryBound(function.component.settings, history, stored.responses)
        self._committed = {response_id(r) for r in stored.responses}
        self._added = PendingWrites(self.execution_id, self.machine, context, self._committed, created)
        self.reply: log.ChildFinished | None = None
        """What the parent is told, once there is an outcome."""
        params: list[JsonValue] = msgspec.json.decode(params_for(created, function))
        self.guest = Driven(lambda: prepared.start(function.export, params, self), self._added.made, self)
        self._waits_for: str | None = None
        self._convert: Convert | None = None
        self._result: msgspec.Raw | None = None
        self._divergence: log.Divergence | None = None
        self._supplying: tuple[Supply, Convert] | None = None
        self._decision: Decision | Exception | None = None
        self._upgrade = upgrade
        self._ending: log.Failed | None = None
        self._left: dict[str, None] = {}
        self._output: GuestOutput | None = None

    # --- what host functions call, during a poll -------------------------------------------------------------------
    def ask(self, command: Command, convert: Convert) -> JsonValue | Pending:
        """Give a command to the machine: the guest's answer, or PENDING until a response comes."""
        self.asked += 1
        if self._bound.is_due and not self.machine.recorded.is_replaying:
            self._bound.require_room()
        try:
            return self._settle(self.machine.step(command), convert)
        except (MachineMisuse, ChildFailed) as error:
            raise GuestTrap(error.message) from None

    def record(self, request: JsonValue, proposed: JsonValue) -> JsonValue:
        """Persist a value from outside; the recorded one on replay."""
        answer = self.ask(Record(answers.raw(request), answers.raw(proposed)), answers.recorded)
        assert not isinstance(answer, Pending)
        return answer

    def supply(self, execution_id: str, ffqn: str, result: msgspec.Raw, convert: Convert) -> JsonValue | Pending:
        """Set the result of a stub: the recorded answer on replay, else PENDING until it is decided."""
        if self.machine.is_replaying:
            return self.ask(SupplyResult(execution_id, ffqn, result, ""), convert)
        self.asked += 1
        self._bound.require_room()
        self._supplying = (Supply(execution_id, ffqn, result), convert)
        self._added.supply(self._supplying[0])
        return PENDING

    @property
    def value_bytes(self) -> int:
        """See `guest.Bounded`: a value on record is replayed, whatever the bound is by now."""
        return MOST_VALUE_BYTES if self.is_replaying else self.function.component.settings.max_value_bytes

    @property
    def output_bytes(self) -> int:
        """See `guest.Bounded`."""
        return MOST_VALUE_BYTES if self.is_replaying else self.function.component.settings.max_output_bytes

    @property
    def output(self) -> GuestOutput:
        """Where its messages and its standard streams go; `asked` counts its host calls."""
        if self._output is None:
            limit = self.function.component.settings.max_output_bytes
            self._output = GuestOutput(self.execution_id, self.locked.run, self.context, limit=limit, replayed=self)
        return self._output

    @property
    def is_replaying(self) -> bool:
        """Whether recorded history is left."""
        return self.machine.is_replaying

    @property
    def last_us(self) -> int:
        """The instant of the newest history that this run has added; 0 before it has added any."""
        return self._added.last_us

    # --- what the executor calls -----------------------------------------------------------------------------------
    @property
    def waits_for(self) -> str | None:
        """The join set whose next response the guest waits for."""
        return self._waits_for

    def deliver(self, response: log.Response, *, committed: bool) -> bool:
        """Hand over a response; True when the run can advance now. `committed` False makes the progress built on it
        depend on it; it may come again once it is committed."""
        if committed and (request := response_id(response)) not in self._committed:
            self._committed.add(request)
            self._bound.answer(response)
        can_go_on = self.machine.deliver(response)
        if self._ending is not None:
            self._left.pop(response_id(response), None)
            return not self._left
        return can_go_on and self._waits_for is not None

    def advance(self) -> Progress:
        """Run the guest until it waits, has computed for a tick, or is over."""
        if self._ending is not None:
            return self._end(self._ending)
        if self._upgrade is not None and not self._upgrade.auto:
            return self._pause(outdated(self._upgrade.before, self._upgrade.to))
        if self._result is not None:
            return self._close()
        guest = self.guest
        if guest.is_away and not guest.has_come:
            return Progress.AWAY
        try:
            if not guest.is_begun:
                guest.begin()
            if guest.is_away and not isinstance(poll := guest.poll(), Waiting):
                return self._after(poll)
            if self._supplying is not None and not self._supplied():
                return Progress.BLOCKED
            if self._waits_for is not None and not self._go_on():
                return Progress.BLOCKED
            return self._after(guest.poll())
        except HistoryFull as full:
            return self._pause(full.paused)
        except Stopped:
            assert self._divergence is not None
            return self._diverged(self._divergence)

    def decided(self, decision: Decision | Exception) -> None:
        """What becomes of the result that the guest supplied, or why that cannot be told: now the run can advance."""
        self._decision = decision

    def _supplied(self) -> bool:
        """Answer the guest that waits for a decision; False when there is none yet."""
        if self._supplying is None or self._decision is None:
            return False
        (supply, convert), decision = self._supplying, self._decision
        self._supplying = self._decision = None
        if isinstance(decision, Exception):
            raise decision
        error = f"{decision.error}:{decision.detail}" if decision.detail else decision.error
        value = self._settle(
            self.machine.step(SupplyResult(supply.execution_id, supply.ffqn, supply.result, error)), convert
        )
        assert not isinstance(value, Pending)
        self._added.decided(decision)
        self.guest.resume(value)
        return True

    def _go_on(self) -> bool:
        """Try to answer the host call the guest waits in; False when it still has to wait."""
        convert = self._convert
        assert convert is not None
        try:
            value = self._settle(self.machine.resume(), convert)
        except (ChildFailed, GuestTrap) as error:
            self._waits_for = self._convert = None
            self.guest.fail(error if isinstance(error, GuestTrap) else GuestTrap(error.message))
            return True
        if isinstance(value, Pending):
            return False
        self._waits_for = self._convert = None
        self.guest.resume(value)
        return True

    def _after(self, poll: Poll) -> Progress:
        match poll:
            case Waiting():
                return Progress.BLOCKED
            case Yielded():
                most_ms = self.function.component.settings.max_compute_ms
                trapped = self.guest.overdue(most_ms, replaying=self.is_replaying)
                return Progress.YIELDED if trapped is None else self._end(failed(trapped, self.context.ulid()))
            case Returned(value):
                result = msgspec.json.encode(value)
                trapped = too_large(result, self.function.component.settings.max_value_bytes)
                if trapped is not None and not self.machine.is_replaying:
                    return self._end(failed(trapped, self.context.ulid()))
                self._result = msgspec.Raw(result)
                return self._close()
            case Trapped():
                return self._end(failed(self._output.explained(poll) if self._output else poll, self.context.ulid()))

    def _close(self) -> Progress:
        """The guest returned: close its open join sets, then finish."""
        step = self.machine.resume() if self._waits_for is not None else self.machine.finish()
        self._waits_for = None
        match step:
            case Suspended(join_set, events):
                self.add_history(events)
                self._waits_for = join_set
                self._added.cancel(self.machine.closing)
                return Progress.BLOCKED
            case Diverged(report):
                return self._diverged(report)
            case Appended(events, _):
                self.add_history(events)
            case Replayed():
                pass
        assert self._result is not None
        return self._finish(log.Returned(value=self._result, shape=self.function.shape))

    def _diverged(self, report: log.Divergence, reason: str = "") -> Progress:
        """The build does not fit the history: leave the execution alone, another build may go on."""
        self.close()
        return self._pause(diverged(self.stored.events, self.locked.digest, report, reason))

    def _end(self, failure: log.Failed) -> Progress:
        """The guest is dead: finish once every child has answered."""
        self.close()
        if self.machine.is_replaying:
            return self._diverged(self.machine.left(), f"the guest failed early: {failure.reason}")
        submitted = self.machine.submitted()
        self._left = {child: None for child in submitted if self.machine.response(child) is None}
        if self._left:
            self._ending, self._convert = failure, None
            self._added.cancel(reversed(self._left))
            self._waits_for = ids.join_set_of(next(reversed(self._left)))
            return Progress.BLOCKED
        self._waits_for = None
        self._added.give_up()
        return self._finish(failure)

    def _pause(self, paused: log.Paused) -> Progress:
        """Leave the execution alone: it cannot go on with this build."""
        self._upgrade = self._waits_for = None
        self.paused = paused
        self._added.event(paused)
        self.close()
        return Progress.OVER

    def _finish(self, outcome: log.Outcome) -> Progress:
        self.outcome, self.reply = outcome, response_to_parent(self.execution_id, outcome)
        if self._output is not None:
            self._output.end()
        self._added.event(log.Finished(outcome=outcome))
        self.close()
        return Progress.OVER

    def broken(self, pause: log.Paused) -> tuple[Create, ...]:
        """The engine failed in this run: drop what it added since the last `take` and pause the execution, which a
        replay can go on from; the children that will not be created."""
        self.outcome = self.reply = self._upgrade = self._waits_for = None
        dropped = self._added.drop()
        self._added.event(pause)
        self.close()
        return dropped

    def unload(self, reason: str, *, ready: bool) -> None:
        """End the run without a result: the log gets Unlocked, the guest is freed; `take` has the write. `ready` True
        when the run could go on at once: then it does not wait for a response."""
        if self._left:
            self._waits_for = ids.join_set_of(next(reversed(self._left)))
        join_set = None if ready else self._waits_for
        self._added.event(log.Unlocked(reason=reason, pending_at_us=self.context.now_us(), join_set=join_set))
        self.close()

    def take(self) -> Batch | None:
        """What was added since the last call, or None."""
        if self._upgrade is not None and not self.machine.is_replaying and not self._added.is_empty:
            self._added.upgraded(self._upgrade.to)
            self._upgrade = None
        batch = self._added.take(self.state, self.locked, self._waits_for, self.reply)
        if batch is not None:
            self.state = batch.state
        return batch

    def close(self) -> None:
        """Free the guest, and what waits for an answer, which holds on to the run. Idempotent."""
        self._convert = self._supplying = None
        self.guest.close()

    @property
    def ending(self) -> log.Failed | None:
        """How the execution will fail once its children have ended."""
        return self._ending

    # --- inside ----------------------------------------------------------------------------------------------------
    def add_history(self, events: Sequence[log.HistoryEvent]) -> None:
        """Take in what the machine proposes."""
        self._bound.add(events)
        self._added.history(events)

    def _settle(self, step: Step, convert: Convert) -> JsonValue | Pending:
        match step:
            case Replayed(value):
                return convert(value)
            case Appended(events, value):
                self.add_history(events)
                return convert(value)
            case Suspended(join_set, events):
                self.add_history(events)
                self._waits_for, self._convert = join_set, convert
                if closing := self.machine.closing:
                    self._added.cancel(closing)
                return PENDING
            case Diverged(report):
                self._divergence = report
                raise Stopped
