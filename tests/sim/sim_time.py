"""An event loop whose time jumps: when nothing is ready, the clock moves to the next timer at once.

Time is a plain number that only this loop moves, so that a run depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
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

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """At once and here: a real thread would take real time, and end at another moment in each run."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._virtual.now_s

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""
        return START_US + round(self._virtual.now_s * 1_000_000)
