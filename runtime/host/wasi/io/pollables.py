"""What a guest can wait for. A pollable is asked whether it is ready, and tells when it may have become so."""

from __future__ import annotations

import asyncio
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from obelisk.runtime.host.wasi.capabilities import Clock

T = TypeVar("T")


class Pollable(ABC):
    """The resource `wasi:io/poll.pollable`. `ready` may be asked on any thread."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether waiting for it ends at once; it stays so until the guest acts on what it waited for."""

    @abstractmethod
    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` on the event loop once `ready` may answer otherwise; what cancels that.

        Called on the event loop, and never calls back before it has returned.
        """


class Ready(Pollable):
    """A pollable that is always ready."""

    def ready(self) -> bool:
        """True."""
        return True

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """It is ready now."""
        return asyncio.get_running_loop().call_soon(changed).cancel


READY = Ready()


class Deadline(Pollable):
    """An instant of the monotonic clock.

    `call_at` is the clock's way to call back, None for the clock of a workflow: that sleeps through the log.
    """

    def __init__(
        self, at_ns: int, clock: Clock, call_at: Callable[[int, Callable[[], None]], Callable[[], None]] | None
    ) -> None:
        self.at_ns = at_ns
        self._clock, self._call_at = clock, call_at

    def ready(self) -> bool:
        """Whether the instant has come."""
        return self._clock.monotonic_ns() >= self.at_ns

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """By the clock's timer."""
        assert self._call_at is not None, "only the guests of an event loop are watched"
        return self._call_at(self.at_ns, changed)


class Signal(Pollable):
    """Ready while `condition`, which may be asked on any thread, says so; `tell` makes those who watch look again."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self._condition = condition
        self._watchers: dict[object, Callable[[], None]] = {}

    def ready(self) -> bool:
        """What the condition says."""
        return self._condition()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """By the next `tell`, or soon when it has become ready since it was asked."""
        token = object()
        self._watchers[token] = changed
        if self._condition():
            asyncio.get_running_loop().call_soon(self._tell, token)

        def cancel() -> None:
            self._watchers.pop(token, None)

        return cancel

    def tell(self) -> None:
        """The condition may have changed; on the event loop."""
        for token in tuple(self._watchers):
            self._tell(token)

    def _tell(self, token: object) -> None:
        changed = self._watchers.pop(token, None)
        if changed is not None:
            changed()


def signal_of(owner: T, condition: Callable[[T], bool]) -> Signal:
    """A signal that is an attribute of `owner`, whose condition it tells. Ready too once that is gone.

    It does not refer to its owner: what that keeps goes with the last handle, not when the collector comes by.
    """
    found = weakref.ref(owner)

    def holds() -> bool:
        here = found()
        return here is None or condition(here)

    return Signal(holds)


class Watch:
    """Several pollables watched together: the first change ends the watch and is told once."""

    def __init__(self, pollables: Sequence[Pollable], changed: Callable[[], None]) -> None:
        self._changed: Callable[[], None] | None = changed
        self._cancels = [pollable.watch(partial(self._end, tell=True)) for pollable in dict.fromkeys(pollables)]

    def cancel(self) -> None:
        """Tell nothing any more; idempotent."""
        self._end(tell=False)

    def _end(self, *, tell: bool) -> None:
        changed, self._changed = self._changed, None
        if changed is None:
            return
        for cancel in self._cancels:
            cancel()
        self._cancels.clear()
        if tell:
            changed()
