"""How many executions a family may have: the tree of an execution, what its workflows schedule, and so on. Pure.

An execution that a workflow schedules is at the top of a tree of its own, and belongs to the family of the one that
scheduled it (`Created.family`): a workflow that schedules itself again and again makes one family. Each process counts
what its runs have asked for since it began, and takes a run that it did not begin to have asked for all that its
history has. Of the families it keeps those that have asked for something last.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from obelisk.runtime.ports.claims import LANES
from obelisk.runtime.ports.guest import GuestTrap

KEPT: Final = 10_000
FIRST: Final = 64
_GROWTH_BITS: Final = 4


class Families:
    """`most` executions of each."""

    def __init__(self, most: int, kept: int = KEPT) -> None:
        self._most, self._kept = most, kept
        self._counts: OrderedDict[str, int] = OrderedDict()

    def count(self, family: str) -> int:
        """How many executions it has, as far as is known, besides the first."""
        return self._counts.get(family, 0)

    def grows(self, family: str) -> None:
        """An execution of it is created."""
        self._counts[family] = self._counts.get(family, 0) + 1
        self._counts.move_to_end(family)
        if len(self._counts) > self._kept:
            self._counts.popitem(last=False)

    def lane(self, family: str) -> int:
        """The lane of its next execution: 0 for the first 64, then another one whenever it is 16 times as large. Claims
        take from the lanes in turn, so the work of a small family never waits behind all of a large one."""
        size = self._counts.get(family, 0) // FIRST
        return min(LANES - 1, (size.bit_length() + _GROWTH_BITS - 1) // _GROWTH_BITS) if size else 0

    def had(self, family: str, count: int) -> None:
        """It has at least so many."""
        if count > self._counts.get(family, 0):
            self._counts[family] = count - 1
            self.grows(family)

    def require_room(self, family: str) -> None:
        """Trap a guest that asks for one more than there may be."""
        if self._counts.get(family, 0) >= self._most:
            raise GuestTrap(
                f"family limit: {family}, its descendants and what these scheduled have asked for {self._most} "
                "executions, as many as [executor] max_family allows"
            )
