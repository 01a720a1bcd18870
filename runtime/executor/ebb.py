"""When a flood of runs is over, and memory is held for nothing. Pure."""

from __future__ import annotations

MANY = 1_000
"""So many runs at once leave something worth giving back, some ten megabytes."""


class Ebb:
    """An ebb has come when half of the most runs that were here are gone."""

    def __init__(self) -> None:
        self._most = 0

    def has_come(self, held: int) -> bool:
        """So many runs are here now; whether that is the end of a flood, which is told once."""
        self._most = max(self._most, held)
        over = self._most >= MANY and held <= self._most // 2
        if over:
            self._most = held
        return over
