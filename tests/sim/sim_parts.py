"""What stands for parts of the runtime in the simulated world."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.watchers import GONE
from obelisk.runtime.log.events import CancellationRequested, Event, Locked, Paused, Unlocked
from obelisk.runtime.ports.store import LoggedEvent


class Entropy:
    """Randomness from the seed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def bits(self, count: int) -> int:
        return self._dice.getrandbits(count)


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


def covers(events: list[LoggedEvent], locked: Locked) -> bool:
    """Whether a lock is the last thing on record, or all that came after it are interventions, of which news may be
    late, or the end of its lease, which nobody has made use of."""
    after = (logged.event for logged in reversed(events))
    late = (e for e in after if not (isinstance(e, CancellationRequested | Paused) or _is_release(e)))
    return next(late, None) == locked


def _is_release(event: Event) -> bool:
    return isinstance(event, Unlocked) and event.reason == GONE
