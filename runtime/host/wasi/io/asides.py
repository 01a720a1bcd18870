"""Work that may wait for a disk, done on threads of its own, off the event loop, while its guest waits.

Calls that are quick as a rule are made at once: a thread would cost more than they do. `Pace` finds out which devices
are not quick: after a call that took longer than it should, what else is asked of that device goes to a thread, for a
while. So a slow device keeps the loop once in that while at most, by one call.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final, Generic, NoReturn, Protocol, TypeVar

from obelisk.runtime.host.wasi.io.pollables import Signal
from obelisk.runtime.host.wasi.io.table import Closeable

T = TypeVar("T")
SLOW_CALL_S: Final = 0.005
"""What takes longer than this is not quick."""
SLOW_FOR_S: Final = 0.5
"""How long a device counts as slow after that."""
_THREADS: Final = 8


class Held(Protocol):
    """What a piece of work uses: it must not be closed meanwhile. Both on the event loop."""

    def hold(self) -> None:
        """It is used."""
        ...

    def let_go(self) -> None:
        """It is not used any more."""
        ...


class Pace:
    """Which devices are slow, by their number. On any thread."""

    def __init__(self, clock_s: Callable[[], float] = time.perf_counter) -> None:
        self._clock_s = clock_s
        self._slow_until_s: dict[int, float] = {}

    def now_s(self) -> float:
        """To be handed to `took`."""
        return self._clock_s()

    def took(self, device: int, begin_s: float) -> None:
        """A call that began then has ended."""
        now_s = self._clock_s()
        if now_s - begin_s > SLOW_CALL_S:
            self._slow_until_s[device] = now_s + SLOW_FOR_S

    def run(self, device: int, call: Callable[[], T]) -> T:
        """What `call` gives, which asks something of the device."""
        begin_s = self.now_s()
        try:
            return call()
        finally:
            self.took(device, begin_s)

    def is_slow(self, device: int) -> bool:
        """Whether what is asked of it should not keep the event loop."""
        until_s = self._slow_until_s.get(device)
        return until_s is not None and self._clock_s() < until_s


pace: Final = Pace()


class Aside(Generic[T]):
    """One piece of work under way on a thread; `signal` is ready when it is done. Made on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[], T], held: Sequence[Held]) -> None:
        self._loop, self._work, self._held = loop, work, held
        self._outcome: Callable[[], T] | None = None
        self._is_given_up = False
        self.signal = Signal(lambda: self._outcome is not None)
        for one in held:
            one.hold()
        _pool().submit(self._run)

    def get(self) -> T:
        """What the work gave; raises what it raised. Once it is done."""
        assert self._outcome is not None
        return self._outcome()

    def give_up(self) -> None:
        """Its guest does not wait any more: what it gives is closed when it comes. On the event loop, or after it has
        ended."""
        self._is_given_up = True
        self._discard()

    def _run(self) -> None:
        outcome = _outcome_of(self._work)
        try:
            self._loop.call_soon_threadsafe(self._end, outcome)
        except RuntimeError:  # the loop has ended, and everybody with it
            self._end(outcome)

    def _end(self, outcome: Callable[[], T]) -> None:
        self._outcome = outcome
        for one in self._held:
            one.let_go()
        if self._is_given_up:
            self._discard()
        self.signal.tell()

    def _discard(self) -> None:
        if self._outcome is None:
            return
        try:
            given = self._outcome()
        except BaseException:
            return
        if isinstance(given, Closeable):
            given.close()


def _outcome_of(work: Callable[[], T]) -> Callable[[], T]:
    """Gives what the work gave, or raises what it raised; the work is done now."""
    try:
        given = work()
    except BaseException as error:
        raised = error

        def fail() -> NoReturn:
            raise raised

        return fail
    return lambda: given


_making = threading.Lock()


def _pool() -> ThreadPoolExecutor:
    with _making:
        return _made()


@cache
def _made() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="obelisk-files")
