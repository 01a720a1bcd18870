"""Every store answers alike: responses, what is built on them, who they wake, and delays."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from obelisk.runtime.errors import Conflict
from obelisk.runtime.log.events import ChildFinished, DelayFinished, JoinSetCreate, Returned
from obelisk.runtime.log.state import BlockedByJoinSet, PendingAt
from obelisk.runtime.ports.slices import Slice
from obelisk.runtime.ports.store import AddDelay, DropDelay, Respond, Store
from store_bed import OTHER, E, Log, answer, blocked, create, send

pytestmark = pytest.mark.anyio


# --- responses ------------------------------------------------------------------------------------------------------
async def test_responses_are_kept_in_order(store: Store) -> None:
    cancelled = DelayFinished(join_set="o:2", delay=f"Delay_{E[2:]}.o:2_1", cancelled=True)
    await send(store, create())
    await send(store, answer(f"{E}.o:1_2"), Respond(execution_id=E, response=cancelled, at_us=31))
    await send(store, answer(f"{E}.o:1_1", at_us=32))
    first, last = answer(f"{E}.o:1_2").response, answer(f"{E}.o:1_1").response
    stored = await store.load(E)
    assert stored is not None
    assert stored.responses == (first, cancelled, last)
    logged = await store.responses(E, from_number=1, limit=1)
    assert [(entry.number, entry.at_us, entry.response) for entry in logged] == [(1, 31, cancelled)]
    assert [entry.number for entry in await store.responses(E, from_number=0, limit=9)] == [0, 1, 2]
    assert await store.responses(E, from_number=3, limit=9) == Slice()


@pytest.mark.parametrize("together", [True, False])
async def test_a_child_answers_once(store: Store, together: bool) -> None:
    await send(store, create())
    first = send(store, answer(f"{E}.o:1_1"))
    if not together:
        await first
    second = send(store, answer(f"{E}.o:1_1"), create(OTHER))
    await first
    with pytest.raises(Conflict):
        await second
    assert await store.load(OTHER) is None
    assert len(await store.responses(E, from_number=0, limit=9)) == 1


async def test_a_response_to_nothing_loses(store: Store) -> None:
    with pytest.raises(Conflict):
        await send(store, answer(f"{E}.o:1_1"))


async def test_a_delay_and_a_child_of_one_place_are_two_sources(store: Store) -> None:
    await send(store, create(), answer(f"{E}.o:1_1"))
    delay = DelayFinished(join_set="o:1", delay=f"Delay_{E[2:]}.o:1_1")
    await send(store, Respond(execution_id=E, response=delay, at_us=1))
    await send(store, answer(".o:1_1"), answer("D.o:1_1"), answer(f"{E}D.o:1_1"), answer(f"={E}D.o:1_1"))
    assert len(await store.responses(E, from_number=0, limit=9)) == 6


# --- requires -------------------------------------------------------------------------------------------------------
async def test_speculation_needs_its_responses_on_record(store: Store) -> None:
    one, two = f"{E}.o:1_1", f"Delay_{E[2:]}.o:2_1"
    of_one, of_two = answer(one).response, DelayFinished(join_set="o:2", delay=two)
    await send(store, create(), answer(one))
    log = Log(create())
    await send(store, log.append(JoinSetCreate(join_set="g:1"), requires=(of_one,)))
    missing = Log(create())
    missing.state = log.state
    with pytest.raises(Conflict) as lost:
        await send(store, missing.append(JoinSetCreate(join_set="g:2"), requires=(of_one, of_two)))
    assert lost.value.fields["execution_id"] == E
    results = await asyncio.gather(
        send(store, answer(one)),  # loses: a duplicate
        send(store, Respond(execution_id=E, response=of_two, at_us=1)),
        send(store, log.append(JoinSetCreate(join_set="g:3"), requires=(of_one, of_two))),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Conflict, type(None), type(None)]


@pytest.mark.parametrize("together", [True, False])
async def test_another_answer_of_the_same_child_does_not_count(store: Store, together: bool) -> None:
    child = f"{E}.o:1_1"
    other = ChildFinished(join_set="o:1", child=child, outcome=Returned(value=msgspec.Raw(b'{"ok":56}')))
    await send(store, create())
    answered = send(store, answer(child))
    if not together:
        await answered
    built = send(store, Log(create()).append(JoinSetCreate(join_set="g:1"), requires=(other,)))
    await answered
    with pytest.raises(Conflict):
        await built


async def test_a_response_that_lost_or_comes_later_does_not_count(store: Store) -> None:
    child = f"{E}.o:1_1"
    await send(store, create(), create(OTHER), answer(child, to=OTHER))  # the other's response is not its own
    results = await asyncio.gather(
        send(store, answer(child), DropDelay(delay="Delay_0")),
        send(store, Log(create()).append(JoinSetCreate(join_set="g:1"), requires=(answer(child).response,))),
        send(store, answer(child)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Conflict, Conflict, type(None)]


# --- blocking and waking --------------------------------------------------------------------------------------------
async def test_a_response_wakes_who_waits_for_its_join_set(store: Store) -> None:
    log = Log(create())
    await send(store, create(), log.append(blocked(), responses_seen=0))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None
    assert stored.state.status == BlockedByJoinSet("o:1")
    assert summary is not None
    assert (summary.status, summary.waits_for, summary.executor) == ("blocked_by_join_set", "o:1", None)
    await send(store, answer(f"{E}.o:2_1", join_set="o:2"))
    summary = await store.summary(E)
    assert summary is not None
    assert summary.status == "blocked_by_join_set"
    await send(store, answer(f"{E}.o:1_1", at_us=44))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None
    assert stored.state.status == PendingAt(44)
    assert stored.state.version == 3
    assert summary is not None
    assert (summary.status, summary.waits_for, summary.pending_at_us) == ("pending_at", None, 44)


@pytest.mark.parametrize("order", ["before", "in the group", "same transaction"])
async def test_no_wake_up_is_lost(store: Store, order: str) -> None:
    log = Log(create())
    await send(store, create())
    unload = log.append(blocked(), responses_seen=0, at_us=50)
    if order == "before":
        await send(store, answer(f"{E}.o:1_1"))
        await send(store, unload)
    elif order == "in the group":
        await asyncio.gather(send(store, answer(f"{E}.o:1_1")), send(store, unload))
    else:
        await send(store, answer(f"{E}.o:1_1"), unload)
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.status, summary.pending_at_us) == ("pending_at", 50)


async def test_who_has_seen_all_responses_blocks(store: Store) -> None:
    log = Log(create())
    await send(store, create(), answer(f"{E}.o:1_1"))
    await send(store, log.append(blocked(), responses_seen=1))
    summary = await store.summary(E)
    assert summary is not None
    assert summary.status == "blocked_by_join_set"


@pytest.mark.parametrize("join_set", ["o:1", "o:2"])
async def test_blocking_and_answering_in_one_group_is_as_one_after_the_other(store: Store, join_set: str) -> None:
    log = Log(create())
    await send(store, create())
    await asyncio.gather(
        send(store, log.append(blocked(), responses_seen=0)),
        send(store, answer(f"{E}.o:9_1", join_set=join_set)),
    )
    summary = await store.summary(E)
    assert summary is not None
    assert summary.status == ("pending_at" if join_set == "o:1" else "blocked_by_join_set")


async def test_a_hot_execution_is_not_woken(store: Store) -> None:
    log = Log(create())
    await send(store, create())
    await send(store, log.append(JoinSetCreate(join_set="g:1"), waits_for="o:1"), answer(f"{E}.o:1_1"))
    await send(store, answer(f"{E}.o:1_2"))
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.status, summary.waits_for) == ("locked", "o:1")


# --- delays ---------------------------------------------------------------------------------------------------------
async def test_delays_are_due_earliest_first_and_dropped_once(store: Store) -> None:
    await send(store, create())
    for name, at_us in (("Delay_b", 30), ("Delay_a", 30), ("Delay_c", 20), ("Delay_d", 40)):
        await send(store, AddDelay(execution_id=E, join_set="o:1", delay=name, expires_at_us=at_us))
    due = await store.due_delays(until_us=30, limit=9)
    assert [(entry.delay, entry.expires_at_us) for entry in due] == [("Delay_c", 20), ("Delay_a", 30), ("Delay_b", 30)]
    assert (due[0].execution_id, due[0].join_set) == (E, "o:1")
    assert [entry.delay for entry in await store.due_delays(until_us=99, limit=2)] == ["Delay_c", "Delay_a"]
    await send(store, DropDelay(delay="Delay_c"))
    with pytest.raises(Conflict) as gone:
        await send(store, DropDelay(delay="Delay_c"), create(OTHER))
    assert gone.value.fields["delay"] == "Delay_c"
    assert await store.load(OTHER) is None
    with pytest.raises(Conflict):
        await send(store, AddDelay(execution_id=E, join_set="o:1", delay="Delay_a", expires_at_us=1))
    assert [entry.delay for entry in await store.due_delays(until_us=99, limit=9)] == ["Delay_a", "Delay_b", "Delay_d"]


async def test_a_delay_added_dropped_and_added_in_one_group(store: Store) -> None:
    add = AddDelay(execution_id=E, join_set="o:1", delay="Delay_a", expires_at_us=1)
    drop = DropDelay(delay="Delay_a")
    await asyncio.gather(send(store, add), send(store, drop), send(store, add))
    assert len(await store.due_delays(until_us=9, limit=9)) == 1
    results = await asyncio.gather(send(store, drop), send(store, drop), return_exceptions=True)
    assert results[0] is None
    assert isinstance(results[1], Conflict)
