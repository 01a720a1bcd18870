"""Claims of workers that wait in this process for attempts, and the attempts that they get.

An execution that is created here may be locked for a worker that waits, in the very transaction that creates it: one
place of its claim is reserved then. Pure but for the event that ends the wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.exchange import Wanted
from obelisk.runtime.external.roster import Known


class WaitingClaim:
    """One claim. `claiming`: places that a look into the store may fill just now; `closed`: it is answered; `doubted`:
    a lock of its worker was refused, which may have lost its lease."""

    def __init__(self, worker: str, known: Known, wanted: Wanted) -> None:
        self.worker = worker
        self.known = known
        self.wanted = wanted
        self.attempts: list[ExternalAttempt] = []
        self.again: list[ExternalAttempt] = []
        self.reserved: dict[str, str] = {}
        self.claiming = 0
        self.event = asyncio.Event()
        self.superseded = False
        self.closed = False
        self.doubted = False

    @property
    def room(self) -> int:
        """How many more attempts it takes."""
        if self.doubted:
            return 0
        return self.wanted.limit - len(self.attempts) - len(self.reserved) - self.claiming

    def room_of(self, ffqn: str) -> int:
        """How many more of one function."""
        if self.wanted.functions is not None and ffqn not in self.wanted.functions:
            return 0
        most = self.wanted.per_function.get(ffqn)
        if most is None:
            return self.room
        taken = sum(attempt.function.ffqn == ffqn for attempt in self.attempts)
        taken += sum(of == ffqn for of in self.reserved.values())
        return min(self.room, most - taken)

    @property
    def is_filled(self) -> bool:
        """Whether there is something to answer, or nothing more to wait for."""
        return bool(self.attempts or self.again) or self.superseded

    def add(self, attempt: ExternalAttempt) -> None:
        """Give it an attempt whose lock is on record."""
        self.reserved.pop(attempt.locked.run, None)
        self.attempts.append(attempt)
        self.event.set()

    def supersede(self) -> None:
        """A newer claim of the worker takes its place."""
        self.superseded = True
        self.event.set()


class WaitingClaims:
    """Those of this process, one of each worker. The one that was given something last comes last."""

    def __init__(self) -> None:
        self._all: dict[str, WaitingClaim] = {}

    def __iter__(self) -> Iterator[WaitingClaim]:
        return iter(tuple(self._all.values()))

    def __bool__(self) -> bool:
        return bool(self._all)

    def open(self, claim: WaitingClaim) -> None:
        """Let a claim wait; an earlier one of the worker waits no longer."""
        earlier = self._all.pop(claim.worker, None)
        if earlier is not None:
            earlier.supersede()
        self._all[claim.worker] = claim

    def close(self, claim: WaitingClaim) -> None:
        """It is answered."""
        claim.closed = True
        if self._all.get(claim.worker) is claim:
            del self._all[claim.worker]

    def of(self, worker: str) -> WaitingClaim | None:
        """The one of a worker."""
        return self._all.get(worker)

    def last(self, claim: WaitingClaim) -> None:
        """It was given something: others come before it."""
        if self._all.get(claim.worker) is claim:
            self._all[claim.worker] = self._all.pop(claim.worker)

    def wake(self, workers: Iterable[str] | None = None) -> None:
        """Let claims look whether there is anything to tell, those of some workers or all."""
        for claim in self if workers is None else filter(None, map(self._all.get, workers)):
            claim.event.set()
