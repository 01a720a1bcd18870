"""Every store keeps limits on concurrency from the locks that there are, and finds what may be evicted."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Finished, Paused, Unlocked, Unpaused
from obelisk.runtime.log.state import AwaitingResult, PausedState
from obelisk.runtime.ports.claims import Claim, Idle, Lease, Limit
from obelisk.runtime.ports.store import Append, Create, Intervene, Query, Store, Stored
from store_bed import FFQN, OK, Bed, create, number_id, send

pytestmark = pytest.mark.anyio
OTHER_FFQN = "demo:fibo/fibo@1.0.0.other"
FREE_FFQN = "demo:free/free.free"
TWO = Limit(component="fibo", most=2)


def claim(executor: str = "Exr_2", *, limit: int = 10, most: Limit = TWO) -> Claim:
    runs = tuple(f"Run_{executor}_{number}" for number in range(limit))
    digests = {FFQN: "sha256:2", OTHER_FFQN: "sha256:2", FREE_FFQN: "sha256:3"}
    limits = {FFQN: most, OTHER_FFQN: most}
    return Claim(executor=executor, digests=digests, limit=limit, now_us=1000, runs=runs, limits=limits)


def pending(number: int, at_us: int, ffqn: str = FFQN) -> Create:
    first = create(number_id(number), locked=None, at_us=at_us)
    return replace(first, state=replace(first.state, ffqn=ffqn))


def awaiting_result(number: int, ffqn: str = FFQN) -> Create:
    first = create(number_id(number), locked=None, at_us=number)
    created = replace(first.created, ffqn=ffqn, awaits_result=True)
    return replace(first, created=created, state=fold.start(created))


def ids_of(taken: tuple[Stored, ...]) -> list[str]:
    return [stored.execution_id for stored in taken]


def append(taken: Stored, event: Finished | Unlocked) -> Append:
    state = fold.apply(taken.state, event)
    return Append(
        execution_id=taken.execution_id, version=taken.state.version, events=(event,), state=state, at_us=2000
    )


async def test_a_limit_holds_over_all_functions_of_a_component_oldest_first(store: Store) -> None:
    ffqns = {1: FFQN, 2: OTHER_FFQN, 3: FFQN, 4: FREE_FFQN, 5: OTHER_FFQN}
    for number, ffqn in ffqns.items():
        await send(store, pending(number, 10 + number, ffqn))
    assert ids_of(await store.claim(claim())) == [number_id(1), number_id(4), number_id(2)]
    assert ids_of(await store.claim(claim())) == []


async def test_a_limit_holds_over_all_processes_and_a_lock_let_go_makes_room(bed: Bed) -> None:
    first, second = bed.open(), bed.open()
    for number in range(5):
        await send(first, pending(number, 10 + number))
    taken = [*await first.claim(claim("Exr_1", limit=1)), *await second.claim(claim("Exr_2"))]
    assert ids_of(tuple(taken)) == [number_id(0), number_id(1)]
    assert await first.claim(claim("Exr_1")) == ()
    await send(second, append(taken[1], Finished(outcome=OK)))
    (third,) = await first.claim(claim("Exr_1"))
    assert third.execution_id == number_id(2)
    await send(first, append(third, Unlocked(reason="it waits", pending_at_us=0, join_set="o:1")))
    (fourth,) = await second.claim(claim("Exr_2"))
    await send(second, Intervene(execution_id=fourth.execution_id, event=Paused(), at_us=2000))
    assert ids_of(await second.claim(claim("Exr_2"))) == [number_id(4)]


async def test_the_locks_of_a_dead_executor_do_not_count_for_ever(store: Store) -> None:
    lease = Lease(executor="Exr_1", expires_at_us=5, host="h", pid=1, started="1", labels=("eu", "gpu"))
    assert await store.renew_lease(lease)
    assert await store.leases() == (lease,)
    for number in range(3):
        await send(store, pending(number, 10 + number))
    assert len(await store.claim(claim("Exr_1"))) == 2
    assert await store.claim(claim("Exr_2")) == ()
    assert await store.release("Exr_1", reason="dead", now_us=50) == 2
    assert ids_of(await store.claim(claim("Exr_2"))) == [number_id(2), number_id(0)]


async def test_what_was_claimed_without_a_limit_does_not_count(store: Store) -> None:
    for number in range(4):
        await send(store, pending(number, 10 + number))
    assert len(await store.claim(replace(claim(limit=1), limits={}))) == 1
    assert len(await store.claim(claim())) == 2
    assert await store.claim(claim()) == ()
    assert len(await store.claim(claim(most=Limit(component="fibo", most=3)))) == 1


async def test_claims_at_one_moment_do_not_exceed_a_limit(bed: Bed) -> None:
    stores = [bed.open() for _ in range(3)]
    for number in range(20):
        await send(stores[0], pending(number, 10))
    taken = await asyncio.gather(*(store.claim(claim(f"Exr_{n}")) for n, store in enumerate(stores)))
    assert sum(map(len, taken)) == 2


async def test_pending_ones_are_counted_by_function(store: Store) -> None:
    await send(store, pending(1, 10), pending(2, 10, OTHER_FFQN), pending(3, 10), create(number_id(4)))
    assert await store.count_pending() == 3
    assert await store.count_pending((FFQN,)) == 2
    assert await store.count_pending((FFQN, OTHER_FFQN, "x:y/z.w")) == 3
    assert await store.count_pending(()) == 0


async def test_the_oldest_that_was_never_begun(store: Store) -> None:
    await send(store, pending(1, 30), pending(2, 10, OTHER_FFQN), pending(3, 20), pending(4, 5))
    (begun,) = await store.claim(claim(limit=1))
    assert begun.execution_id == number_id(4)
    await send(store, append(begun, Unlocked(reason="stop", pending_at_us=1)))
    assert await store.oldest_unbegun((FFQN, OTHER_FFQN), 2) == (number_id(2), number_id(3))
    assert await store.oldest_unbegun((FFQN,), 9) == (number_id(3), number_id(1))
    assert await store.oldest_unbegun((), 9) == ()


async def test_those_that_await_results_are_no_queue(store: Store) -> None:
    """They are listed, counted and evicted by a state of their own, and claimed by nobody."""
    awaiting = [awaiting_result(number) for number in (1, 2, 3)]
    await send(store, *awaiting, pending(4, 40), awaiting_result(5, OTHER_FFQN))
    paused = Intervene(execution_id=number_id(1), event=Paused(), at_us=7)
    await send(store, paused)
    wanted = Query(status="awaiting_result")
    assert [item.execution_id for item in (await store.list(wanted)).items] == [number_id(n) for n in (5, 3, 2)]
    assert await store.count(wanted) == 3
    assert await store.count(Query(status="awaiting_result", ffqns=(FFQN,))) == 2
    assert await store.count(Query(status="open")) == 5
    assert await store.remove_component("stubs", needed_for=(FFQN, OTHER_FFQN)) == 5, "they need their component"
    assert await store.count_pending() == 1
    assert await store.next_pending_us(-1) == 40
    assert await store.next_pending_us(-1, but=(FFQN,)) is None
    assert await store.oldest_unbegun((FFQN,), 9) == (number_id(2), number_id(3), number_id(4))
    assert [taken.execution_id for taken in await store.claim(claim())] == [number_id(4)]
    state = await store.state(number_id(1))
    assert state is not None
    assert state.status == PausedState(None)
    await send(store, Intervene(execution_id=number_id(1), event=Unpaused(), at_us=8))
    state = await store.state(number_id(1))
    assert state is not None
    assert state.status == AwaitingResult()
    summary = await store.summary(number_id(1))
    assert summary is not None
    assert (summary.status, summary.pending_at_us, summary.waits_for) == ("awaiting_result", None, None)


async def test_what_waits_without_a_run_is_found_page_by_page(store: Store) -> None:
    """Created at 10, 20, … 60 and due then; one of the first two is locked, the third and the sixth are paused."""
    for number in range(1, 7):
        await send(store, pending(number, 10 * number))
    await store.claim(Claim(executor="Exr_2", digests={FFQN: "d"}, limit=2, now_us=20, runs=("Run_1", "Run_2")))
    await store.release("Exr_2", reason="gone", now_us=25)
    await store.claim(Claim(executor="Exr_3", digests={FFQN: "d"}, limit=1, now_us=25, runs=("Run_3",)))
    for number in (3, 6):
        await send(store, Intervene(execution_id=number_id(number), event=Paused(), at_us=70))
    locked = (await store.held("Exr_3"))[0][0]
    free = number_id(2) if locked == number_id(1) else number_id(1)

    async def found(created_until_us: int, due_until_us: int, limit: int) -> list[str]:
        wanted = Idle(ffqn=FFQN, created_until_us=created_until_us, due_until_us=due_until_us)
        pages, after = list[str](), 0
        while True:
            page, place = await store.idle(wanted, after=after, limit=limit)
            pages += page
            if place is None:
                return pages
            after = place

    for limit in (1, 2, 9):
        assert await found(100, 100, limit) == [free, *(number_id(number) for number in (3, 4, 5, 6))]
        assert await found(40, 100, limit) == [free, number_id(3), number_id(4)]
        assert await found(100, 40, limit) == [free, number_id(3), number_id(4)]
    assert await store.idle(Idle(ffqn=OTHER_FFQN, created_until_us=100, due_until_us=100), after=0, limit=9) == (
        (),
        None,
    )


async def test_what_is_overdue_by_its_record_is_found_page_by_page(store: Store) -> None:
    """Created at 10, 20, … 60, each with another bound on record; the second is locked, the third paused."""
    for number, total_ms in enumerate((1, 1, 1, 0, None, 3), 1):
        new = pending(number, 10 * number)
        created = replace(new.created, total_timeout_ms=total_ms)
        await send(store, replace(new, created=created))
    await store.claim(Claim(executor="Exr_2", digests={FFQN: "d"}, limit=2, now_us=20, runs=("Run_1", "Run_2")))
    await send(store, Intervene(execution_id=number_id(1), event=Paused(), at_us=30))
    await send(store, Intervene(execution_id=number_id(3), event=Paused(), at_us=30))

    async def found(now_us: int, limit: int) -> list[str]:
        pages, after = list[str](), 0
        while True:
            page, place = await store.overdue(now_us, after=after, limit=limit)
            pages += page
            if place is None:
                return pages
            after = place

    for limit in (1, 9):
        assert await found(1_009, limit) == []
        assert await found(1_010, limit) == [number_id(1)]
        assert await found(1_030, limit) == [number_id(1), number_id(3)]
        assert await found(9_999, limit) == [number_id(1), number_id(3), number_id(6)]
    old = Idle(ffqn=FFQN, created_until_us=9_999, due_until_us=9_999)
    assert await store.idle(old, after=0, limit=9) == ((number_id(5),), None)
