"""What stands for parts of the runtime in the simulated world."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from obelisk.runtime.executor.executor import Executor
from sim_time import VirtualLoop


class Entropy:
    """Randomness from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def bits(self, count: int) -> int:
        return self._dice.getrandbits(count)


class Skewed:
    """A process's clock: the world's, and some seconds more or less."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset_us = 0

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self._loop.now_us() + self.offset_us


class Drowsy(Executor):
    """An executor that does not always hear when it is woken."""

    hears: Callable[[], bool] = staticmethod(lambda: True)

    def wake(self) -> None:
        """Claim soon, if it was heard."""
        if self.hears():
            super().wake()


class Tight:
    """A process that now and then has no room for another guest, or too many."""

    def __init__(self, is_full: Callable[[], bool]) -> None:
        self._is_full = is_full

    def fits(self) -> bool:
        """Whether another guest fits."""
        return not self._is_full()

    def fits_instead(self) -> bool:
        """Whether one fits where another was."""
        return not self._is_full()

    def is_over(self) -> bool:
        """Whether some guests should end."""
        return self._is_full()

    def look(self) -> bool:
        """Whether some guests should end."""
        return self._is_full()


@dataclass(slots=True)
class Attempt:
    """An effect: an activity that began, and whether its lock was on record and its end was not."""

    execution_id: str
    run: str
    covered: bool
