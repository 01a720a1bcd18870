"""The resources that one guest holds handles of: numbered, bounded in number, gone when the handle is dropped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, TypeVar

from obelisk.runtime.ports.guest import GuestTrap

T = TypeVar("T")
MAX_HANDLES: Final = 10_000
"""How many resources one guest may hold at once."""


class Closeable(ABC):
    """A resource that holds something of the world outside."""

    @abstractmethod
    def close(self) -> None:
        """The guest dropped it or has ended; called once, on any thread."""


class Table:
    """Resources by their `rep`. A full table, and a rep that names no resource of the expected kind, trap the guest."""

    __slots__ = ("_entries", "_last", "_limit")

    def __init__(self, limit: int = MAX_HANDLES) -> None:
        self._entries: dict[int, object] = {}
        self._last, self._limit = 0, limit

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: object) -> int:
        """The rep of a new entry: one that no resource has or lately had."""
        if len(self._entries) >= self._limit:
            raise GuestTrap(f"the guest holds {self._limit} resources and asks for another")
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
        del self._entries[rep]
        return entry

    def drop(self, rep: int) -> object | None:
        """The guest dropped its handle: what was behind it, None when nothing was."""
        return self._entries.pop(rep, None)

    def clear(self) -> list[object]:
        """The guest has ended: everything it still held."""
        entries = list(self._entries.values())
        self._entries.clear()
        return entries
