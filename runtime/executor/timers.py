"""One timer for many instants: a heap over the event loop's clock.

What is cancelled stays in the heap until its turn comes, or until so much of it is in there that it is worth making the
heap anew: it never has more than twice as many entries as there are timers, and `SMALL`.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from obelisk.runtime.ports.store import Clock

AT_ONCE = 256
"""So many are called back before the event loop gets its turn: ten thousand may be due at one instant."""
SMALL = 64
"""A heap of so many entries is not worth making anew."""


class Timers:
    """Calls back at instants given in microseconds since 1970, on the event loop, never early."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int]] = []
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._last = 0
        self._handle: asyncio.TimerHandle | None = None
        self._handle_at_us = 0

    def __len__(self) -> int:
        """How many instants are to come."""
        return len(self._callbacks)

    def __contains__(self, number: int) -> bool:
        return number in self._callbacks

    @property
    def entries(self) -> int:
        """How many entries the heap has."""
        return len(self._heap)

    def at(self, at_us: int, callback: Callable[[], None]) -> int:
        """Call `callback` once `at_us` has come; a number to cancel that by."""
        self._last += 1
        self._callbacks[self._last] = callback
        heapq.heappush(self._heap, (at_us, self._last))
        if self._handle is None or at_us < self._handle_at_us:
            self._arm()
        return self._last

    def cancel(self, number: int) -> None:
        """Do not call back; nothing if that was done. What the timer is set to stays: it finds nothing to do then."""
        if self._callbacks.pop(number, None) is None:
            return
        if len(self._heap) > 2 * len(self._callbacks) + SMALL:
            self._heap = [entry for entry in self._heap if entry[1] in self._callbacks]
            heapq.heapify(self._heap)

    def close(self) -> None:
        """Forget all that is to come."""
        self._heap.clear()
        self._callbacks.clear()
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
            callback = self._callbacks.pop(heapq.heappop(self._heap)[1], None)
            if callback is not None:
                callback()
        if self._handle is None:
            self._arm()
