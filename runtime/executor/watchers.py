"""The background loops of an executor: claiming, the lease, delays, cancellations, other processes, new deployments.

Each loop survives a store that fails for a while: it says so and tries again. When the lease is lost, others may
already run what the executor held: it drops that at once and goes on as another executor. A bug in a loop ends it,
because an executor that goes on without one of them would keep its locks and no longer do what they stand for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable

from obelisk.runtime import ids
from obelisk.runtime.catalog.settings import RUNNABLE, ComponentKind
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.executor.burst_detector import BurstDetector
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.leases import Patience, own_life
from obelisk.runtime.executor.overdue import Overdue
from obelisk.runtime.executor.pauses import Pauses
from obelisk.runtime.executor.probing import Probing
from obelisk.runtime.executor.resuming import resume
from obelisk.runtime.executor.runs import holds, lock_of
from obelisk.runtime.external import overlooked
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Locked, Unlocked
from obelisk.runtime.ports.claims import Claim, Lease
from obelisk.runtime.ports.store import Append, Stored

logger = logging.getLogger(__name__)
BATCH = 256
MIN_CLAIM_INTERVAL_S = 0.005
DEPLOYMENT_POLL_S = 2.0
EBB_EVERY_S = 1.0
PRUNED_AT_ONCE = 100
PRUNE_PAUSE_S = 0.05
FAILURE_POLL_S = 1.0
FIRST_RETRY_S, MOST_RETRY_S = 1.0, 60.0
LOOKS_PER_LEASE = 12
"""So often it is looked for executors that are gone: one whose process is, is found so much of a lease later."""
GONE = "its executor is gone"
NOT_HERE = "its build is not deployed here any more"


class Watchers:
    """Started after the store and the executor, stopped before them.

    `on_failed(reason)` is called once the executor has dropped its runs for good, which is a bug: the process should
    end. `life` gives the machine and the start of this process, for the lease. `give_back` lets the system have the
    memory that is held for nothing after many workflows were hot at once; it is called on a thread.
    """

    def __init__(
        self,
        executor: Executor,
        deployment: Deployment,
        *,
        on_failed: Callable[[str], None],
        life: Callable[[], tuple[str, str]] | None = None,
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._executor = executor
        self._deployment = deployment
        self._store = executor.store
        self._on_failed = on_failed
        self._tasks: list[asyncio.Task[None]] = []
        self._others = False
        self._seen = self._turn = 0
        self._interventions: int | None = None
        self._amiss: dict[str, str] = {}
        self._life = life or own_life
        self._bursts = BurstDetector()
        self._give_back = give_back
        self._probing = Probing(self._store.room)
        self._patient = Patience(executor.settings.lease_ms * 1000)

    async def start(self) -> None:
        """Take the lease, free what dead executors held, then watch."""
        if not await self._store.renew_lease(self._lease()):
            raise ObeliskError("could not take an executor lease")
        await self.release_dead()
        self._interventions, _ = await self._store.interventions_since(None)
        poll_s, lease_s = self._executor.settings.poll_ms / 1000, self._executor.settings.lease_ms / 1000
        loops = (
            self._forever("claiming", self._claim),
            self._forever("workers", self._executor.workers.matching.watch),
            self._forever("overlooked", self._executor.workers.overlooked.look, every_s=overlooked.LOOK_EVERY_S),
            self._forever("probing", self._probe),
            self._forever("lease", self._renew, every_s=lease_s / 3, most_s=lease_s / 3),
            self._forever("the dead", self.release_dead, every_s=lease_s / LOOKS_PER_LEASE),
            self._forever("delays", lambda: self._executor.delays.watch(poll_s)),
            self._forever("overdue", Overdue(self._store, self._executor, self._executor.concluded).watch),
            self._forever("locks", self._find_lost, every_s=lease_s),
            self._forever("responses", self._foreign, every_s=poll_s / 4),
            self._forever("cancellations", self._executor.cancelling.poll, every_s=poll_s),
            self._forever("deployment", self._deployment.load, every_s=DEPLOYMENT_POLL_S),
            self._forever("resuming", self._resume),
            self._forever("memory", self._after_a_flood, every_s=EBB_EVERY_S),
            self._forever("retention", self._prune, every_s=self._executor.settings.prune_ms / 1000),
        )
        self._tasks = [asyncio.get_running_loop().create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Stop watching and give the lease back; what is still locked here becomes pending, at once or, when the store
        cannot be written to, once others find the lease expired."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        executor = self._executor
        try:
            await self._store.release(executor.id, reason="the executor stopped", now_us=executor.now_us())
        except StoreError as error:
            text = "%s stops without giving its lease back, which others find expired later: %s"
            logger.warning(text, executor.id, error.message)

    def kill(self) -> None:
        """Stop at once and write nothing, as a crash would."""
        for task in self._tasks:
            task.cancel()

    async def _forever(
        self, name: str, step: Callable[[], Awaitable[None]], *, every_s: float = 0.0, most_s: float = MOST_RETRY_S
    ) -> None:
        pauses, health = Pauses(FIRST_RETRY_S, most_s), self._executor.health
        while True:
            try:
                await step()
                pauses.reset()
            except ObeliskError as error:
                self._executor.metrics.retries.add(name)
                if isinstance(error, StoreError):
                    health.failed(error)
                if health.trouble:
                    await health.wait()
                else:
                    logger.warning("%s: %s", name, error.message)
                    await asyncio.sleep(pauses.next_s())
            except Exception as error:
                logger.critical("the %s loop broke: dropping all runs", name, exc_info=True)
                self._fail(f"the {name} loop broke: {type(error).__name__}: {error}")
            if every_s:
                await asyncio.sleep(every_s)

    async def _claim(self) -> None:
        """One round: lock what is pending as far as there are places, then wait to be woken or for the poll."""
        executor = self._executor
        executor.wake_event.clear()
        full = [await self._claim_kind(kind) for kind in RUNNABLE]
        if any(full):
            return
        # Not wait_for: it can lose a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(executor.settings.poll_ms / 1000):
                await executor.wake_event.wait()
            await asyncio.sleep(MIN_CLAIM_INTERVAL_S)

    async def _claim_kind(self, kind: ComponentKind) -> bool:
        """Lock what is pending of one kind; True when there may be more that fits."""
        executor = self._executor
        digests, builds = executor.eligible.digests[kind], executor.eligible.builds[kind]
        limit = min(BATCH, executor.room(kind))
        if not limit or not (digests or builds) or not executor.takes_work:
            return False
        claimed = await self._store.claim(
            Claim(
                executor=executor.id,
                digests=digests,
                limit=limit,
                now_us=executor.now_us(),
                runs=(ids.RUN + executor.ulid() for _ in range(limit)),
                limits=executor.eligible.limits,
                builds=builds,
                turn=self._turn,
            )
        )
        self._turn += len(claimed)
        executor.metrics.claims.add(kind.value, count=len(claimed))
        for stored in claimed:
            executor.adopt(stored)
        executor.trim()
        return len(claimed) == limit

    async def _renew(self) -> None:
        executor, lease = self._executor, self._lease()
        if not await self._store.renew_lease(lease):
            if lease.executor != executor.id:
                return  # another call has found out
            executor.rejoin()
            executor.metrics.leases_lost.add()
            text = (
                "the lease of %s was lost: it was not renewed in time, and others may do its work now. Its runs are "
                "dropped; it goes on as %s. Is the machine overloaded, the disk slow? See [executor] lease_ms"
            )
            logger.error(text, lease.executor, executor.id)
            lease = self._lease()
            if not await self._store.renew_lease(lease):
                raise ObeliskError(f"could not take a lease for {lease.executor}")
        executor.absent = False
        self._patient.renewed(executor.now_us(), lease.expires_at_us)

    async def _probe(self) -> None:
        """While the store takes no writes, try whether it does by a write that is due anyway. Look whether the executor
        has ended by itself."""
        executor = self._executor
        if executor.failure:
            self._fail(executor.failure)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAILURE_POLL_S):
                await executor.health.wait_for_trouble()
        if executor.health.trouble:
            self._probing.begin()
        while executor.health.trouble:
            await self._probing.pause()
            executor.metrics.retries.add("probe")
            try:
                await self._renew()
            except StoreError as error:
                executor.health.failed(error)
                continue
            self._probing.succeeded()
            executor.health.recovered()
            executor.delays.wake()
            executor.wake()

    def _fail(self, reason: str) -> None:
        self._executor.abandon()
        self._on_failed(reason)
        self.kill()

    async def release_dead(self) -> None:
        """Unlock what executors held whose lease expired, or whose process on this machine is gone."""
        executor = self._executor
        leases, now_us, me = await self._store.leases(), executor.now_us(), self._lease()
        others = False
        for lease in leases:
            if lease.executor == executor.id:
                continue
            stopped = self._patient.has_stopped(lease, me, now_us)
            if not stopped and not self._patient.is_over(lease.expires_at_us, now_us):
                others = others or lease.worker is None
                continue
            by_us = lease.expires_at_us if stopped else now_us  # never one that was renewed since
            count = await self._store.release(lease.executor, reason=GONE, now_us=now_us, expired_by_us=by_us)
            executor.metrics.cut_off.add(count=count)
            logger.info("released %d executions of %s", count, lease.executor)
            executor.workers.lost(lease.executor)
            executor.wake()
            executor.served.set()  # what it paused with the builds it knew may go on with those that are deployed
        self._others = others

    async def _find_lost(self) -> None:
        """Compare the locks on record with the runs that are here. What is amiss twice in a row is put right: a lock
        without a run gets one (the answer to a claim was lost, say), a run without a lock is dropped."""
        executor = self._executor
        if executor.health.trouble:
            self._amiss = {}
            return
        me = executor.id
        held = {run: execution_id for execution_id, run in await self._store.held(me)}
        if executor.id != me:
            return
        here = executor.runs_here()
        amiss = {run: of for run, of in (held | here).items() if (run in held) != (run in here)}
        for run, execution_id in amiss.items():
            if run not in self._amiss:
                continue
            if run in held:
                if not executor.is_running(execution_id) and not executor.reloading.is_reading(execution_id):
                    await self._begin(execution_id)
            elif (lock := executor.lock_here(execution_id)) is not None and lock.run == run:
                logger.warning("%s: run %s holds no lock; dropping it", execution_id, run)
                executor.revoke(execution_id)
        self._amiss = amiss

    async def _begin(self, execution_id: str) -> None:
        try:
            stored = await self._store.load(execution_id)
        except CorruptLog as error:
            self._executor.reloading.set_aside(execution_id, error.message)
            return
        if stored is None:
            return
        locked = lock_of(stored, self._executor.id)
        if locked is not None and not self._executor.can_run(stored.state.ffqn, locked.digest):
            self._let_go(stored, locked)
            return
        logger.warning("%s: locked here without a run; beginning one", execution_id)
        self._executor.adopt(stored)

    def _let_go(self, stored: Stored, locked: Locked) -> None:
        """Give back what is locked here and cannot be run here any more, for another executor or a later time."""
        now_us = self._executor.now_us()
        unlocked = Unlocked(reason=NOT_HERE, pending_at_us=now_us)
        write = Append(
            execution_id=stored.execution_id,
            version=stored.state.version,
            events=(unlocked,),
            state=fold.apply(stored.state, unlocked),
            at_us=now_us,
            run=locked.run,
        )
        logger.warning("%s: it is let go: %s", stored.execution_id, NOT_HERE)
        self._store.enqueue((write,), self._executor.health.heard)

    async def _resume(self) -> None:
        """Let paused executions go on that can, each time something else is deployed, and once at the start."""
        executor = self._executor
        await executor.served.wait()
        executor.served.clear()
        try:
            count = await resume(executor)
        except ObeliskError:
            executor.served.set()
            raise
        if count:
            logger.info("%d paused executions go on", count)
            executor.wake()

    async def _after_a_flood(self) -> None:
        is_busy = any(self._executor.places.held(kind) for kind in RUNNABLE)
        if is_busy and await asyncio.to_thread(self._executor.guests.look):
            self._executor.trim()
        if self._bursts.has_subsided(self._executor.places.held(ComponentKind.WORKFLOW)):
            await asyncio.to_thread(self._give_back)

    async def _prune(self) -> None:
        """Delete what finished long ago, in small transactions with pauses, so that others get their turn."""
        executor = self._executor
        keep_us = executor.settings.keep_finished_us
        place: int | None = 0 if keep_us else None
        while place is not None:
            before_us = executor.now_us() - keep_us
            count, place = await self._store.prune(finished_before_us=before_us, after=place, limit=PRUNED_AT_ONCE)
            await asyncio.sleep(PRUNE_PAUSE_S if count else 0)

    async def _foreign(self) -> None:
        """What came through other processes, executors or ones that only submit: responses, and interventions in what
        runs here.

        Also while no other executor is known: one whose lease is lost may still answer a delay.
        """
        if not self._others:
            await asyncio.sleep(self._executor.settings.poll_ms / 1000)
        me = self._executor.id
        seen, responses = await self._store.responses_since(self._seen, me)
        if self._executor.id != me:
            return  # they are those of what was dropped
        self._seen = seen
        for owner, response in responses:
            if response is None:
                self._executor.reloading.set_aside(owner, "a response is damaged")
            elif self._executor.is_running(owner):
                self._executor.answered(owner, response)
        self._interventions, executions = await self._store.interventions_since(self._interventions)
        for execution_id in executions:  # perhaps long ago, perhaps done here: what is locked here now goes on
            lock = self._executor.lock_here(execution_id)
            state = None if lock is None else await self._store.state(execution_id)
            if lock is None or state is None or not holds(state, lock):
                self._executor.intervened((execution_id,))

    def _lease(self) -> Lease:
        executor, (host, start) = self._executor, self._life()
        return Lease(
            executor=executor.id,
            expires_at_us=executor.now_us() + executor.settings.lease_ms * 1000,
            host=host,
            pid=os.getpid(),
            started=start,
            labels=tuple(sorted(executor.settings.labels)),
        )
