"""The table of a guest's resources."""

from __future__ import annotations

import pytest

from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.io.table import Closeable, Table
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.ports.guest import GuestTrap, HostMemory


class Line(Closeable):
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_entries_come_back_by_their_rep() -> None:
    table = Table(HostMemory())
    one, two = table.add("one"), table.add(2)
    assert (table.get(one, str), table.get(two, int), len(table)) == ("one", 2, 2)
    assert table.take(one, str) == "one"
    assert table.drop(two) == 2
    assert (table.drop(two), len(table)) == (None, 0)


def test_a_rep_is_not_used_again_soon() -> None:
    table = Table(HostMemory(), 3)
    seen = set[int]()
    for _ in range(100):
        rep = table.add(None)
        assert rep not in seen
        seen.add(rep)
        table.drop(rep)


def test_a_full_table_traps_and_a_drop_makes_room() -> None:
    table = Table(HostMemory(), 2)
    first, _ = table.add(1), table.add(2)
    with pytest.raises(GuestTrap, match="holds 2 resources"):
        table.add(3)
    table.drop(first)
    assert table.add(3) not in (first, 2)


@pytest.mark.parametrize("rep", [0, 7, None, "1"])
def test_an_unknown_rep_traps(rep: object) -> None:
    table = Table(HostMemory())
    table.add("text")
    with pytest.raises(GuestTrap, match="is of no str"):
        table.get(rep, str)
    with pytest.raises(GuestTrap, match="is of no int"):
        table.take(1, int)
    assert len(table) == 1


def test_what_holds_something_outside_is_closed_once() -> None:
    guest = ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0))
    dropped, kept, given = Line(), Line(), Line()
    guest.dropped(guest.table.add(dropped))
    guest.table.add(kept)
    guest.table.take(guest.table.add(given), Line)
    guest.close()
    guest.close()
    assert (dropped.closed, kept.closed, given.closed) == (1, 1, 0)
