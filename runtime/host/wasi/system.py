"""The capabilities of an activity that sees the real world: the machine's clocks, its randomness, bounded output."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Final

_SECOND: Final = 1_000_000_000
_EARLY: Final = 1e-6
_LONGEST_S: Final = 86_400.0


class SystemClock:
    """A `LoopClock`. Its monotonic clock begins at 0 when it is made: guests learn nothing of the machine's."""

    def __init__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def wall_ns(self) -> int:
        """See `capabilities.Clock`."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """See `capabilities.Clock`."""
        return time.monotonic_ns() - self._start_ns

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """By a timer of the running loop. A day at most: a wait that is longer is looked at again then."""
        delay_s = min(max(at_ns - self.monotonic_ns(), 0) / _SECOND + _EARLY, _LONGEST_S)
        return asyncio.get_running_loop().call_later(delay_s, callback).cancel


class SystemRandomness:
    """The operating system's."""

    def random_bytes(self, count: int) -> bytes:
        """See `capabilities.Randomness`."""
        return os.urandom(count)

    def insecure_bytes(self, count: int) -> bytes:
        """See `capabilities.Randomness`."""
        return os.urandom(count)


class BoundedOutput:
    """Keeps the first `limit` bytes of each standard stream."""

    def __init__(self, limit: int) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self.truncated = False
        self._limit = limit

    def write(self, data: bytes, *, to_stderr: bool) -> None:
        """See `capabilities.Output`."""
        buffer = self.stderr if to_stderr else self.stdout
        room = max(self._limit - len(buffer), 0)
        buffer += data[:room]
        self.truncated = self.truncated or len(data) > room

    def close(self) -> None:
        """See `capabilities.Output`: what was kept stays, nothing is added."""
        self._limit = 0
