"""An event loop whose time jumps: when nothing is ready, its clock moves to the next instant that has something.

The engine looks at itself every so often (for claims, leases, deployments). Those looks would be millions in a sleep of
a month, so they do not hold time up: tasks begun within `background` may sleep as they like, and once nothing has
happened for a second of virtual time the clock jumps over their sleeps to what else is due, and wakes them there.
Nothing outside the process can wake the loop: there are no sockets and signals, and what `asyncio` hands to a thread is
run at once, here. The engine's own threads, on which built components compute, are waited for while time stands still.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from heapq import heappop, heappush
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
START_US: Final = 1_767_225_600_000_000
"""The first of January 2026, in UTC."""
SETTLE_S: Final = 1.0
"""So much virtual time must pass without anything but looks before the clock jumps over them."""
IDLE_S: Final = 60.0
"""After so much virtual time with nothing due and nothing but looks, nothing more will happen."""
_LOOK_S: Final = 0.25
"""So often it is looked whether a thread still computes."""
_SLEEPS: Final = ("_set_result_unless_cancelled", "Timeout._on_timeout")
"""The callbacks of `asyncio.sleep` and `asyncio.timeout`."""
_SKIPPED: Final = ("Timers._fire",)
"""The executor's timers fire once an hour at least; what they are set to is in the store, and so in `due_s`."""


class NothingDue(Exception):
    """Nothing is ready, nothing will be due: what is waited for does not come by itself."""


class _Due(asyncio.TimerHandle):
    """A callback and its instant. `look`: it wakes a background task that sleeps."""

    __slots__ = ("args", "callback", "context", "look", "stopped")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
        look: bool,
    ) -> None:
        self._when, self.callback, self.args, self.look = when, callback, args, look
        self.context = contextvars.copy_context() if context is None else context
        self.stopped = False

    def cancel(self) -> None:
        """It does not run."""
        self.stopped = True

    def cancelled(self) -> bool:
        """Whether it does not run."""
        return self.stopped

    def __repr__(self) -> str:
        return f"<{self.callback!r} at {self._when}>"


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module's text. `due_s` gives the next instant that no timer stands for, if there is one; `is_computing`
    says whether a thread will call back."""

    def __init__(self, start_us: int = START_US) -> None:
        super().__init__()
        self.due_s: Callable[[], float | None] = lambda: None
        self.is_computing: Callable[[], bool] = bool
        self._called: deque[_Due] = deque()
        self._woken = threading.Event()
        self.start_us = start_us
        self._now_s = self._active_s = 0.0
        self._soon: deque[_Due] = deque()
        self._later: list[tuple[float, int, _Due]] = []
        self._looks: list[tuple[float, int, _Due]] = []
        self._count = 0
        self._background = False
        self._watching: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    @contextlib.contextmanager
    def background(self) -> Generator[None]:
        """Tasks that begin within do not hold time up while they sleep."""
        self._background = True
        try:
            yield
        finally:
            self._background = False

    def happened(self) -> None:
        """Something happened that may let background tasks do more than look."""
        self._active_s = self._now_s

    def time(self) -> float:
        """Virtual seconds since the start."""
        return self._now_s

    def now_us(self) -> int:
        """Virtual microseconds since 1970."""
        return self.start_us + round(self._now_s * 1_000_000)

    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """In the next turn."""
        due = _Due(self._now_s, callback, args, context, look=False)
        self._soon.append(due)
        return due

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """In the next turn; on any thread."""
        due = _Due(self._now_s, callback, args, context, look=False)
        self._called.append(due)
        self._woken.set()
        return due

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Ts]], object],
        *args: *_Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """At an instant in virtual seconds."""
        name = getattr(callback, "__qualname__", "")
        look = name in _SKIPPED or (name in _SLEEPS and asyncio.current_task(self) in self._watching)
        due = _Due(when, callback, args, context, look)
        self._count += 1
        heappush(self._looks if look else self._later, (when, self._count, due))
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
        """A task; see `background`."""
        task = super().create_task(coro, name=None if name is None else str(name), context=context)
        if self._background:
            self._watching.add(task)
        return task

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """At once and here."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        """One turn: what is ready when it begins, or else the next instant. asyncio calls it until the loop stops."""
        self._take_called()
        while not self._soon and self.is_computing():
            self._woken.wait(_LOOK_S)
            self._take_called()
        if not self._soon and not self._stopping:  # type: ignore[attr-defined]
            self._now_s = max(self._now_s, self._next_s())
        for heap in (self._later, self._looks):
            while heap and heap[0][0] <= self._now_s:
                due = heappop(heap)[2]
                if not due.stopped:
                    self._soon.append(due)
        for _ in range(len(self._soon)):
            due = self._soon.popleft()
            if due.stopped:
                continue
            try:
                due.context.run(due.callback, *due.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": f"Exception in callback {due.callback}", "exception": error})

    def _take_called(self) -> None:
        """What threads have called."""
        self._woken.clear()
        while self._called:
            self._soon.append(self._called.popleft())

    def _next_s(self) -> float:
        """The instant to go to. NothingDue."""
        for heap in (self._later, self._looks):
            while heap and heap[0][2].stopped:
                heappop(heap)
        timer_s = self._later[0][0] if self._later else None
        look_s = self._looks[0][0] if self._looks else None
        if look_s is not None and look_s - self._active_s <= SETTLE_S and (timer_s is None or look_s <= timer_s):
            return look_s
        known_s = self.due_s()
        instants = [
            at_s for at_s in (timer_s, known_s if known_s and known_s > self._now_s else None) if at_s is not None
        ]
        if instants:
            return min(instants)
        if look_s is None or look_s - self._active_s > IDLE_S:
            self._active_s = self._now_s
            raise NothingDue
        return look_s
