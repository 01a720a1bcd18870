"""When to try whether a store takes writes again: less and less often, and at once when there is more room.

The first try comes after `FIRST_S`, each further one after twice the pause of the one before, up to `MOST_S`. If the
store fails again soon after it recovered, the pauses go on growing: one small write may fit where the work does not.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

FIRST_S = 0.1
MOST_S = 5.0
CALM_S = 10.0
"""Who fails again within that time has not recovered."""
LOOK_S = 0.2
ROOM_BYTES = 1 << 20


class Probing:
    """`room()` gives how many bytes are free where the store writes, or None when that is not known."""

    def __init__(self, room: Callable[[], int | None]) -> None:
        self._room = room
        self._pause_s = FIRST_S
        self._well_s = -math.inf

    def begin(self) -> None:
        """The store has begun to fail."""
        if asyncio.get_running_loop().time() - self._well_s > CALM_S:
            self._pause_s = FIRST_S

    async def pause(self) -> None:
        """Until the next try is due: twice as long as the last time, or until room was made."""
        loop, before = asyncio.get_running_loop(), self._room()
        end_s = loop.time() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_S)
        while (left_s := end_s - loop.time()) > 0 and not self._has_grown(before):
            await asyncio.sleep(min(left_s, LOOK_S))

    def succeeded(self) -> None:
        """The store takes writes."""
        self._well_s = asyncio.get_running_loop().time()

    def _has_grown(self, before: int | None) -> bool:
        now = None if before is None else self._room()
        return before is not None and now is not None and now - before >= ROOM_BYTES
