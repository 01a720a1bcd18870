"""One timer for many instants: a heap over the event loop's clock."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from obelisk.runtime.ports import Clock

AT_ONCE = 256
"""So many are called back before the event loop gets its turn: ten thousand may be due at one instant."""


class Timers:
    """Calls back at instants given in microseconds since 1970, on the event loop, never early."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self._handle: asyncio.TimerHandle | None = None
        self._handle_at_us = 0

    def at(self, at_us: int, callback: Callable[[], None]) -> None:
        """Call `callback` once `at_us` has come."""
        self._count += 1
        heapq.heappush(self._heap, (at_us, self._count, callback))
        if self._handle is None or at_us < self._handle_at_us:
            self._arm()

    def close(self) -> None:
        """Forget all that is to come."""
        self._heap.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if not self._heap:
            return
        self._handle_at_us = self._heap[0][0]
        # An hour at most: the wall clock may be set while we sleep.
        delay_s = min(max(self._handle_at_us - self._clock.now_us(), 0) / 1e6, 3600.0)
        self._handle = asyncio.get_running_loop().call_later(delay_s, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now_us = self._clock.now_us()
        for _ in range(AT_ONCE):
            if not self._heap or self._heap[0][0] > now_us:
                break
            heapq.heappop(self._heap)[2]()
        if self._handle is None:
            self._arm()
