"""Lines on their way to the store: batched, bounded, in order, and never in anybody's way."""

from __future__ import annotations

import asyncio
import threading
import tracemalloc
from collections.abc import Sequence

import pytest

from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.lines import BATCH, LINE_BYTES, LineKeeper
from obelisk.runtime.log.lines import LOG, ROW_BYTES, Line, Lines, Said

pytestmark = pytest.mark.anyio


class Shelf:
    """A store that remembers what it was given; `broken` refuses."""

    def __init__(self) -> None:
        self.writes: list[Sequence[Said]] = []
        self.broken = False

    async def add_lines(self, said: Sequence[Said], *, keep_bytes: int) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise StoreError("no room", reason="full")
        self.writes.append(said)

    async def lines(self, execution_id: str, *, from_number: int, limit: int, level: int) -> Lines:
        raise AssertionError("nobody reads here")

    def of(self, execution_id: str) -> list[str]:
        return [
            line.text for said in self.writes for one in said if one.execution_id == execution_id for line in one.lines
        ]

    @property
    def lost(self) -> dict[str, int]:
        lost: dict[str, int] = {}
        for said in self.writes:
            for one in said:
                lost[one.execution_id] = lost.get(one.execution_id, 0) + one.lost
        return lost


def line(text: str) -> Line:
    return Line(run="Run_1", at_us=1, source=LOG, level=2, text=text)


async def test_lines_of_many_threads_arrive_in_order() -> None:
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=1 << 20)

    def talk(name: str) -> None:
        for number in range(500):
            keeper.add(name, line(str(number)))

    threads = [threading.Thread(target=talk, args=(f"E_{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await keeper.flush()
    for i in range(4):
        assert shelf.of(f"E_{i}") == [str(number) for number in range(500)]
    assert all(sum(len(one.lines) for one in said) <= BATCH for said in shelf.writes)
    await keeper.flush()
    assert sum(shelf.lost.values()) == 0


async def test_they_are_written_without_being_asked_for() -> None:
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=1 << 20)
    keeper.start()
    keeper.add("E_1", line("a"))
    async with asyncio.timeout(120):
        while not shelf.writes:
            await asyncio.sleep(0.01)
    keeper.add("E_1", line("b"))
    await keeper.close()
    assert shelf.of("E_1") == ["a", "b"]


async def test_of_one_execution_the_newest_wait() -> None:
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=3 * (ROW_BYTES + 1))
    for text in "abcdef":
        keeper.add("E_1", line(text))
    keeper.add("E_2", line("x"))
    await keeper.flush()
    assert (shelf.of("E_1"), shelf.of("E_2"), shelf.lost) == (["d", "e", "f"], ["x"], {"E_1": 3, "E_2": 0})


async def test_all_that_wait_are_bounded() -> None:
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=1 << 20, max_waiting_bytes=2 * (ROW_BYTES + LINE_BYTES + 1))
    for name in ("E_1", "E_2", "E_3", "E_3"):
        keeper.add(name, line(name[-1]))
    await keeper.flush()
    assert (shelf.of("E_1"), shelf.of("E_2"), shelf.of("E_3")) == (["1"], ["2"], [])
    assert shelf.lost["E_3"] == 2
    keeper.add("E_3", line("again"))
    await keeper.flush()
    assert shelf.of("E_3") == ["again"]


async def test_what_waits_counts_as_what_it_takes() -> None:
    """Lines of a single character take more as objects than as text."""
    limit = 1 << 20
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=limit, max_waiting_bytes=limit)
    tracemalloc.start()
    try:
        for _ in range(20_000):
            keeper.add("E_1", line("a"))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 1.2 * limit
    await keeper.flush()
    assert len(shelf.of("E_1")) + shelf.lost["E_1"] == 20_000


async def test_a_store_that_fails_costs_the_lines_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf()
    keeper = LineKeeper(shelf, keep_bytes=1 << 20)
    shelf.broken = True
    keeper.add("E_1", line("a"))
    await keeper.flush()
    assert "1 lines of guests are lost: no room" in caplog.text
    shelf.broken = False
    keeper.add("E_1", line("b"))
    await keeper.flush()
    assert shelf.of("E_1") == ["b"]
