"""Detects when a burst of runs has subsided and its memory can be returned. Pure."""

from __future__ import annotations

MANY = 1_000
"""A burst of so many runs leaves some ten megabytes to return."""


class BurstDetector:
    """A burst has subsided when half of its runs are gone."""

    def __init__(self) -> None:
        self._most = 0

    def has_subsided(self, held: int) -> bool:
        """Whether a burst has subsided now that `held` runs are here; True once for each burst."""
        self._most = max(self._most, held)
        over = self._most >= MANY and held <= self._most // 2
        if over:
            self._most = held
        return over
