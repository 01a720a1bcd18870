"""What a guest can wait for. A pollable is asked whether it is ready, and tells when it may have become so."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

from obelisk.runtime.host.wasi.capabilities import Clock


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
        """Nothing ever changes."""
        return _nothing


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


def _nothing() -> None:
    pass
