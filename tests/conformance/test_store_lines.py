"""Every store keeps what guests say: in order, bounded, once, and for executions that exist."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from obelisk.runtime.log.lines import LOG, ROW_BYTES, STDERR, Line, Lines, Said
from obelisk.runtime.ports import slices
from obelisk.runtime.ports.store import Store
from store_bed import OTHER, Bed, E, create, send

pytestmark = pytest.mark.anyio
MUCH = 1 << 20


@pytest.fixture
async def store(bed: Bed) -> Store:
    store = bed.open()
    await send(store, create(), create(OTHER, at_us=11))
    return store


def line(text: str, *, level: int = 2, place: int | None = None, source: int = LOG) -> Line:
    return Line(run="Run_1", at_us=7, source=source, level=level, text=text, place=place)


async def add(store: Store, *texts: str, to: str = E, keep_bytes: int = MUCH, lost: int = 0) -> None:
    said = Said(execution_id=to, lines=[line(text) for text in texts], lost=lost)
    await store.add_lines([said], keep_bytes=keep_bytes)


async def read(store: Store, of: str = E, *, start: int = 0, limit: int = 99, level: int = 0) -> Lines:
    return await store.lines(of, from_number=start, limit=limit, level=level)


def texts(lines: Lines) -> list[str]:
    return [item.line.text for item in lines.items]


async def test_who_said_nothing_has_no_lines(store: Store) -> None:
    assert await read(store) == Lines()
    assert await read(store, "E_none") == Lines()


async def test_lines_come_back_as_they_were_and_are_numbered(store: Store) -> None:
    said: Sequence[Line] = [line("one"), line("", level=0), line("dré\0i\n", level=4, source=STDERR)]
    await store.add_lines([Said(execution_id=E, lines=said)], keep_bytes=MUCH)
    await add(store, "later")
    found = await read(store)
    assert [item.line for item in found.items] == [*said, line("later")]
    assert [item.number for item in found.items] == [0, 1, 2, 3]
    assert found.dropped == 0


async def test_executions_have_their_own_lines(store: Store) -> None:
    both = [Said(execution_id=to, lines=[line(to), line("x")]) for to in (E, OTHER)]
    await store.add_lines(both, keep_bytes=MUCH)
    assert texts(await read(store)) == [E, "x"]
    assert texts(await read(store, OTHER)) == [OTHER, "x"]


async def test_lines_of_nobody_are_dropped(store: Store) -> None:
    both = [Said(execution_id=to, lines=[line("x")]) for to in ("E_none", E)]
    await store.add_lines(both, keep_bytes=MUCH)
    assert await read(store, "E_none") == Lines()
    assert texts(await read(store)) == ["x"]


async def test_slices_and_levels(store: Store) -> None:
    said = [line(str(number), level=number % 5) for number in range(10)]
    await store.add_lines([Said(execution_id=E, lines=said)], keep_bytes=MUCH)
    assert texts(await read(store, start=2, limit=3)) == ["2", "3", "4"]
    assert texts(await read(store, level=3)) == ["3", "4", "8", "9"]
    assert texts(await read(store, level=4, start=5, limit=1)) == ["9"]
    assert texts(await read(store, start=10)) == []


@pytest.mark.parametrize("text", ["x" * 36, "é" * 18])
async def test_the_oldest_go_when_there_are_too_many(store: Store, text: str) -> None:
    size = ROW_BYTES + 36
    for _ in range(10):
        await add(store, text, keep_bytes=10 * size)
    assert (await read(store)).dropped == 0
    await add(store, text, keep_bytes=10 * size)
    found = await read(store)
    assert [item.number for item in found.items] == [4, 5, 6, 7, 8, 9, 10]
    assert found.dropped == 4
    await add(store, "next", keep_bytes=10 * size)
    found = await read(store, start=10)
    assert [item.number for item in found.items] == [10, 11]
    assert found.dropped == 4


async def test_a_bound_smaller_than_a_line_keeps_nothing(store: Store) -> None:
    await add(store, "a", "b", keep_bytes=10)
    assert await read(store) == Lines(dropped=2)
    await add(store, "c", keep_bytes=0)
    assert await read(store) == Lines(dropped=3)
    await add(store, "d")
    assert [item.number for item in (await read(store)).items] == [3]


async def test_lost_lines_are_counted(store: Store) -> None:
    await add(store, "a", lost=3)
    await add(store, lost=4)
    assert (texts(await read(store)), (await read(store)).dropped) == (["a"], 7)


async def test_a_workflow_says_nothing_twice(store: Store) -> None:
    async def say(*places: int) -> None:
        said = [line(str(place), place=place) for place in places]
        await store.add_lines([Said(execution_id=E, lines=said)], keep_bytes=MUCH)

    await say(0, 1, 8)
    await say(0, 1, 8, 9)
    await say(8, 9)
    await say(9, 12)
    assert texts(await read(store)) == ["0", "1", "8", "9", "12"]


async def test_a_slice_says_whether_others_follow(store: Store) -> None:
    await add(store, "a", "b", "c")
    parts = [await read(store, start=start, limit=2) for start in (0, 2, 3)]
    assert [(texts(part), part.has_more) for part in parts] == [(["a", "b"], True), (["c"], False), ([], False)]
    assert not (await read(store, limit=3)).has_more


async def test_a_slice_is_bounded_in_bytes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE_BYTES", 2 * (100 + ROW_BYTES))
    await add(store, *[letter * 100 for letter in "abc"], "x" * 5_000, "y")
    found: list[list[str]] = []
    start, more = 0, True
    while more:
        part = await read(store, start=start)
        found.append([text[0] for text in texts(part)])
        start, more = part.items[-1].number + 1, part.has_more
    assert found == [["a", "b"], ["c"], ["x"], ["y"]], "one that is larger comes by itself"
