"""Every store keeps the damage of one log from the others."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import JoinSetCreate, Locked, Paused, Unlocked
from obelisk.runtime.log.state import LockedBy, PausedState, PendingAt
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Intervene, Query, Store
from store_bed import FFQN, LOCK, Bed, E, Log, answer, create, number_id, send

pytestmark = pytest.mark.anyio
REASON = "its log cannot be read: it is damaged"


def claim(limit: int = 10, now_us: int = 1000) -> Claim:
    runs = tuple(f"Run_{number}" for number in range(limit))
    return Claim(executor="Exr_2", digests={FFQN: "sha256:2"}, limit=limit, now_us=now_us, runs=runs)


async def unloaded(store: Store, number: int) -> None:
    """An execution with a history that waits for an executor."""
    first = create(number_id(number))
    log = Log(first)
    await send(store, first)
    await send(store, log.append(JoinSetCreate(join_set="g:1")), log.append(Unlocked(reason="", pending_at_us=number)))


@pytest.mark.parametrize("version", [0, 2, 3])
async def test_what_cannot_be_read_is_locked_and_left_out_of_a_claim(bed: Bed, store: Store, version: int) -> None:
    for number in (1, 2, 3):
        await unloaded(store, number)
    bed.damage(number_id(2), version)
    taken = await store.claim(claim())
    assert [stored.execution_id for stored in taken] == [number_id(1), number_id(3)]
    assert all(isinstance(stored.events[-1], Locked) for stored in taken)
    assert await store.held("Exr_2") == tuple((number_id(number), f"Run_{number - 1}") for number in (1, 2, 3))
    assert await store.claim(claim()) == ()
    with pytest.raises(CorruptLog):
        await store.load(number_id(2))
    state = await store.state(number_id(2))
    assert state is not None
    assert state.status == LockedBy("Exr_2", "Run_1", "sha256:2")


async def test_a_claim_counts_what_it_leaves_out(bed: Bed, store: Store) -> None:
    for number in (1, 2, 3):
        await unloaded(store, number)
    bed.damage(number_id(1), 2)
    assert [stored.execution_id for stored in await store.claim(claim(limit=2))] == [number_id(2)]
    assert [stored.execution_id for stored in await store.claim(claim(limit=2))] == [number_id(3)]


async def test_it_can_be_paused_listed_and_let_go(bed: Bed, store: Store) -> None:
    await unloaded(store, 1)
    bed.damage(number_id(1), 2)
    await store.claim(claim())
    await send(store, Intervene(execution_id=number_id(1), event=Paused(reason=REASON), at_us=50))
    (line,) = (await store.list(Query(limit=10))).items
    assert (line.status, line.reason) == ("paused", REASON)
    state = await store.state(number_id(1))
    assert state is not None
    assert isinstance(state.status, PausedState)
    assert await store.held("Exr_2") == ()


async def test_a_release_needs_to_read_nothing(bed: Bed, store: Store) -> None:
    await unloaded(store, 1)
    bed.damage(number_id(1), 0)
    await store.claim(claim())
    assert await store.release("Exr_2", reason="gone", now_us=77) == 1
    state = await store.state(number_id(1))
    assert state is not None
    assert state.status == PendingAt(77)


async def test_only_the_damaged_part_of_a_log_cannot_be_shown(bed: Bed, store: Store) -> None:
    await unloaded(store, 1)
    bed.damage(number_id(1), 2)
    found = await store.events(number_id(1), from_version=0, limit=2)
    assert [logged.version for logged in found] == [0, 1]
    assert [logged.version for logged in await store.events(number_id(1), from_version=3, limit=9)] == [3]
    with pytest.raises(CorruptLog):
        await store.events(number_id(1), from_version=0, limit=3)


# --- what only a file can have --------------------------------------------------------------------------------------
DAMAGE = {
    "an event is missing": "delete from log where execution = 1 and version = 2",
    "the log is gone": "delete from log where execution = 1",
    "it begins with another event": "update log set kind = 8, body = cast('{}' as blob) where number = 1",
    "a kind that nobody knows": "update log set kind = 77 where execution = 1 and version = 2",
}


def change(bed: Bed, statement: str) -> None:
    with closing(sqlite3.connect(bed.path)) as connection:
        assert connection.execute(statement).rowcount > 0
        connection.commit()


@pytest.fixture
async def file() -> AsyncIterator[Bed]:
    bed = Bed("sqlite")
    yield bed
    await bed.close()


@pytest.mark.parametrize("damage", DAMAGE)
async def test_every_kind_of_damage_is_left_out(file: Bed, damage: str) -> None:
    store = file.open()
    await unloaded(store, 1)
    await unloaded(store, 2)
    change(file, DAMAGE[damage])
    assert [stored.execution_id for stored in await store.claim(claim())] == [number_id(2)]
    with pytest.raises(CorruptLog):
        await store.load(number_id(1))


async def test_a_listing_shows_what_is_paused_though_nobody_knows_why(file: Bed) -> None:
    store = file.open()
    first = create(number_id(1))
    await send(store, first, create(number_id(2)))
    await send(store, Intervene(execution_id=number_id(1), event=Paused(reason="why not"), at_us=50))
    change(file, "update log set body = cast('{' as blob) where kind = 6")
    lines = {line.execution_id: line for line in (await store.list(Query(limit=10))).items}
    assert lines[number_id(1)].status == "paused"
    assert "stored event of kind 6" in lines[number_id(1)].reason


async def test_a_response_that_cannot_be_read_keeps_no_other_back(file: Bed) -> None:
    store = file.open()
    others = [create(number_id(n)) for n in (5, 6)]
    await send(store, create(), *others)
    await send(store, *(answer(f"{one.execution_id}.o:1_1", to=one.execution_id) for one in others))
    change(file, "update response set body = cast('{' as blob) where number = 1")
    _, heard = await store.responses_since(0, LOCK.executor)
    assert [(owner, response is None) for owner, response in heard] == [(number_id(5), True), (number_id(6), False)]
    assert E not in dict(heard)
