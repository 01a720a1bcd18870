"""The executor: takes executions, runs them, and puts what they add into the store.

One event loop runs it. Ready runs wait in one queue; a drain works on it for a few milliseconds at a time, so that HTTP
and timers get their turn. What a drain adds to the log is committed together. Three rules hold everywhere:

1. An activity starts, a client hears and a place is given to a child only in a *commit callback*.
2. A finished child is told to a hot parent before the commit (`deliver(committed=False)`); the parent's own append then
   names it in `requires`, so that neither can be recorded without the other.
3. A run whose transaction was refused is dropped whole and read again from the store (`_lost`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from obelisk.runtime import ids
from obelisk.runtime.completions import Completions
from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.executor.delays import Delays
from obelisk.runtime.executor.environment import Environment
from obelisk.runtime.executor.places import Places
from obelisk.runtime.executor.pool import Pool
from obelisk.runtime.executor.timers import Timers
from obelisk.runtime.guest import Poll, Prepared, Returned, Trapped, Yielded
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import ExecutionState, LockedBy
from obelisk.runtime.ports import Clock, Entropy, Store, Stored
from obelisk.runtime.registry import ComponentKind, DeployedFunction, Registry
from obelisk.runtime.workers.activity import ActivityAttempt, timed_out
from obelisk.runtime.workers.workflow import Batch, Progress, WorkflowRun

logger = logging.getLogger(__name__)
DRAIN_S = 0.005
RELOAD_DELAY_S = 0.5

Run: TypeAlias = WorkflowRun | ActivityAttempt


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """`hot_workflows`: guests kept in memory, waiting or not; `activities`: attempts at once; `threads`: how many of
    those may compute or block for longer than a tick. Lease and poll intervals in milliseconds."""

    hot_workflows: int = 8_000
    activities: int = 1_000
    threads: int = 4
    lease_ms: int = 10_000
    poll_ms: int = 500
    grace_ms: int = 5_000


class Executor(Environment):
    """Runs executions of the deployed components; see the module's rules."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        completions: Completions,
        settings: ExecutorSettings,
    ) -> None:
        super().__init__(clock, entropy)
        self.settings = settings
        self.store = store
        self.registry = Registry()
        self.stopping = False
        self.wake_event = asyncio.Event()
        self.id = ids.EXECUTOR + self.ulid()
        self._completions = completions
        self._prepared: dict[str, Prepared] = {}
        self.places = Places(workflows=settings.hot_workflows, activities=settings.activities)
        self._hot: dict[str, WorkflowRun] = {}
        self._blocked: OrderedDict[str, None] = OrderedDict()
        self._ready: deque[Run] = deque()
        self._queued: set[str] = set()
        self._draining = False
        self._slow: set[str] = set()
        self._timers = Timers(clock)
        self.delays = Delays(store, clock, self._timers, self._delivered)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool = Pool(settings.threads, self._attempt_done, self._attempt_expired)

    # --- placement -------------------------------------------------------------------------------------------------
    def serve(self, registry: Registry, prepared: dict[str, Prepared]) -> None:
        """From now on run the components of `registry`; `prepared` by digest, earlier ones stay usable."""
        self._prepared.update(prepared)
        self.registry = registry
        self.wake()

    def reserve(self, function: DeployedFunction) -> log.Locked | None:
        """A place and the lock to record for one more execution of `function`, or None."""
        digest = function.component.digest
        if self.stopping or digest not in self._prepared:
            return None
        if self.places.free(function.kind) == 0 and not self._make_room(function.kind):
            return None
        locked = log.Locked(executor=self.id, run=ids.RUN + self.ulid(), digest=digest)
        self.places.take(function.kind, locked.run)
        return locked

    def give_back(self, locked: log.Locked) -> None:
        """The execution was not recorded after all."""
        self.places.give_back(locked.run)

    def wake(self) -> None:
        """Claim soon."""
        self.wake_event.set()

    def launch(self, execution_id: str, created: log.Created, locked: log.Locked, state: ExecutionState) -> None:
        """Run an execution that was created and locked here; its place is held already."""
        self._start(
            Stored(execution_id=execution_id, state=state, events=(created, locked), responses=()), locked, created
        )

    def adopt(self, stored: Stored) -> None:
        """Run an execution that this executor holds locked."""
        created, locked = stored.events[0], self._lock_of(stored)
        if locked is None or not isinstance(created, log.Created):
            return
        function = self.registry.functions.get(created.ffqn)
        if function is None or locked.digest not in self._prepared:
            logger.error("%s: %s is locked here but not deployed", stored.execution_id, created.ffqn)
            return
        self.places.take(function.kind, locked.run)
        self._start(stored, locked, created)

    def _lock_of(self, stored: Stored) -> log.Locked | None:
        status = stored.state.status
        if not isinstance(status, LockedBy) or status.executor != self.id:
            return None
        return next(e for e in reversed(stored.events) if isinstance(e, log.Locked))

    def _start(self, stored: Stored, locked: log.Locked, created: log.Created) -> None:
        function = self.registry.functions[created.ffqn]
        prepared = self._prepared[locked.digest]
        run: Run
        if function.kind is ComponentKind.WORKFLOW:
            run = WorkflowRun(stored=stored, locked=locked, function=function, prepared=prepared, around=self)
            self._hot[stored.execution_id] = run
        else:
            run = ActivityAttempt(
                execution_id=stored.execution_id,
                created=created,
                locked=locked,
                state=stored.state,
                function=function,
                prepared=prepared,
                around=self,
            )
        self._enqueue(run)

    def room(self, kind: ComponentKind) -> int:
        """How many executions of `kind` may be claimed: free places, and those of blocked workflows."""
        blocked = len(self._blocked) if kind is ComponentKind.WORKFLOW else 0
        return self.places.free(kind) + blocked

    def trim(self) -> None:
        """Unload blocked workflows while there are more than fit."""
        while self.places.over(ComponentKind.WORKFLOW) and self._make_room(ComponentKind.WORKFLOW):
            pass

    def _make_room(self, kind: ComponentKind) -> bool:
        """Unload the workflow that has been blocked the longest, if any."""
        if kind is not ComponentKind.WORKFLOW or not self._blocked:
            return False
        execution_id, _ = self._blocked.popitem(last=False)
        self._unload(self._hot[execution_id], "unloaded to make room")
        return True

    # --- the queue of ready runs -----------------------------------------------------------------------------------
    def _enqueue(self, run: Run) -> None:
        if run.execution_id in self._queued:
            return
        self._queued.add(run.execution_id)
        self._blocked.pop(run.execution_id, None)
        self._ready.append(run)
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + DRAIN_S
        while self._ready:
            run = self._ready.popleft()
            self._queued.discard(run.execution_id)
            if isinstance(run, WorkflowRun):
                if self._hot.get(run.execution_id) is run:
                    self._advance(run)
            else:
                self._attempt(run)
            if loop.time() > end:
                break
        self.trim()
        self._draining = bool(self._ready)
        if self._draining:
            loop.call_soon(self._drain)

    # --- workflows -------------------------------------------------------------------------------------------------
    def _advance(self, run: WorkflowRun) -> None:
        try:
            progress = run.advance()
        except Exception as error:
            logger.exception("%s: run %s broke", run.execution_id, run.locked.run)
            progress = run.broken(error)
        batch = run.take()
        if batch is not None:
            self.store.enqueue(batch.writes, partial(self._workflow_committed, run, batch))
        match progress:
            case Progress.BLOCKED:
                self._blocked[run.execution_id] = None
            case Progress.YIELDED:
                self._enqueue(run)
            case Progress.FINISHED:
                del self._hot[run.execution_id]
                self.places.give_back(run.locked.run)
                self._tell_parent(run)

    def _tell_parent(self, run: Run) -> None:
        """Give a hot parent the response before the commit (rule 2)."""
        parent = self._hot.get(run.parent) if run.parent is not None else None
        response = run.response()
        if parent is not None and response is not None and parent.deliver(response, committed=False):
            self._enqueue(parent)

    def _workflow_committed(self, run: WorkflowRun, batch: Batch, error: ObeliskError | None) -> None:
        if error is not None:
            for child in batch.children:
                if child.locked is not None:
                    self.places.give_back(child.locked.run)
            self._refused(run, error)
            return
        for child in batch.children:
            if child.locked is not None:
                self.launch(child.execution_id, child.created, child.locked, child.state)
            else:
                self._timers.at(child.created.scheduled_at_us, self.wake)
        for delay in batch.delays:
            self.delays.time(delay)
        if batch.final:
            self._finished(run)

    def _unload(self, run: WorkflowRun, reason: str) -> None:
        run.unload(reason, ready=run.execution_id in self._queued)
        del self._hot[run.execution_id]
        self.places.give_back(run.locked.run)
        batch = run.take()
        assert batch is not None
        self.store.enqueue(batch.writes, partial(self._workflow_committed, run, batch))

    # --- activities ------------------------------------------------------------------------------------------------
    def _attempt(self, attempt: ActivityAttempt) -> None:
        """First slice here, because a short activity is over sooner than a thread is woken; the rest on the pool.

        A function that needed more than one slice starts on the pool until it needs but one again.
        """
        if not attempt.prepared.blocks and attempt.function.ffqn not in self._slow:
            poll = attempt.poll()
            if not isinstance(poll, Yielded):
                self._concluded(attempt, poll)
                return
            self._slow.add(attempt.function.ffqn)
        self._pool.run(attempt)

    def _attempt_done(self, attempt: ActivityAttempt, poll: Poll) -> None:
        if attempt.abandoned:
            attempt.close()
            return
        if attempt.slices == 1:
            self._slow.discard(attempt.function.ffqn)
        self._concluded(attempt, poll)

    def _attempt_expired(self, attempt: ActivityAttempt) -> None:
        attempt.interrupt()
        self._record(attempt, timed_out(attempt.function.component.settings.attempt_timeout_ms))

    def _concluded(self, attempt: ActivityAttempt, poll: Poll) -> None:
        attempt.close()
        if not isinstance(poll, Returned | Trapped):
            raise AssertionError(f"an activity has no host call to wait in: {poll}")
        self._record(attempt, poll)

    def _record(self, attempt: ActivityAttempt, end: Returned | Trapped) -> None:
        self.places.give_back(attempt.locked.run)
        self.store.enqueue(attempt.conclude(end), partial(self._attempt_committed, attempt))
        self._tell_parent(attempt)

    def _attempt_committed(self, attempt: ActivityAttempt, error: ObeliskError | None) -> None:
        if error is not None:
            self._refused(attempt, error)
        elif attempt.outcome is not None:
            self._finished(attempt)
        elif attempt.retry_at_us is not None:
            self._timers.at(attempt.retry_at_us, self.wake)

    # --- after the commit ------------------------------------------------------------------------------------------
    def _finished(self, run: Run) -> None:
        assert run.outcome is not None
        self._completions.finished(run.execution_id, run.outcome)
        response = run.response()
        if response is not None and run.parent is not None:
            self._delivered(run.parent, response)

    def _delivered(self, execution_id: str, response: log.Response) -> None:
        """A response is on record: tell the hot workflow, or claim the one that it made pending."""
        run = self._hot.get(execution_id)
        if run is None:
            self.wake()
        elif run.deliver(response, committed=True):
            self._enqueue(run)

    def _refused(self, run: Run, error: ObeliskError) -> None:
        """Rule 3; a parent that was told early is dropped too."""
        if run.parent is not None and run.outcome is not None and (parent := self._hot.get(run.parent)) is not None:
            self._lost(parent, error)
        self._lost(run, error)

    def _lost(self, run: Run, error: ObeliskError) -> None:
        if isinstance(run, WorkflowRun):
            if run.lost:
                return
            run.lost = True
            if self._hot.get(run.execution_id) is run:
                del self._hot[run.execution_id]
            self._blocked.pop(run.execution_id, None)
            run.close()
        logger.warning("%s: run %s was refused: %s", run.execution_id, run.locked.run, error.message)
        self.places.give_back(run.locked.run)
        self.spawn(self._reload(run.execution_id, run.locked))

    async def _reload(self, execution_id: str, locked: log.Locked) -> None:
        while not self.stopping:
            await asyncio.sleep(RELOAD_DELAY_S)
            try:
                stored = await self.store.load(execution_id)
            except StoreError as error:
                logger.warning("%s: %s", execution_id, error.message)
                continue
            if stored is not None and stored.state.status == LockedBy(locked.executor, locked.run, locked.digest):
                self.adopt(stored)
            return

    def deliver_foreign(self, responses: Sequence[tuple[str, log.Response]]) -> None:
        """Responses that were read from the store: other processes may have written them."""
        for execution_id, response in responses:
            if execution_id in self._hot:
                self._delivered(execution_id, response)

    # --- life ------------------------------------------------------------------------------------------------------
    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine as long as the executor lives."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def abandon(self) -> None:
        """The lease is lost: drop everything at once, write nothing."""
        self.stopping = True
        self._close_timers()
        self._ready.clear()
        for run in self._hot.values():
            run.lost = True
            run.close()
        self._hot.clear()
        self._blocked.clear()

    def _close_timers(self) -> None:
        self.delays.close()
        self._timers.close()

    async def stop(self) -> None:
        """Drain: unload workflows, give running attempts `grace_ms`, then let go of what is left."""
        self.stopping = True
        self._close_timers()
        for run in list(self._hot.values()):
            self._unload(run, "the executor stops")
        await self._pool.drain(self.settings.grace_ms / 1000)
        for task in tuple(self._tasks):
            task.cancel()
        self._pool.close()
