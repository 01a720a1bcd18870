"""How attempts of workers end: by a result, by their time, or because they were never handed out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.errors import Conflict, ObeliskError
from obelisk.runtime.external import fates
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.context import WorkersContext
from obelisk.runtime.external.exchange import Fate, Result, State, Verdict
from obelisk.runtime.external.held import Held
from obelisk.runtime.log import events as log
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.state import LockedBy
from obelisk.runtime.ports.guest import Returned, Trapped
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.workers.attempt import timed_out

logger = logging.getLogger(__name__)
Told: TypeAlias = Callable[[ObeliskError | None], None]


class Ends:
    """`told` is called with the worker of an attempt that ended without it: there is news for it."""

    def __init__(self, context: WorkersContext, told: Callable[[str], None]) -> None:
        self.held = Held(self.expire)
        self.store = context.store
        self._context = context
        self._told = told

    # --- results -----------------------------------------------------------------------------------------------------
    async def results(self, worker: str, results: Sequence[Result]) -> list[Verdict]:
        """Judge results and record them; returns after the commits. StoreError: send them again.

        Those of attempts that are known here are queued at once, and so share a commit with each other and with what
        their workflows ask for next.
        """
        recording, verdicts = _Recording(), dict[int, Verdict]()
        for place, result in enumerate(results):
            attempt = self.held.get(result.run)
            if attempt is not None and attempt.execution_id == result.execution_id:
                verdicts[place] = self._begin(worker, attempt, result, recording, place)
        for place, result in enumerate(results):
            if place not in verdicts:
                verdicts[place] = await self._begin_unknown(worker, result, recording, place)
        await recording.over()
        counts = self._context.metrics.worker_results
        for place, verdict in verdicts.items():
            if place not in recording.refused:
                counts.add(verdict.state.value)
        for place, error in recording.refused.items():
            if not isinstance(error, Conflict):
                raise error
            verdicts[place] = await self._lost(worker, results[place])
            counts.add(State.STALE.value)
        return [verdicts[place] for place in range(len(results))]

    async def _begin_unknown(self, worker: str, result: Result, recording: _Recording, place: int) -> Verdict:
        """The same for an attempt that is not known here: another process gave it, or it has ended."""
        fate = await self.fate(worker, result.execution_id, result.run)
        attempt = await self.load(worker, result.execution_id, result.run) if fate is Fate.RUNNING else None
        if attempt is None:
            return stale(result, Fate.ENDED if fate is Fate.RUNNING else fate)
        return self._begin(worker, attempt, result, recording, place)

    def _begin(
        self, worker: str, attempt: ExternalAttempt, result: Result, recording: _Recording, place: int
    ) -> Verdict:
        """Queue the end that a result stands for: the verdict, if the store takes it."""
        if attempt.worker != worker:
            return stale(result, Fate.NOT_YOURS)
        if attempt.limit_ms <= 0:
            self.expire(attempt)
            return stale(result, Fate.TIMED_OUT)
        end, detail, problems = attempt.judged(result)
        failure = result.failure
        self._record(
            attempt,
            end,
            recording.begun(place),
            again=failure is None or failure.retryable,
            not_before_ms=0 if failure is None else failure.retry_after_ms,
        )
        state = State.INVALID if detail else State.ACCEPTED
        run, execution_id = result.run, result.execution_id
        return Verdict(execution_id=execution_id, run=run, state=state, detail=detail, problems=problems)

    async def _lost(self, worker: str, result: Result) -> Verdict:
        """The verdict on a result that the store refused: something else is on record."""
        fate = await self.fate(worker, result.execution_id, result.run)
        return stale(result, Fate.ENDED if fate is Fate.RUNNING else fate)

    def _record(
        self,
        attempt: ExternalAttempt,
        end: Returned | Trapped,
        told: Told,
        *,
        again: bool = True,
        not_before_ms: int = 0,
    ) -> None:
        """Record the end of an attempt; `told` after the commit, or with what refused it."""
        self.held.drop(attempt.locked.run)
        attempt.conclude(end, again=again, not_before_ms=not_before_ms)
        self._context.record_end(attempt, told)

    # --- ends without a result ---------------------------------------------------------------------------------------
    def expire(self, attempt: ExternalAttempt) -> None:
        """The time of an attempt is over, whatever its worker does."""
        self.held.tell(attempt, Fate.TIMED_OUT)
        self._told(attempt.worker)
        self.refuse(attempt, timed_out(attempt))

    def refuse(self, attempt: ExternalAttempt, end: Trapped) -> None:
        """End an attempt that its worker does not end."""
        self._record(attempt, end, _heard)

    def let_go(self, attempt: ExternalAttempt, reason: str) -> None:
        """Give back an attempt that never left the process: it is pending again, at once."""
        self.held.drop(attempt.locked.run)

        def told(error: ObeliskError | None) -> None:
            if error is None:
                self._context.wake()
            else:
                logger.debug("%s: run %s was not let go: %s", attempt.execution_id, attempt.locked.run, error.message)

        self._context.store.enqueue(attempt.let_go(reason), told)

    def revoked(self, execution_id: str) -> None:
        """The lock of an execution may have been taken away."""
        attempt = self.held.of_execution(execution_id)
        if attempt is not None:
            self._context.spawn(self.look(attempt))

    async def look(self, attempt: ExternalAttempt) -> None:
        """Find out whether an attempt goes on, and let its worker hear when it does not. Of an end by its own result,
        which it gave to another server, it has heard there. StoreError."""
        fate = await self.fate(attempt.worker, attempt.execution_id, attempt.locked.run)
        if fate is Fate.RUNNING or self.held.get(attempt.locked.run) is not attempt:
            return
        self.held.drop(attempt.locked.run)
        if fate is not Fate.ENDED:
            self.held.tell(attempt, fate)
            self._told(attempt.worker)

    # --- what is on record -------------------------------------------------------------------------------------------
    async def fate(self, worker: str, execution_id: str, run: str) -> Fate:
        """What became of an attempt; of one whose log cannot be read, that it is paused."""
        try:
            return await self._fate(worker, execution_id, run)
        except CorruptLog as error:
            self._context.set_aside(execution_id, error.message)
            return Fate.PAUSED

    async def _fate(self, worker: str, execution_id: str, run: str) -> Fate:
        store = self._context.store
        state = await store.state(execution_id)
        fate = fates.by_state(state, worker, run)
        if fate is not None or state is None:
            return fate or Fate.UNKNOWN
        first = max(0, state.version - fates.LOOKED_BACK)
        events = await store.events(execution_id, from_version=first, limit=fates.LOOKED_BACK)
        return fates.by_events((logged.event for logged in events), run)

    async def load(self, worker: str, execution_id: str, run: str) -> ExternalAttempt | None:
        """An attempt that is on record and not held here; None when it is no more, or cannot be run."""
        try:
            return await self._load(worker, execution_id, run)
        except CorruptLog as error:
            self._context.set_aside(execution_id, error.message)
            return None

    async def _load(self, worker: str, execution_id: str, run: str) -> ExternalAttempt | None:
        store = self._context.store
        stored = await store.load(execution_id)
        if stored is None or not isinstance(stored.state.status, LockedBy):
            return None
        created, locked = stored.events[0], stored.events[-1]
        status = stored.state.status
        if (status.executor, status.run) != (worker, run) or not isinstance(created, log.Created):
            return None
        if not isinstance(locked, log.Locked):
            return None
        last = await store.events(execution_id, from_version=stored.state.version - 1, limit=1)
        function = self._context.registry.functions.get(created.ffqn)
        if function is None or not last:
            return None
        attempt = self.made(stored, created, locked, function, last[0].at_us)
        if attempt is not None:
            self.held.add(attempt)
        return attempt

    def made(
        self, stored: Stored, created: log.Created, locked: log.Locked, function: DeployedFunction, at_us: int
    ) -> ExternalAttempt | None:
        """The attempt of a lock that is the last event; None when it cannot begin, for which it is paused."""
        before = stored.events[-2] if len(stored.events) > 1 else None
        try:
            return ExternalAttempt(
                execution_id=stored.execution_id,
                created=created,
                locked=locked,
                state=stored.state,
                function=function,
                context=self._context,
                at_us=at_us,
                cuts=before.cut_off if isinstance(before, log.Unlocked) else 0,
            )
        except Exception as error:
            self._context.cannot_begin(error, stored.execution_id, locked.run, created.ffqn)
            return None


class _Recording:
    """Ends that are being recorded, by their places among the results of an exchange; `refused`: those that the store
    did not take."""

    def __init__(self) -> None:
        self.refused: dict[int, ObeliskError] = {}
        self._open = 0
        self._over: asyncio.Future[None] | None = None

    def begun(self, place: int) -> Told:
        """One more; to be called when it is on record, or with what refused it."""
        self._open += 1
        return partial(self._told, place)

    def _told(self, place: int, error: ObeliskError | None) -> None:
        self._open -= 1
        if error is not None:
            self.refused[place] = error
        if not self._open and self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def over(self) -> None:
        """Wait until all are on record or refused."""
        if self._open:
            self._over = asyncio.get_running_loop().create_future()
            await self._over


def stale(result: Result, fate: Fate) -> Verdict:
    """The verdict on a result that does not count."""
    return Verdict(execution_id=result.execution_id, run=result.run, state=State.STALE, fate=fate)


def _heard(error: ObeliskError | None) -> None:
    """An end that was refused: another one is on record, or the store says why not, and it is looked for again."""
    if error is not None:
        logger.debug("the end of an attempt was refused: %s", error.message)
