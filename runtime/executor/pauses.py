"""Pauses between the tries of something that failed: each twice as long as the one before. Pure.

No loop of the engine tries at one pace for ever: what fails for a while is found again soon, and what fails for long
costs next to nothing. Each try is counted (`Metrics.retries`).
"""

from __future__ import annotations

MOST_REMEMBERED = 10_000


class Pauses:
    """The first lasts `first_s`, none longer than `most_s`."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._tries = 0

    def next_s(self) -> float:
        """The seconds until the next try."""
        self._tries += 1
        return pause_s(self._tries, self._first_s, self._most_s)

    def reset(self) -> None:
        """It has succeeded: the next pause is the first one again."""
        self._tries = 0


class PausesOf:
    """Pauses by what they are about; the oldest are forgotten when there are too many."""

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._all: dict[str, Pauses] = {}

    def next_s(self, key: str) -> float:
        """The seconds until the next try of that."""
        if key not in self._all and len(self._all) >= MOST_REMEMBERED:
            del self._all[next(iter(self._all))]
        return self._all.setdefault(key, Pauses(self._first_s, self._most_s)).next_s()

    def forget(self, key: str) -> None:
        """That has succeeded, or is over."""
        self._all.pop(key, None)

    def __len__(self) -> int:
        return len(self._all)


def pause_s(tries: int, first_s: float, most_s: float) -> float:
    """The seconds to wait after so many tries have failed."""
    doublings = max(0, tries - 1)
    return most_s if doublings >= 64 else min(first_s * 2.0**doublings, most_s)
