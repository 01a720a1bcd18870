"""An event loop whose time jumps: when nothing is ready, the clock moves to the next timer at once.

Time is a plain number that only this loop moves, so that a run depends on its seed alone. Nothing outside can wake it:
there are no files, signals and threads. Callbacks run in the order they were asked for; timers in the order of their
instants, those of one instant in the order they were set.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from concurrent.futures import Executor
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
START_US = 1_700_000_000_000_000


class Stuck(Exception):
    """Nothing is ready and no timer is set: the simulated world would wait for ever."""


class Due(asyncio.TimerHandle):
    """A callback and its instant. Lighter than what asyncio makes of it: a run makes thousands."""

    __slots__ = ("args", "callback", "cancelled_", "context")

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context
    ) -> None:
        self._when = when
        self.callback = callback
        self.args = args
        self.context = context
        self.cancelled_ = False

    def cancel(self) -> None:
        """It does not run."""
        self.cancelled_ = True

    def cancelled(self) -> bool:
        """Whether it does not run."""
        return self.cancelled_

    def __repr__(self) -> str:
        return f"<{self.callback!r} at {self._when}>"


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module's text. `now_us` is the wall clock of the simulated world; `between` is called before each turn:
    between any two awaits of a task there is one at least."""

    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[], object] = bool
        self._now_s = 0.0
        self._soon: deque[Due] = deque()
        self._later: list[tuple[float, int, Due]] = []
        self._set = 0

    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """In the next turn."""
        due = Due(self._now_s, callback, args, contextvars.copy_context() if context is None else context)
        self._soon.append(due)
        return due

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """At an instant in virtual seconds."""
        due = Due(when, callback, args, contextvars.copy_context() if context is None else context)
        self._set += 1
        heappush(self._later, (when, self._set, due))
        return due

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """After virtual seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[_T]:
        """A task that lets go of its frames when it was cancelled: the garbage collector does not see that it has
        them (CPython 3.11), and they have the whole world."""
        task = super().create_task(coro, name=None if name is None else str(name), context=context)
        task.add_done_callback(_let_go)
        return task

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
        return self._now_s

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""
        return START_US + round(self._now_s * 1_000_000)

    def _run_once(self) -> None:
        """One turn: what is ready when it begins, or else the next instant. asyncio calls it until the loop stops."""
        soon, later = self._soon, self._later
        self.between()
        if not soon:
            while later and later[0][2].cancelled_:
                heappop(later)
            if not later:
                raise Stuck
            self._now_s = max(self._now_s, later[0][0])
        while later and later[0][0] <= self._now_s:
            soon.append(heappop(later)[2])
        for _ in range(len(soon)):
            due = soon.popleft()
            if due.cancelled_:
                continue
            try:
                due.context.run(due.callback, *due.args)
            except Exception as error:
                self.call_exception_handler({"message": f"Exception in callback {due.callback}", "exception": error})


def _let_go(task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they are over: one whose `asyncio.wait_for` ends in the same turn does not hear of it."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=1)
