"""Handles of join sets count in what is kept for their guest."""

from __future__ import annotations

import pytest

from obelisk.runtime.ports.guest import GuestTrap, HostMemory, OutOfHostMemory
from obelisk.runtime.workers.join_set_handles import HANDLE_BYTES, JoinSetHandles


def added(handles: JoinSetHandles, most: int) -> int:
    """How many are given out until the guest is out of memory."""
    for count in range(most):
        try:
            handles.add(f"g:{count}")
        except OutOfHostMemory:
            return count
    return most


def test_they_are_found_until_they_are_dropped() -> None:
    handles = JoinSetHandles(HostMemory())
    one, two = handles.add("g:1"), handles.add("n:two")
    assert (handles.find(one), handles.find(two)) == ("g:1", "n:two")
    handles.drop(one)
    for stale in (one, 99, None, "1"):
        with pytest.raises(GuestTrap, match="the join set is closed"):
            handles.find(stale)
    assert handles.add("g:3") not in (one, two)


def test_they_are_as_many_as_the_memory_has_room_for() -> None:
    memory = HostMemory(100 * HANDLE_BYTES)
    handles = JoinSetHandles(memory)
    assert added(handles, 1_000) == 100
    assert memory.used == memory.limit
    for handle in range(1, 11):
        handles.drop(handle)
        handles.drop(handle)
    assert added(handles, 1_000) == 10
