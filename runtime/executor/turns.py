"""A queue that is fair between groups: one of each group in turn, within a group the one that has waited longest. Pure.

A group that queues thousands delays another by one entry a round, however many it has.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """Entries by group; each takes constant time to add and to take."""

    def __init__(self) -> None:
        self._groups: OrderedDict[Hashable, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, group: Hashable, entry: T) -> None:
        """Queue an entry; a group that had none comes after all others."""
        queue = self._groups.get(group)
        if queue is None:
            queue = self._groups[group] = deque()
        queue.append(entry)
        self._count += 1

    def take(self) -> T:
        """The entry whose turn it is; IndexError when there is none."""
        if not self._groups:
            raise IndexError("nothing is queued")
        group, queue = next(iter(self._groups.items()))
        entry = queue.popleft()
        self._count -= 1
        if queue:
            self._groups.move_to_end(group)
        else:
            del self._groups[group]
        return entry

    def remove(self, group: Hashable, entry: T) -> bool:
        """Take an entry out of its group; whether it was there. Time in proportion to the group."""
        queue = self._groups.get(group)
        if queue is None or entry not in queue:
            return False
        queue.remove(entry)
        self._count -= 1
        if not queue:
            del self._groups[group]
        return True
