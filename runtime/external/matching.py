"""Attempts for claims that wait: locked in the transaction that creates an execution, or found in the store.

What is created in this process while a claim waits for it is locked for that worker in the same transaction, so that a
call costs no commit more than one of a component. Everything else is claimed, as executors claim: when something
becomes pending here, and every so often for what other processes leave.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.external.context import WorkersContext
from obelisk.runtime.external.ends import Ends
from obelisk.runtime.external.waiting import WaitingClaim, WaitingClaims
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.claims import Claim, Limit
from obelisk.runtime.ports.store import Create, Stored
from obelisk.runtime.workers.attempt import timed_out

MIN_LOOK_INTERVAL_S: Final = 0.005
CLAIM_BATCH: Final = 256
NEVER_SENT: Final = "its worker went away before it was told"


class Matching:
    """`poll_s`: how often it is looked for what other processes left while claims wait."""

    def __init__(self, context: WorkersContext, ends: Ends, waiting: WaitingClaims, poll_s: float) -> None:
        self._context = context
        self._ends = ends
        self._waiting = waiting
        self._poll_s = poll_s
        self._turn = 0
        self._woken = asyncio.Event()
        self._reserved: dict[str, WaitingClaim] = {}

    # --- what is created here ----------------------------------------------------------------------------------------
    def reserve(self, function: DeployedFunction) -> log.Locked | None:
        """The lock for one more execution of a function whose claim waits here, or None."""
        if not self._waiting or function.component.settings.max_concurrent or not self._context.takes_work:
            return None
        for claim in self._waiting:
            if claim.room_of(function.ffqn) > 0 and self._serves(claim, function):
                locked = log.Locked(
                    executor=claim.worker, run=ids.RUN + self._context.ulid(), digest=function.component.digest
                )
                claim.reserved[locked.run] = function.ffqn
                self._reserved[locked.run] = claim
                self._waiting.last(claim)
                return locked
        return None

    def _serves(self, claim: WaitingClaim, function: DeployedFunction) -> bool:
        return claim.known.serves(self._context.registry).get(function.ffqn) is function

    def launch(self, new: Create) -> None:
        """An execution that was created with such a lock is on record."""
        assert new.locked is not None
        claim = self._reserved.pop(new.locked.run, None)
        function = self._context.registry.functions.get(new.created.ffqn)
        stored = Stored(execution_id=new.execution_id, state=new.state, events=(new.created, new.locked), responses=())
        if claim is not None and function is not None:
            self._give(stored, new.created, new.locked, function, new.at_us, claim)

    def withdraw(self, locked: log.Locked) -> bool:
        """The creation was refused: give the place back; whether it was one of a worker."""
        claim = self._reserved.pop(locked.run, None)
        if claim is not None:
            claim.reserved.pop(locked.run, None)
            claim.doubted = True
            claim.event.set()
        return claim is not None

    # --- what is in the store ----------------------------------------------------------------------------------------
    def wake(self) -> None:
        """Something may be pending."""
        self._woken.set()

    async def watch(self) -> None:
        """One round: claim for all that wait, then wait to be woken or for the poll."""
        self._woken.clear()
        await self.look()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._woken.wait()
            await asyncio.sleep(MIN_LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Claim for all that wait; of those that want the same functions none after one that found nothing."""
        nothing: set[frozenset[str]] = set()
        for claim in self._waiting:
            wanted = frozenset(claim.known.serves(self._context.registry))
            if wanted not in nothing and not claim.is_filled and not await self.claim(claim):
                nothing.add(wanted)

    async def claim(self, claim: WaitingClaim) -> int:
        """Lock what is pending for one claim; how many. StoreError."""
        if claim.closed or not self._context.takes_work:
            return 0
        served = claim.known.serves(self._context.registry)
        bounded = [ffqn for ffqn in served if ffqn in claim.wanted.per_function]
        rest = [ffqn for ffqn in served if ffqn not in claim.wanted.per_function]
        found = await self._claim(claim, {ffqn: served[ffqn] for ffqn in rest if claim.room_of(ffqn) > 0}, claim.room)
        for ffqn in bounded:
            found += await self._claim(claim, {ffqn: served[ffqn]}, claim.room_of(ffqn))
        if found:
            self._waiting.last(claim)
        return found

    async def _claim(self, claim: WaitingClaim, functions: dict[str, DeployedFunction], room: int) -> int:
        room = min(room, CLAIM_BATCH)
        if room <= 0 or not functions:
            return 0
        now_us = self._context.now_us()
        claim.claiming += room
        try:
            taken = await self._context.store.claim(
                Claim(
                    executor=claim.worker,
                    digests={ffqn: function.component.digest for ffqn, function in functions.items()},
                    limit=room,
                    now_us=now_us,
                    runs=(ids.RUN + self._context.ulid() for _ in range(room)),
                    limits={
                        ffqn: Limit(component=function.component.name, most=most)
                        for ffqn, function in functions.items()
                        if (most := function.component.settings.max_concurrent)
                    },
                    turn=self._turn,
                )
            )
        finally:
            claim.claiming -= room
        self._turn += len(taken)
        for stored in taken:
            created, locked = stored.events[0], stored.events[-1]
            assert isinstance(created, log.Created)
            assert isinstance(locked, log.Locked)
            self._give(stored, created, locked, functions[created.ffqn], now_us, claim)
        return len(taken)

    def _give(
        self,
        stored: Stored,
        created: log.Created,
        locked: log.Locked,
        function: DeployedFunction,
        at_us: int,
        claim: WaitingClaim,
    ) -> None:
        """An execution is locked for the worker of a claim, which is on record: hand it out, if it is to begin."""
        claim.reserved.pop(locked.run, None)
        claim.event.set()
        attempt = self._ends.made(stored, created, locked, function, at_us)
        if attempt is None:
            return
        if (refusal := attempt.refusal) is not None:
            self._ends.refuse(attempt, refusal)
        elif attempt.limit_ms <= 0:
            self._ends.refuse(attempt, timed_out(attempt))
        elif claim.closed:
            self._ends.let_go(attempt, NEVER_SENT)
        else:
            self._ends.held.add(attempt)
            claim.add(attempt)
