"""The resources that one guest holds handles of: numbered, bounded in number, gone when the handle is dropped.

Each handle counts in what the host keeps for its guest, with what every resource has; one that keeps texts or data
counts these itself (`guest.Holding`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, TypeVar

from obelisk.runtime.ports.guest import GuestTrap, HostMemory, OutOfHandles

T = TypeVar("T")
MAX_HANDLES: Final = 10_000
"""How many resources one guest may hold at once."""
HANDLE_BYTES: Final = 1024
"""What a handle and a resource without data of its own take."""


class Closeable(ABC):
    """A resource that holds something of the world outside."""

    @abstractmethod
    def close(self) -> None:
        """The guest dropped it or has ended; called once, on any thread."""


class Table:
    """Resources by their `rep`. A full table, and a rep that names no resource of the expected kind, trap the guest."""

    __slots__ = ("_entries", "_last", "_limit", "_memory")

    def __init__(self, memory: HostMemory, limit: int = MAX_HANDLES) -> None:
        self._entries: dict[int, object] = {}
        self._last, self._limit, self._memory = 0, limit, memory

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: object) -> int:
        """The rep of a new entry: one that no resource has or lately had. OutOfHandles, OutOfHostMemory, and then the
        entry is closed."""
        try:
            if len(self._entries) >= self._limit:
                raise OutOfHandles(f"the guest holds {self._limit} resources and asks for another")
            self._memory.take(HANDLE_BYTES)
        except GuestTrap:
            if isinstance(entry, Closeable):
                entry.close()
            raise
        rep = self._last % 0xFFFF_FFFF + 1
        while rep in self._entries:
            rep = rep % 0xFFFF_FFFF + 1
        self._last = rep
        self._entries[rep] = entry
        return rep

    def get(self, rep: object, kind: type[T]) -> T:
        """The entry behind a borrowed handle."""
        entry = self._entries.get(rep) if isinstance(rep, int) else None
        if not isinstance(entry, kind):
            raise GuestTrap(f"handle {rep} is of no {kind.__name__}")
        return entry

    def take(self, rep: object, kind: type[T]) -> T:
        """The entry behind an owned handle that the guest gave away."""
        entry = self.get(rep, kind)
        assert isinstance(rep, int)
        self.drop(rep)
        return entry

    def drop(self, rep: int) -> object | None:
        """The guest dropped its handle: what was behind it, None when nothing was."""
        if rep not in self._entries:
            return None
        self._memory.give_back(HANDLE_BYTES)
        return self._entries.pop(rep)

    def clear(self) -> list[object]:
        """The guest has ended: everything it still held."""
        entries = list(self._entries.values())
        self._entries.clear()
        self._memory.give_back(HANDLE_BYTES * len(entries))
        return entries
