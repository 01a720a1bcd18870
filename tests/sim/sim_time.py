"""An event loop whose time jumps: when nothing is ready, the clock moves to the next timer at once.

Time is a plain number that only this loop moves, so that a run depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import selectors

START_US = 1_700_000_000_000_000


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulated world would wait for ever."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Stuck
        if timeout > 0:
            self.now_s += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module's text. `now_us` is the wall clock of the simulated world."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._virtual.now_s

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""
        return START_US + round(self._virtual.now_s * 1_000_000)
