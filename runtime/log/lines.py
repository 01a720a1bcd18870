"""What guests say, line by line: messages through `obelisk:log` and what they write to their standard streams. Pure.

Lines are kept apart from the execution log, in the order in which they were said, and are no part of it: nothing is
replayed from them. They are written now and then, never waited for, so that a crash may take the last moments with it,
and of one execution only the newest are kept, up to a number of bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

LEVELS: Final = ("trace", "debug", "info", "warn", "error")
"""By number, the least important first. The numbers are stored: never reorder."""
SOURCES: Final = ("log", "stdout", "stderr")
"""By number, as stored: `obelisk:log` and the two standard streams."""
LOG: Final = 0
STDOUT: Final = 1
STDERR: Final = 2
LEVEL_OF_STREAM: Final = {STDOUT: LEVELS.index("info"), STDERR: LEVELS.index("warn")}
"""A line of a stream has no level of its own: these stand in for it."""
ROW_BYTES: Final = 64
"""What a line counts on top of its text, against a limit of kept bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `run` is the lock under which it was said: one attempt of an activity, one stretch of a workflow.

    `place` orders the lines of a workflow over all its runs, so that one which is said again by a replay is told apart
    from a new one; None for an activity, whose attempts all count.
    """

    run: str
    at_us: int
    source: int
    level: int
    text: str
    place: int | None = None

    @property
    def size(self) -> int:
        """What it counts against a limit, in bytes."""
        return len(self.text) + ROW_BYTES if self.text.isascii() else len(self.text.encode()) + ROW_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """New lines of one execution, in order; `lost` counts those before them for which there was no room."""

    execution_id: str
    lines: Sequence[Line]
    lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedLine:
    """A line with its number within the execution, from 0; numbers are never given twice."""

    number: int
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Part of what an execution said, in order. `dropped`: how many of its lines are not kept (any more), in all.

    `has_more`: others followed when it was read. It may have fewer lines than were asked for, but not none then.
    """

    items: tuple[NumberedLine, ...] = ()
    dropped: int = 0
    has_more: bool = False


class LineStore(Protocol):
    """Where lines are kept. Not durable in the sense of the execution log: what was added may be lost in a crash."""

    async def add_lines(self, said: Sequence[Said], *, keep_bytes: int) -> None:
        """Add lines; of each execution the oldest go once more than `keep_bytes` are kept.

        Lines of an execution that does not exist are dropped, and those of a workflow that it had said before.
        """
        ...

    async def lines(self, execution_id: str, *, from_number: int, limit: int, level: int) -> Lines:
        """At most `limit` lines from a number on, of at least that level, and of `slices.SLICE_BYTES` together."""
        ...


def kept_after_trim(keep_bytes: int) -> int:
    """How many bytes stay when more than `keep_bytes` are there: fewer, so that not every line costs a trim."""
    return keep_bytes - keep_bytes // 4
