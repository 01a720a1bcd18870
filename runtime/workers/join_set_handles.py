"""The join sets that a workflow's guest has handles of. Each handle counts in what is kept for the guest."""

from __future__ import annotations

from typing import Final

from obelisk.runtime.ports.guest import GuestTrap, HostMemory

HANDLE_BYTES: Final = 256
"""What a handle of a join set takes."""


class JoinSetHandles:
    """By number, from 1; none is given twice."""

    def __init__(self, memory: HostMemory) -> None:
        self._memory = memory
        self._join_sets: dict[int, str] = {}
        self._last = 0

    def add(self, join_set: str) -> int:
        """A new handle. OutOfHostMemory."""
        self._memory.take(HANDLE_BYTES)
        self._last += 1
        self._join_sets[self._last] = join_set
        return self._last

    def find(self, handle: object) -> str:
        """The join set of a handle; a stale one traps the guest."""
        found = self._join_sets.get(handle) if isinstance(handle, int) else None
        if found is None:
            raise GuestTrap("the join set is closed")
        return found

    def drop(self, handle: object) -> None:
        """The guest has no use for a handle any more."""
        if isinstance(handle, int) and self._join_sets.pop(handle, None) is not None:
            self._memory.give_back(HANDLE_BYTES)
