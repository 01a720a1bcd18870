"""The executor: takes executions, runs them, and puts what they add into the store.

One event loop runs it. Ready runs wait in one queue (`ready`). Three rules hold everywhere:

1. What leaves the process does so only once the commit of its cause is on record: a client hears in a *commit
   callback*, a child begins in one, or before it (`early`) with its outward calls held back until then.
2. A finished child is told to a hot parent before the commit (`deliver(committed=False)`); the parent's own append then
   names it in `requires`, so that neither can be recorded without the other.
3. A run whose transaction was refused is dropped whole and read again from the store (`_lost`).
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import NoRoom, ObeliskError, StoreError
from obelisk.runtime.executor import breaking
from obelisk.runtime.executor.attempts import Attempts
from obelisk.runtime.executor.cancelling import Cancelling
from obelisk.runtime.executor.computing import Computing
from obelisk.runtime.executor.deciding import decide_for
from obelisk.runtime.executor.delays import Delays
from obelisk.runtime.executor.early import Early
from obelisk.runtime.executor.fatal import fatal
from obelisk.runtime.executor.lingering import Lingering
from obelisk.runtime.executor.outside import Outside
from obelisk.runtime.executor.pool import Pool
from obelisk.runtime.executor.ready import Ready
from obelisk.runtime.executor.reloading import Reloading
from obelisk.runtime.executor.runs import Ended, Revoked, Run, lock_of, new_run, stored_as, tell_refused
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.timers import Timers
from obelisk.runtime.log import events as log
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.observe.tracing import Tracer
from obelisk.runtime.ports.completions import Completions
from obelisk.runtime.ports.guest import Boundless, Returned, Room, Trapped, TrapReason
from obelisk.runtime.ports.store import Clock, Create, Entropy, Respond, Store, Stored
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.batch import Batch, Progress
from obelisk.runtime.workers.workflow import WorkflowRun

logger = logging.getLogger(__name__)
STOPS = "the executor stops"


class Executor(Outside):
    """Runs executions of the deployed components; see the module's rules."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        completions: Completions,
        settings: ExecutorSettings,
        health: Health | None = None,
        metrics: Metrics | None = None,
        tracer: Tracer | None = None,
        guests: Room | None = None,
    ) -> None:
        super().__init__(
            clock, entropy, store, settings, metrics or Metrics(), tracer, health or Health(), guests or Boundless()
        )
        self._completions = completions
        self._hot: dict[str, WorkflowRun] = {}
        self._blocked: OrderedDict[str, None] = OrderedDict()
        self._ready = Ready(self._go_on, self.trim, self.broke)
        self._timers = Timers(clock)
        self.delays = Delays(store, clock, self._timers, self.answered, self.health)
        self._lingering = Lingering(self, self._timers, settings.linger_ms, self._enqueue)
        self.pool = Pool(settings.threads)
        self._computing = Computing(self.pool, self._enqueue, partial(self._ready.add, last=True))
        self._attempts = Attempts(self.pool, self._attempt_ended, self._enqueue)
        self.cancelling = Cancelling(store, self, self.revoke, self.concluded)
        self._revoked, self._early = Revoked(), Early()
        self.reloading = Reloading(
            store, clock, self.health, self.spawn, self.adopt, self.taken, self.metrics.retries, self.paused
        )

    def begin(self, new: Create) -> None:
        """What creates an execution is queued: if that locks it here and it may begin early, run it already.

        It will be refused when a run of it is here under another lock, or its lock is from before a `rejoin`.
        """
        if new.locked is None or new.locked.executor != self.id:
            return
        if self._early.admits(self.registry.functions[new.created.ffqn]) and not self.is_running(new.execution_id):
            self._early.add(new.locked.run)
            self._run(stored_as(new), new.locked, new.created, covered=False, behind=self.is_behind(new.lane))

    def launch(self, new: Create) -> None:
        """An execution that was created and locked here is on record: run it, unless it has begun."""
        assert new.locked is not None
        if not self._early.settle(new.locked.run):
            if new.locked.executor == self.id:
                self._start(stored_as(new), new.locked, new.created, behind=self.is_behind(new.lane))
            else:
                self.workers.matching.launch(new)
        elif (attempt := self._attempts.get(new.execution_id)) is not None and attempt.locked == new.locked:
            attempt.cover()

    def withdraw(self, new: Create) -> None:
        """The creation of an execution was refused: drop its run, should it have begun here, and free its place."""
        if new.locked is None:
            return
        if self._early.settle(new.locked.run) and self.lock_here(new.execution_id) == new.locked:
            self._drop_here(new.execution_id)
        self.places.give_back(new.locked.run)
        self.workers.matching.withdraw(new.locked)

    def adopt(self, stored: Stored) -> None:
        """Run an execution that this executor holds locked. A run of it that is here under another lock has lost it."""
        created, locked = stored.events[0], lock_of(stored, self.id)
        here = self.lock_here(stored.execution_id)
        if self.stopping or locked is None or locked == here or not isinstance(created, log.Created):
            return
        if here is not None:
            self.revoke(stored.execution_id)
        function = self.function_of(created.ffqn, locked.digest)
        if function is None or locked.digest not in self.prepared:
            logger.error("%s: %s is locked here but not deployed", stored.execution_id, created.ffqn)
            return
        self.places.take(function.kind, locked.run, locked.digest)
        self._start(stored, locked, created, behind=True)

    def _start(self, stored: Stored, locked: log.Locked, created: log.Created, *, behind: bool) -> None:
        if self._revoked.forget(stored.execution_id):
            self.places.give_back(locked.run)
            self.reloading.read(stored.execution_id, locked)
            return
        self._run(stored, locked, created, covered=True, behind=behind)

    def _run(self, stored: Stored, locked: log.Locked, created: log.Created, *, covered: bool, behind: bool) -> None:
        try:
            run = new_run(stored, created, locked, self.function_of, self.prepared, self, covered=covered)
        except Exception as error:
            breaking.not_begun(error, stored.execution_id, locked.run, created.ffqn, self)
            return
        if isinstance(run, WorkflowRun):
            self._computing.begins(run)
            self._hot[stored.execution_id] = run
        else:
            self._attempts.add(run)
        self._ready.add(run, begins=behind)

    def is_running(self, execution_id: str) -> bool:
        """Whether a run of the execution is here, also one that has ended and whose end is not on record yet."""
        return execution_id in self._hot or execution_id in self._attempts or execution_id in self._ending

    def _enqueue(self, run: Run) -> None:
        self._blocked.pop(run.execution_id, None)
        self._ready.add(run)

    def _go_on(self, run: Run) -> None:
        if not isinstance(run, WorkflowRun):
            self._attempts.run(run)
        elif self._hot.get(run.execution_id) is run:
            self._advance(run)

    # --- workflows -------------------------------------------------------------------------------------------------
    def _advance(self, run: WorkflowRun) -> None:
        try:
            progress, batch, dropped = breaking.advance(run, self)
        except NoRoom as refused:
            self._crowded_out(run, refused)
            return
        for child in dropped:
            self.withdraw(child)
        if batch is not None:
            self.store.enqueue(batch.writes, partial(self._workflow_committed, run, batch))
            for child in batch.children:
                self.begin(child)
        match progress:
            case Progress.BLOCKED if run.calls.phase.waits_for and not self._lingering.keeps(run, batch):
                self._unload(run, "it waits")
            case Progress.BLOCKED:
                self._blocked[run.execution_id] = None
            case Progress.YIELDED | Progress.AWAY:
                self._computing.goes_on(run)
            case Progress.OVER:
                del self._hot[run.execution_id]
                self.places.give_back(run.locked.run)
                self._tell_parent(run)

    def _tell_parent(self, run: Ended) -> None:
        """Give a hot parent the response before the commit (rule 2)."""
        parent = self._hot.get(run.parent) if run.parent is not None else None
        response = run.reply
        if parent is not None and response is not None and parent.deliver(response, committed=False):
            self._blocked.pop(parent.execution_id, None)
            self._ready.add(parent, behind=run.group)

    @fatal
    def _workflow_committed(self, run: WorkflowRun, batch: Batch, error: ObeliskError | None) -> None:
        if error is not None:
            for child in batch.children:
                self.withdraw(child)
            self.taken.refused(run.execution_id, batch.children)
            self._refused(run, error)
            return
        for child in batch.children:
            if child.locked is not None:
                self.launch(child)
            else:
                self._timers.at(child.created.scheduled_at_us, self.wake)
        self.delays.committed(run.execution_id, batch.delays, batch.given_up)
        if batch.cancels:
            self.intervened(batch.cancels)
        if batch.decision is not None:
            self.supplied(batch.decision)
        if batch.supply is not None:
            self.spawn(decide_for(self.store, self, run, batch.supply, self._decided))
        if batch.final:
            self._finished(run)
        self.progressed(run.function, run.locked, batch)

    def _unload(self, run: WorkflowRun, reason: str) -> None:
        run.unload(reason, ready=run in self._ready)
        del self._hot[run.execution_id]
        self.places.give_back(run.locked.run)
        batch = run.take()
        assert batch is not None
        self.store.enqueue(batch.writes, partial(self._workflow_committed, run, batch))

    # --- activities ------------------------------------------------------------------------------------------------
    @fatal
    def _attempt_ended(self, attempt: ActivityAttempt, end: Returned | Trapped) -> None:
        if isinstance(end, Trapped) and end.reason is TrapReason.NO_ROOM:
            self.metrics.refused_guests.add(ComponentKind.ACTIVITY.value)
            self._let_go(attempt, end.message)
            self.make_guest_room()
            return
        self.places.give_back(attempt.locked.run)
        self._ending.add(attempt.execution_id)
        self.store.enqueue(attempt.conclude(end), partial(self._attempt_committed, attempt))
        self._tell_parent(attempt)

    def _let_go(self, attempt: ActivityAttempt, reason: str) -> None:
        self.places.give_back(attempt.locked.run)
        self.store.enqueue(attempt.let_go(reason), partial(self._attempt_committed, attempt))

    @fatal
    def _attempt_committed(self, attempt: ActivityAttempt, error: ObeliskError | None) -> None:
        if not attempt.function.stays_hot:
            self.wake()  # its lock counted towards a limit
        if isinstance(error, StoreError):
            self._drop_parent(attempt, error)
            self.reloading.record(attempt.execution_id, attempt.again(error), partial(self._attempt_committed, attempt))
            return
        self._ending.discard(attempt.execution_id)
        if error is not None:
            self._refused(attempt, error)
        elif attempt.outcome is not None:
            self._finished(attempt)
        elif attempt.retry_at_us is not None:
            self._timers.at(attempt.retry_at_us, self.wake)

    def _finished(self, run: Ended) -> None:
        outcome = run.outcome
        assert outcome is not None
        self.count(run.execution_id, run.created, outcome)
        self._completions.finished(run.execution_id, outcome)
        self.delays.forget(run.execution_id)
        if (response := run.reply) is not None and run.parent is not None:
            self.answered(run.parent, response)

    def answered(self, execution_id: str, response: log.Response) -> None:
        """A response is on record: tell the hot workflow, or claim the one that it made pending."""
        run = self._hot.get(execution_id)
        if run is None:
            self.cancelling.answered(execution_id)
            self.wake()
        elif run.deliver(response, committed=True):
            self._enqueue(run)

    def _refused(self, run: Run, error: ObeliskError) -> None:
        """Rule 3."""
        self._drop_parent(run, error)
        self._lost(run, error)

    def _drop_parent(self, run: Ended, error: ObeliskError) -> None:
        """A parent that was told early is dropped too."""
        if isinstance(error, StoreError):
            self.health.failed(error)
        if run.parent is not None and run.outcome is not None and (parent := self._hot.get(run.parent)) is not None:
            self._lost(parent, error)

    def _lost(self, run: Run, error: ObeliskError) -> None:
        if isinstance(run, WorkflowRun):
            if run.lost:
                return
            self._drop(run)
        tell_refused(run, error)
        self.places.give_back(run.locked.run)
        self.reloading.read(run.execution_id, run.locked, error)

    # --- interventions ---------------------------------------------------------------------------------------------
    def intervened(self, executions: Sequence[str]) -> None:
        """Executions were paused or are being cancelled, which is on record: stop what runs here, drive the rest."""
        for execution_id in executions:
            self.revoke(execution_id)
            self.cancelling.settle(execution_id)

    def revoke(self, execution_id: str) -> None:
        """The lock of an execution was taken away: drop any local run. The store will reject its writes."""
        self.workers.ends.revoked(execution_id)
        if self._drop_here(execution_id):
            self.wake()
        else:
            self._revoked.add(execution_id)

    def lock_here(self, execution_id: str) -> log.Locked | None:
        """The lock under which a run of the execution is here."""
        run = self._hot.get(execution_id) or self._attempts.get(execution_id)
        return None if run is None else run.locked

    def runs_here(self) -> dict[str, str]:
        """The executions that are run here, by run, but for those that began early."""
        locks = ((run.execution_id, run.locked.run) for run in (*self._hot.values(), *self._attempts))
        return {run: execution_id for execution_id, run in locks if run not in self._early}

    def _drop_here(self, execution_id: str) -> bool:
        """Drop the run of an execution and free its place; whether one was here."""
        run = self._hot.get(execution_id) or self._attempts.give_up(execution_id)
        if isinstance(run, WorkflowRun):
            self._drop(run)
        if run is not None:
            self.places.give_back(run.locked.run)
        return run is not None

    def _drop(self, run: WorkflowRun) -> None:
        run.lost = True
        if self._hot.get(run.execution_id) is run:
            del self._hot[run.execution_id]
        self._blocked.pop(run.execution_id, None)
        run.close()

    def concluded(self, execution_id: str, outcome: log.Outcome, respond: Respond | None) -> None:
        """An execution was finished without a run, which is on record, with what its parent got."""
        self._completions.finished(execution_id, outcome)
        self.delays.forget(execution_id)
        self.spawn(self.count_concluded(execution_id, outcome))
        if respond is not None:
            self.answered(respond.execution_id, respond.response)

    def _decided(self, run: WorkflowRun) -> None:
        if self._hot.get(run.execution_id) is run:
            self._enqueue(run)

    # --- life ------------------------------------------------------------------------------------------------------
    def abandon(self) -> None:
        """End: drop everything at once, write nothing."""
        self.stopping = True
        self.delays.close()
        self.workers.close()
        self._timers.close()
        self._drop_all()

    def rejoin(self) -> None:
        """The lease is lost, and others may run what was held: drop it and be another executor, without a lease yet.

        What is still to come of the dropped runs is refused by the store, which knows their locks as void.
        """
        self._drop_all()
        self.places.clear()
        self.rename()

    def _drop_all(self) -> None:
        self._ready.clear()
        for run in self._hot.values():
            run.lost = True
            run.close()
        self._hot.clear()
        self._blocked.clear()
        self._early.clear()
        self._ending.clear()
        self._attempts.abandon()

    async def stop(self) -> None:
        """Drain: unload workflows, give running attempts `grace_ms`, then let go of what is left."""
        self.stopping = True
        self.delays.close()
        self.workers.close()
        self._timers.close()
        for run in list(self._hot.values()):
            self._unload(run, STOPS)
        for attempt in self._attempts.take_unbegun():
            self._let_go(attempt, STOPS)
        await self._attempts.drain(self.settings.grace_ms / 1000)
        self._ready.clear()
        self.cancel_spawned()
        self._attempts.abandon()
        await self.pool.close()
