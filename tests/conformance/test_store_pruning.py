"""Every store deletes whole trees that finished long ago, and nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from obelisk.runtime.log.events import Finished
from obelisk.runtime.log.lines import LOG, Line, Lines, Said
from obelisk.runtime.ports.slices import Slice
from obelisk.runtime.ports.store import Query, Store
from store_bed import OK, Bed, Log, answer, create, number_id, send

pytestmark = pytest.mark.anyio


async def finished(store: Store, execution_id: str, *, parent: str | None = None, at_us: int = 20) -> None:
    first = replace(create(execution_id, parent=parent, at_us=at_us - 10), key=f"key of {execution_id}")
    await send(store, first, Log(first).append(Finished(outcome=OK), at_us=at_us))
    if parent is not None:
        await send(store, answer(execution_id, to=parent, join_set=execution_id.rpartition(".")[2].split("_")[0]))


async def newest(store: Store) -> None:
    """An open execution that owns the newest row of every kind."""
    root = number_id(999)
    await send(store, create(root), answer(f"{root}.o:1_1", to=root))


async def prune(store: Store, before_us: int, *, limit: int = 100) -> int:
    deleted, calls = 0, 0
    place: int | None = 0
    while place is not None:
        count, place = await store.prune(finished_before_us=before_us, after=place, limit=limit)
        assert count <= limit
        deleted += count
        calls += 1
        assert calls < 1000
    return deleted


async def left(store: Store) -> set[str]:
    return {summary.execution_id for summary in (await store.list(Query(limit=1000))).items}


async def test_trees_that_finished_before_go_and_others_stay(store: Store) -> None:
    for number, at_us in ((1, 20), (2, 500), (3, 30)):
        await finished(store, number_id(number), at_us=at_us)
    await send(store, create(number_id(4)))
    await newest(store)
    assert await prune(store, 100) == 2
    assert await left(store) == {number_id(2), number_id(4), number_id(999)}
    assert await store.load(number_id(1)) is None
    assert await store.events(number_id(1), from_version=0, limit=9) == Slice()
    assert await prune(store, 100) == 0
    assert await prune(store, 501) == 1


async def test_a_tree_goes_whole_with_its_responses(store: Store) -> None:
    root = number_id(1)
    first = create(root)
    await send(store, first)
    for child in (f"{root}.o:1_1", f"{root}.o:2_1"):
        await finished(store, child, parent=root)
    await finished(store, f"{root}.o:1_1.o:1_1", parent=f"{root}.o:1_1")
    await send(store, Log(first).append(Finished(outcome=OK), at_us=40))
    await newest(store)
    assert await prune(store, 40) == 0
    assert await prune(store, 41) == 4
    assert await left(store) == {number_id(999)}
    assert await store.responses(root, from_number=0, limit=9) == Slice()
    await send(store, create(root))
    assert await store.responses(root, from_number=0, limit=9) == Slice()


async def test_a_tree_with_a_live_part_stays(store: Store) -> None:
    root = number_id(1)
    await finished(store, root)
    await send(store, create(f"{root}.o:1_1", parent=root))
    await newest(store)
    assert await prune(store, 10**9) == 0


async def test_what_guests_said_goes_too(store: Store) -> None:
    root = number_id(1)
    await finished(store, root)
    line = Line(run="Run_1", at_us=5, source=LOG, level=2, text="hello")
    await store.add_lines((Said(execution_id=root, lines=(line,)),), keep_bytes=1000)
    await newest(store)
    assert len((await store.lines(root, from_number=0, limit=9, level=0)).items) == 1
    assert await prune(store, 100) == 1
    assert await store.lines(root, from_number=0, limit=9, level=0) == Lines()
    await send(store, create(root))
    assert await store.lines(root, from_number=0, limit=9, level=0) == Lines()


async def test_an_idempotency_key_is_free_again(store: Store) -> None:
    await finished(store, number_id(1))
    await newest(store)
    key = f"key of {number_id(1)}"
    assert await store.by_key(key) == number_id(1)
    await prune(store, 100)
    assert await store.by_key(key) is None
    await send(store, create(number_id(2), key=key))
    assert await store.by_key(key) == number_id(2)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_a_large_tree_goes_in_small_transactions_children_first(store: Store, limit: int) -> None:
    for number in (1, 2):
        root = number_id(number)
        first = create(root)
        await send(store, first)
        for child in range(1, 6):
            await finished(store, f"{root}.g:1_{child}", parent=root)
        await send(store, Log(first).append(Finished(outcome=OK), at_us=40))
    await newest(store)
    count, place = await store.prune(finished_before_us=100, after=0, limit=limit)
    assert count == limit
    assert (number_id(1) in await left(store)) == (limit < 6)
    assert place is not None
    assert await prune(store, 100, limit=limit) == 12 - limit
    assert await left(store) == {number_id(999)}


async def test_the_newest_stays_so_that_no_number_comes_twice(store: Store) -> None:
    await finished(store, number_id(1))
    await finished(store, number_id(2))
    assert await prune(store, 100) == 1
    assert await left(store) == {number_id(2)}
    await finished(store, number_id(3))
    page = await store.list(Query(limit=1))
    assert [summary.execution_id for summary in page.items] == [number_id(3)]
    assert await prune(store, 100) == 1


async def test_who_follows_responses_does_not_mind(bed: Bed) -> None:
    store = bed.open()
    root = number_id(1)
    first = create(root)
    await send(store, first)
    await finished(store, f"{root}.o:1_1", parent=root)
    await send(store, Log(first).append(Finished(outcome=OK), at_us=40))
    await newest(store)
    assert await prune(store, 100) == 2
    cursor, found = await store.responses_since(0, "Exr_1")
    assert [owner for owner, _ in found] == [number_id(999)]
    assert await store.responses_since(cursor, "Exr_1") == (cursor, ())
    assert (await store.interventions_since(0))[1] == ()


async def test_tags_go_with_their_execution(store: Store) -> None:
    first = create(number_id(1), tags=("order=7",))
    await send(store, first, Log(first).append(Finished(outcome=OK), at_us=20))
    await send(store, create(number_id(2), tags=("order=7",)))
    await newest(store)
    assert await prune(store, 100) == 1
    assert [line.execution_id for line in (await store.list(Query(tags=("order=7",)))).items] == [number_id(2)]


async def test_only_what_meets_the_conditions_is_deleted(store: Store) -> None:
    for number in range(6):
        tags = ("order=7",) if number % 2 else ()
        first = create(number_id(number), tags=tags, at_us=number)
        await send(store, first, Log(first).append(Finished(outcome=OK), at_us=20 + number))
    child = f"{number_id(1)}.o:1_1"
    await finished(store, child, parent=number_id(1), at_us=20)
    await newest(store)

    async def pruned(where: Query, before_us: int = 100) -> int:
        count, place = await store.prune(finished_before_us=before_us, after=0, limit=100, where=where)
        assert place is None
        return count

    assert await pruned(Query(ffqn_prefix="nobody:has")) == 0
    assert await pruned(Query(result_kind="failed")) == 0
    assert await pruned(Query(tags=("order=7",)), before_us=24) == 3, "two trees, one of two executions"
    assert await pruned(Query(tags=("order=7",))) == 1
    assert await pruned(Query(created_before_us=3, result_kind="ok")) == 2
    assert [line.execution_id for line in (await store.list(Query(status="finished"))).items] == [number_id(4)]


async def test_of_what_has_the_tags_what_was_created_first_goes_first(store: Store) -> None:
    for number in range(4):
        first = create(number_id(number), tags=("order=7",), at_us=number)
        await send(store, first, Log(first).append(Finished(outcome=OK), at_us=30 - number))
    await newest(store)
    where = Query(tags=("order=7",))
    assert (await store.prune(finished_before_us=100, after=0, limit=2, where=where))[0] == 2
    assert [line.execution_id for line in (await store.list(where)).items] == [number_id(3), number_id(2)]
    assert (await store.prune(finished_before_us=28, after=0, limit=2, where=where)) == (1, None)
    assert [line.execution_id for line in (await store.list(where)).items] == [number_id(2)]
