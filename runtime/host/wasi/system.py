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
MAX_LINE: Final = 8 * 1024


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


class Lines:
    """Tells `tell(line, to_stderr)` every line that is written to a standard stream, without its end.

    A line is at most `MAX_LINE` bytes long, what is longer comes in parts; of both streams together `limit` bytes are
    told, then once that there was more.
    """

    def __init__(self, tell: Callable[[str, bool], None], limit: int = 256 * 1024) -> None:
        self._tell, self._room = tell, limit
        self._begun = (bytearray(), bytearray())
        self._is_over = False

    def write(self, data: bytes, *, to_stderr: bool) -> None:
        """See `capabilities.Output`."""
        taken = data[: self._room]
        self._room -= len(taken)
        begun = self._begun[to_stderr]
        begun += taken
        *lines, rest = begun.split(b"\n")
        cut = len(rest) - len(rest) % MAX_LINE
        lines += [rest[:cut]] if cut else []
        begun[:] = rest[cut:]
        for line in lines:
            self._say(line, to_stderr)
        if len(taken) < len(data) and not self._is_over:
            self._is_over = True
            self._tell("the guest wrote more than is kept of its output", True)

    def close(self) -> None:
        """See `capabilities.Output`: what has no end of line is told too."""
        for to_stderr in (False, True):
            begun = self._begun[to_stderr]
            if begun:
                self._say(begun, to_stderr)
                begun.clear()

    def _say(self, line: bytearray, to_stderr: bool) -> None:
        for at in range(0, max(len(line), 1), MAX_LINE):
            self._tell(line[at : at + MAX_LINE].decode(errors="replace").removesuffix("\r"), to_stderr)
