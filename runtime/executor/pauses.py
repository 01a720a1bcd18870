"""Pauses between the tries of something that failed: each twice as long as the one before. Pure."""

from __future__ import annotations


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


def pause_s(tries: int, first_s: float, most_s: float) -> float:
    """The seconds to wait after so many tries have failed."""
    doublings = max(0, tries - 1)
    return most_s if doublings >= 64 else min(first_s * 2.0**doublings, most_s)
