"""Whether the loop has anything to do while the commit of a large group is under way on the writer's thread.

If it has, the commit costs next to nothing there. If it has not, as when all workflows wait for what is in that very
commit, the two hops between the threads are lost: with twenty workflows that call workers a quarter of all time. Which
of the two it is shows in the processor time that the loop's thread takes meanwhile. Now and then a commit goes to the
thread in any case, to see whether that has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

LEAST_SHARE: Final = 0.3
"""A loop that takes less than that of the time of a commit has nothing to do."""
LOOK_EVERY: Final = 16
_SMOOTHING: Final = 0.25


class Overlap:
    """`now_s` and `taken_s`: the time, and the processor time that the loop's thread has taken, in seconds."""

    def __init__(
        self, now_s: Callable[[], float] = time.perf_counter, taken_s: Callable[[], float] = time.thread_time
    ) -> None:
        self._now_s, self._taken_s = now_s, taken_s
        self._share = 1.0
        self._unseen = 0
        self._begun: tuple[float, float] | None = None

    def is_of_use(self) -> bool:
        """Whether the next commit of a large group is to run on the thread."""
        self._unseen += 1
        return self._share >= LEAST_SHARE or self._unseen >= LOOK_EVERY

    def begin(self) -> None:
        """A commit is handed to the thread; on the loop's."""
        self._unseen = 0
        self._begun = self._now_s(), self._taken_s()

    def end(self) -> None:
        """A commit has landed, perhaps one that was handed to the thread; on the loop's."""
        if self._begun is not None:
            (now_s, taken_s), self._begun = self._begun, None
            seconds = self._now_s() - now_s
            share = min(1.0, (self._taken_s() - taken_s) / seconds) if seconds > 0 else 1.0
            self._share += (share - self._share) * _SMOOTHING
