"""Serving workers: registrations, exchanges, and what is done for workers that are silent. One event loop uses it.

An effect leaves only after the commit of its cause: an attempt after its lock is on record, a verdict after the end
that it stands for. Nothing of an attempt lives here alone, so any process on the store may take the next exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from obelisk.runtime.errors import StoreError
from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.context import WorkersContext
from obelisk.runtime.external.ends import Ends
from obelisk.runtime.external.exchange import (
    Answer,
    Exchange,
    Fate,
    Handed,
    Heartbeat,
    News,
    Registered,
    SaidLine,
    State,
    Verdict,
)
from obelisk.runtime.external.matching import NEVER_SENT, Matching
from obelisk.runtime.external.overlooked import Overlooked
from obelisk.runtime.external.roster import Known, Roster
from obelisk.runtime.external.served import offers
from obelisk.runtime.external.waiting import WaitingClaim, WaitingClaims
from obelisk.runtime.log.lines import LOG, ROW_BYTES, Line
from obelisk.runtime.observe.metrics import Family, gauge
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import Offering

FIRST_LOCK: Final = 2
"""The version after the lock of a first attempt: there is no heartbeat of an earlier one."""
LINGER_S: Final = 0.002
"""So long a claim that came with results waits for what their workflows ask for next before it looks into the store."""
LEFT: Final = "its worker has left"


class External:
    """See the module's text. `poll_s`: see `Matching`."""

    def __init__(self, context: WorkersContext, poll_s: float) -> None:
        self._context = context
        self._roster = Roster(context.store, context.now_us, context.ulid)
        self._waiting = WaitingClaims()
        self.ends = Ends(context, lambda worker: self._waiting.wake((worker,)))
        self.matching = Matching(context, self.ends, self._waiting, poll_s)
        self.overlooked = Overlooked(context, self.ends)
        self._stopped = False

    # --- registrations -----------------------------------------------------------------------------------------------
    async def register(self, offering: Offering, labels: tuple[str, ...]) -> Registered:
        """Register a worker, which gets an id and a lease. StoreError."""
        self._context.health.check()
        return self._shown(await self._roster.register(offering, labels))

    async def leave(self, worker: str) -> None:
        """Drop the lease of a worker and give back what it holds. WorkerNotFound, StoreError."""
        self._context.health.check()
        await self._roster.heard(worker)
        self.lost(worker)
        await self._context.store.release(worker, reason=LEFT, now_us=self._context.now_us())
        self._context.wake()

    async def all(self) -> Sequence[Registered]:
        """All workers whose leases have not run out, of any process."""
        found: list[Registered] = []
        for lease in await self._context.store.leases():
            if lease.worker is not None and lease.expires_at_us > self._context.now_us():
                known = Known(lease=lease, offering=lease.worker, renewed_at_us=0)
                found.append(self._shown(known, len(await self._context.store.held(lease.executor))))
        return found

    def _shown(self, known: Known, attempts: int = 0) -> Registered:
        lease, offering = known.lease, known.offering
        return Registered(
            worker=lease.executor,
            name=offering.name,
            labels=lease.labels,
            lease_ms=offering.lease_ms,
            expires_at_us=lease.expires_at_us,
            functions=tuple(offers(self._context.registry, offering.functions, set(lease.labels))),
            attempts=attempts,
        )

    def lost(self, worker: str) -> None:
        """A worker has no lease any more: what is known of it here is of no use."""
        self._roster.forget(worker)
        self.ends.held.forget(worker)
        claim = self._waiting.of(worker)
        if claim is not None:
            claim.supersede()

    # --- exchanges ---------------------------------------------------------------------------------------------------
    async def exchange(self, worker: str, said: Exchange) -> Answer:
        """Take what a worker says, then give it what it wants. WorkerNotFound, StoreError: nothing is lost by saying
        all of it again.

        While the store takes no writes a worker is refused at once: it keeps its results, and only the probe writes.
        """
        self._context.health.check()
        try:
            return await self._exchange(worker, said)
        except StoreError as error:
            self._context.health.failed(error)
            raise

    async def _exchange(self, worker: str, said: Exchange) -> Answer:
        known = await self._roster.heard(worker)
        claim = None
        if said.draining and (earlier := self._waiting.of(worker)) is not None:
            earlier.supersede()
        elif said.claim is not None and not self._ending:
            claim = WaitingClaim(worker, known, said.claim)
            self._waiting.open(claim)  # before the results: what their workflows ask for next may be locked for it
        try:
            await self._lines(worker, said.lines)
            verdicts = await self.ends.results(worker, said.results)
            news = await self._beats(worker, said.heartbeats)
            if claim is not None:
                refused = any(verdict.state is not State.ACCEPTED for verdict in verdicts)
                ended = any(one.fate is not Fate.RUNNING for one in news)
                await self._fill(claim, has_results=bool(verdicts), wait=not (refused or ended))
            return self._answer(known, verdicts, news, claim)
        finally:
            if claim is not None:
                self._close(claim)

    @property
    def _ending(self) -> bool:
        return self._stopped or self._context.stopping

    def _answer(
        self, known: Known, verdicts: Sequence[Verdict], news: Sequence[News], claim: WaitingClaim | None
    ) -> Answer:
        worker, told = known.lease.executor, {one.run: one for one in news}
        told |= {one.run: one for one in self.ends.held.take_news(worker)}
        handed: list[Handed] = []
        if claim is not None:
            given = (*claim.again, *claim.attempts)  # some may have ended while the claim waited for others
            handed = [a.handed() for a in given if self.ends.held.get(a.locked.run) is a]
            claim.again, claim.attempts = [], []
        lease_ms = known.offering.lease_ms
        return Answer(results=verdicts, news=tuple(told.values()), attempts=handed, lease_ms=lease_ms)

    def _close(self, claim: WaitingClaim) -> None:
        """A claim is answered, or its client is gone: what was not handed out is given back."""
        self._waiting.close(claim)
        for attempt in claim.attempts:
            if self.ends.held.get(attempt.locked.run) is attempt:
                self.ends.let_go(attempt, NEVER_SENT)
        claim.attempts = []

    async def _fill(self, claim: WaitingClaim, *, has_results: bool, wait: bool) -> None:
        """Wait until a claim has attempts, there is news for its worker, or its time is up."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + (claim.wanted.wait_ms / 1000 if wait else 0.0)
        await self._compare(claim)
        if has_results:
            await self._woken(claim, LINGER_S)
        while not (claim.is_filled and not claim.reserved):
            if not claim.is_filled and not claim.reserved:
                await self.matching.claim(claim)
            if claim.is_filled and not claim.reserved:
                break
            worker = claim.worker
            left_s = end_s - loop.time()
            if not claim.reserved and (left_s <= 0 or self.ends.held.has_news(worker) or self._ending):
                break
            self._context.health.check()
            if claim.doubted or not self.ends.held.count(worker):
                claim.known = await self._roster.heard(worker, now=claim.doubted)
                claim.doubted = False
            lease_s = claim.known.offering.lease_ms / 1000
            if left_s < -lease_s:
                break  # what was reserved is given back once it is on record
            await self._woken(claim, lease_s / 3 if claim.reserved else min(left_s, lease_s / 3))
        await self._details(claim)

    async def _woken(self, claim: WaitingClaim, seconds: float) -> None:
        """Wait, at most so long, until a claim has attempts, and until the locks of reserved ones are on record."""
        if not claim.reserved and (claim.is_filled or self.ends.held.has_news(claim.worker) or self._ending):
            return
        claim.event.clear()
        try:
            async with asyncio.timeout(seconds):
                await claim.event.wait()
        except TimeoutError:
            pass

    async def _details(self, claim: WaitingClaim) -> None:
        """Find the last heartbeats of attempts that are not the first ones."""
        for attempt in (*claim.again, *claim.attempts):
            if attempt.state.version > FIRST_LOCK and attempt.heartbeat is None:
                beat = await self._context.store.beat(attempt.execution_id)
                attempt.heartbeat = None if beat is None else beat.detail

    async def _compare(self, claim: WaitingClaim) -> None:
        """Find what is locked by the worker and did not reach it: an answer was lost, or the process that gave it died.

        It is looked for when a worker is first heard of here, and now and then.
        """
        known, now_us, holding = claim.known, self._context.now_us(), claim.wanted.holding
        if holding is None or abs(now_us - known.compared_at_us) < known.offering.lease_ms * 1000 // 3:
            return
        known.compared_at_us = now_us
        for execution_id, run in await self._context.store.held(claim.worker):
            if run in holding or run in claim.reserved or any(a.locked.run == run for a in claim.attempts):
                continue
            attempt = self.ends.held.get(run) or await self.ends.load(claim.worker, execution_id, run)
            if attempt is not None and attempt.limit_ms <= 0:
                self.ends.expire(attempt)  # its end could not be recorded when its time was over
            elif attempt is not None:
                claim.again.append(attempt)

    # --- heartbeats and lines ----------------------------------------------------------------------------------------
    async def _beats(self, worker: str, beats: Sequence[Heartbeat]) -> list[News]:
        news: list[News] = []
        kept: list[Beat] = []
        for beat in beats:
            attempt = await self._attempt(worker, beat.execution_id, beat.run)
            fate = Fate.RUNNING if attempt is not None else await self.ends.fate(worker, beat.execution_id, beat.run)
            news.append(News(execution_id=beat.execution_id, run=beat.run, fate=fate))
            if fate is Fate.RUNNING and beat.detail is not None:
                at_us = self._context.now_us()
                kept.append(Beat(execution_id=beat.execution_id, run=beat.run, at_us=at_us, detail=beat.detail))
        if kept:
            await self._context.store.add_beats(kept)
        return news

    async def _lines(self, worker: str, lines: Sequence[SaidLine]) -> None:
        """Keep messages of attempts that the worker holds; of one that says more than it may, the rest is left out."""
        attempts: dict[tuple[str, str], ExternalAttempt | None] = {}
        for said in lines:
            of = (said.execution_id, said.run)
            if of not in attempts:
                attempts[of] = await self._attempt(worker, *of)
            attempt = attempts[of]
            if attempt is None:
                continue
            attempt.said_bytes += len(said.text) + ROW_BYTES
            if attempt.said_bytes <= attempt.function.component.settings.max_output_bytes:
                at_us = self._context.now_us()
                line = Line(run=said.run, at_us=at_us, source=LOG, level=said.level, text=said.text)
                self._context.guest_line(said.execution_id, line)

    async def _attempt(self, worker: str, execution_id: str, run: str) -> ExternalAttempt | None:
        """An attempt that the worker holds, found in the store if need be."""
        attempt = self.ends.held.get(run)
        if attempt is not None:
            return attempt if (attempt.worker, attempt.execution_id) == (worker, execution_id) else None
        fate = await self.ends.fate(worker, execution_id, run)
        return await self.ends.load(worker, execution_id, run) if fate is Fate.RUNNING else None

    # --- life --------------------------------------------------------------------------------------------------------
    def stop_waiting(self) -> None:
        """End all waits, from now on too, as if their time was up."""
        self._stopped = True
        self._waiting.wake()

    def close(self) -> None:
        """No timer is left, and nothing waits."""
        self.stop_waiting()
        self.ends.held.close()

    def gauges(self) -> tuple[Family, ...]:
        """What is served here now."""
        waiting, held = sum(1 for _ in self._waiting), sum(1 for _ in self.ends.held)
        return (
            gauge("worker_claims_waiting", "Claims of workers that wait here for attempts.", {(): waiting}),
            gauge("worker_attempts", "Attempts under way with workers, as far as this process knows.", {(): held}),
        )
