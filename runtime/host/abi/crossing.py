"""How much of a value that comes out of a guest may still be built, and how much of it at once.

A lifter spends what it is about to build, by the weights of `weights`: a value is refused as soon as what was seen of
it is too much, before that is copied. One that is allowed but long is lifted in slices, between which others get their
turn.
"""

from __future__ import annotations

import sys
from typing import Final

from obelisk.runtime.ports.guest import GuestTrap, TrapReason

AT_ONCE: Final = 64 << 10
"""What a value may weigh that is lifted in one go."""
SLICE: Final = 16 << 10
"""What is lifted of a longer one in one go: a few milliseconds at most."""
WHOLE: Final = sys.maxsize
"""In one go, whatever it weighs."""


class TooLarge(GuestTrap):
    """A value weighs more than it may."""

    reason = TrapReason.TOO_LARGE


class Lengthy(Exception):
    """A value is allowed, as far as it was looked at, but is to be lifted in slices."""


class Crossing:
    """One value at a time. `context` is that of the wasmtime store that it comes out of; `left` may be spent now."""

    __slots__ = ("_at_once", "_limit", "_rest", "_what", "context", "left")

    def __init__(self, context: int) -> None:
        self.context = context
        self._what, self._limit, self._at_once = "a value", 0, 0
        self.left = self._rest = 0

    def begin(self, what: str, limit: int, at_once: int) -> None:
        """Another value, `what` for messages, may weigh `limit`, and `at_once` of it in one go."""
        self._what, self._limit, self._at_once = what, limit, at_once
        self.left = at_once if at_once < limit else limit
        self._rest = limit - self.left

    def refusal(self) -> GuestTrap | Lengthy:
        """The error after more was spent than was left: TooLarge, or Lengthy."""
        if self.left + self._rest >= 0:
            return Lengthy()
        seen = self._limit - self.left - self._rest
        return TooLarge(f"{self._what} has at least {seen} bytes as JSON, at most {self._limit} are allowed")

    def open(self) -> None:
        """What follows is lifted in one go, whatever it weighs."""
        self.left, self._rest = self.left + self._rest, 0

    def refill(self) -> None:
        """The next slice begins, or what was lifted in one go has ended."""
        whole = self.left + self._rest
        self.left = min(self._at_once, whole)
        self._rest = whole - self.left

    def spend_whole(self, weight: int) -> None:
        """Something is about to be built in slices of its own; TooLarge."""
        whole = self.left + self._rest - weight
        self.left = min(self.left, whole)
        self._rest = whole - self.left
        if whole < 0:
            raise self.refusal()

    @property
    def is_fresh(self) -> bool:
        """Whether nothing of the slice has been spent."""
        return self.left >= min(self._at_once, self.left + self._rest)
