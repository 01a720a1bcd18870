"""How the engine is, for people who operate it: what starts and ends, who runs it, what the store takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obelisk.runtime.ports.claims import Lease
from obelisk.runtime.ports.overview import Size
from obelisk.runtime.ports.store import Clock, Store

MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """How many executions without a parent were created and have finished, for each minute from `from_us` on; the last
    is the present one."""

    from_us: int
    started: tuple[int, ...]
    finished: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An executor: its lease, whether it is valid, and how many executions it has locked."""

    lease: Lease
    is_alive: bool
    locked: int


class Overview:
    """Counts over one store."""

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def minutes(self, count: int) -> Minutes:
        """What started and finished in the last `count` minutes, the present one among them."""
        from_us = (self._clock.now_us() // MINUTE_US - count + 1) * MINUTE_US
        found = await self._store.rates(from_us=from_us, step_us=MINUTE_US, steps=count)
        return Minutes(from_us=from_us, started=found.started, finished=found.finished)

    async def executors(self) -> tuple[Seen, ...]:
        """The executors that have a lease, run out or not; no workers outside the engine."""
        leases, locked = await self._store.leases(), await self._store.held_counts()
        now_us = self._clock.now_us()
        return tuple(
            Seen(lease=lease, is_alive=now_us < lease.expires_at_us, locked=locked.get(lease.executor, 0))
            for lease in leases
            if lease.worker is None
        )

    def size(self) -> tuple[Size, int | None]:
        """What the store takes, and how many bytes are free where it writes, if that is known."""
        return self._store.size(), self._store.room()
