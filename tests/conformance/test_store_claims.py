"""Every store gives out work alike: claims, leases, releases, and what other processes hear of each other."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from obelisk.runtime.errors import Conflict
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import (
    ABSENT,
    ComponentUpgraded,
    Diverged,
    Divergence,
    Finished,
    JoinSetCreate,
    Locked,
    Paused,
    TemporarilyFailed,
    Unlocked,
    Unpaused,
)
from obelisk.runtime.log.state import LockedBy, PendingAt
from obelisk.runtime.ports.claims import Claim, Lease
from obelisk.runtime.ports.store import Create, Store, Stored
from store_bed import FFQN, LOCK, OK, OTHER, Bed, E, Log, answer, blocked, create, number_id, send

pytestmark = pytest.mark.anyio


def claim(executor: str = "Exr_2", *, limit: int = 10, now_us: int = 1000, ffqn: str = FFQN) -> Claim:
    runs = tuple(f"Run_{executor}_{number}" for number in range(limit))
    return Claim(executor=executor, digests={ffqn: "sha256:2"}, limit=limit, now_us=now_us, runs=runs)


def lease(executor: str = "Exr_2", expires_at_us: int = 100) -> Lease:
    return Lease(executor=executor, expires_at_us=expires_at_us, host="here", pid=1, started="2026-01-01")


def pending(number: int, at_us: int, ffqn: str = FFQN) -> Create:
    first = create(number_id(number), locked=None, at_us=at_us)
    return replace(first, state=replace(first.state, ffqn=ffqn))


def ids_of(taken: tuple[Stored, ...]) -> list[str]:
    return [stored.execution_id for stored in taken]


# --- claims ---------------------------------------------------------------------------------------------------------
async def test_a_claim_locks_and_gives_executions_whole(store: Store) -> None:
    log = Log(create())
    await send(store, create(), answer(f"{E}.o:1_1"))
    await send(store, log.append(JoinSetCreate(join_set="g:1"), Unlocked(reason="stop", pending_at_us=5)))
    (taken,) = await store.claim(claim(now_us=70))
    assert taken.state.status == LockedBy(executor="Exr_2", run="Run_Exr_2_0", digest="sha256:2")
    assert taken.state.version == len(taken.events) == 5
    assert taken.events[4] == Locked(executor="Exr_2", run="Run_Exr_2_0", digest="sha256:2")
    assert len(taken.responses) == 1
    assert await store.load(E) == taken
    logged = await store.events(E, from_version=4, limit=9)
    assert [event.at_us for event in logged] == [70]
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.executor, summary.status, summary.updated_at_us) == ("Exr_2", "locked", 70)
    assert await store.claim(claim("Exr_3")) == ()


async def test_the_run_that_lost_its_lock_is_fenced(store: Store) -> None:
    log = Log(create())
    await send(store, create(), log.append(Unlocked(reason="stop", pending_at_us=5)))
    (taken,) = await store.claim(claim())
    old = Log(create())
    with pytest.raises(Conflict):
        await send(store, old.append(JoinSetCreate(join_set="g:1")))
    new = Log(create())
    new.state = taken.state
    await send(store, new.append(JoinSetCreate(join_set="g:1")))


async def test_claims_take_what_is_due_oldest_first(store: Store) -> None:
    for number, at_us in ((1, 30), (2, 10), (3, 1001), (4, 10), (5, 20)):
        await send(store, pending(number, at_us))
    assert ids_of(await store.claim(claim(limit=3))) == [number_id(2), number_id(4), number_id(5)]
    assert ids_of(await store.claim(claim(limit=3))) == [number_id(1)]
    assert ids_of(await store.claim(claim(limit=3, now_us=1001))) == [number_id(3)]


async def test_a_claim_takes_no_more_than_it_has_runs_for(store: Store) -> None:
    for number in range(4):
        await send(store, pending(number, 10))
    few = replace(claim(limit=9), runs=("Run_a", "Run_b"))
    taken = await store.claim(few)
    assert [status.run for stored in taken if isinstance(status := stored.state.status, LockedBy)] == ["Run_a", "Run_b"]
    assert await store.claim(claim(limit=0)) == ()
    assert await store.count_pending() == 2


async def test_only_functions_the_executor_has_are_claimed(store: Store) -> None:
    functions = [f"demo:many/ifc.f{number}" for number in range(12)]
    for number, ffqn in enumerate(functions):
        await send(store, pending(number, 100 - number, ffqn))
    assert await store.claim(claim(ffqn="demo:many/ifc.f")) == ()
    assert await store.claim(replace(claim(), digests={})) == ()
    some = replace(claim(limit=12), digests={functions[3]: "sha256:3", functions[7]: "sha256:7", "x:y/z.w": "d"})
    taken = await store.claim(some)
    assert [(stored.state.ffqn, stored.state.status) for stored in taken] == [
        (functions[7], LockedBy(executor="Exr_2", run="Run_Exr_2_0", digest="sha256:7")),
        (functions[3], LockedBy(executor="Exr_2", run="Run_Exr_2_1", digest="sha256:3")),
    ]


async def test_what_is_not_pending_is_not_claimed(store: Store) -> None:
    await send(store, create())
    log = Log(create(OTHER))
    await send(store, create(OTHER), log.append(blocked(), responses_seen=0))
    ended = Log(create(number_id(7)))
    await send(store, create(number_id(7)), ended.append(Finished(outcome=OK)))
    assert await store.claim(claim()) == ()
    await send(store, answer(f"{OTHER}.o:1_1", to=OTHER))
    assert ids_of(await store.claim(claim())) == [OTHER]


async def test_attempts_outlive_a_claim(store: Store) -> None:
    log = Log(create())
    failed = TemporarilyFailed(error_id="x", reason="trap", pending_at_us=50)
    await send(store, create(), log.append(failed))
    (taken,) = await store.claim(claim())
    assert taken.state.attempts == 1
    summary = await store.summary(E)
    assert summary is not None
    assert summary.attempts == 1


async def test_a_claim_comes_after_what_was_queued_before_it(store: Store) -> None:
    created = send(store, pending(1, 10))
    taken = asyncio.ensure_future(store.claim(claim()))
    await asyncio.sleep(0)
    later = send(store, pending(2, 10))
    assert ids_of(await taken) == [number_id(1)]
    await asyncio.gather(created, later)
    assert ids_of(await store.claim(claim())) == [number_id(2)]


async def test_two_claims_and_a_loser_in_one_group(store: Store) -> None:
    await send(store, pending(1, 10), pending(2, 10))
    loser = send(store, pending(1, 10))
    one, two, three = await asyncio.gather(
        store.claim(claim(limit=1)), store.claim(claim("Exr_3", limit=1)), store.claim(claim("Exr_4"))
    )
    assert (ids_of(one), ids_of(two), three) == ([number_id(1)], [number_id(2)], ())
    with pytest.raises(Conflict):
        await loser


async def test_pending_counts_and_the_next_instant(store: Store) -> None:
    assert await store.next_pending_us(0) is None
    for number, (at_us, ffqn) in enumerate([(30, FFQN), (20, "a:b/c.d"), (40, "z:b/c.d"), (20, FFQN)]):
        await send(store, pending(number, at_us, ffqn))
    assert await store.count_pending() == 4
    assert [await store.next_pending_us(after) for after in (0, 19, 20, 30, 40)] == [20, 20, 30, 40, None]
    await store.claim(claim(now_us=25))
    assert await store.count_pending() == 3


# --- leases ---------------------------------------------------------------------------------------------------------
async def test_a_lease_is_written_and_extended(store: Store) -> None:
    assert await store.renew_lease(lease())
    assert await store.renew_lease(lease("Exr_1", 90))
    assert await store.renew_lease(lease(expires_at_us=200))
    assert await store.leases() == (lease("Exr_1", 90), lease(expires_at_us=200))


async def test_a_released_executor_has_lost_its_lease_and_locks(store: Store) -> None:
    assert await store.renew_lease(lease())
    log = Log(create())
    await send(store, create(), log.append(waits_for="o:1"))
    await send(store, pending(1, 10), pending(2, 10))
    await store.claim(claim())
    assert await store.release("Exr_2", reason="lease expired", now_us=500) == 2
    assert await store.leases() == ()
    stored = await store.load(number_id(1))
    assert stored is not None
    assert stored.state.status == PendingAt(500)
    assert stored.events[-1] == Unlocked(reason="lease expired", pending_at_us=500)
    assert stored.state.version == len(stored.events) == 3
    logged = await store.events(number_id(2), from_version=2, limit=1)
    assert logged[0].at_us == 500
    untouched = await store.summary(E)
    assert untouched is not None
    assert (untouched.status, untouched.executor, untouched.waits_for) == ("locked", "Exr_1", "o:1")
    assert await store.release("Exr_2", reason="again", now_us=600) == 0


async def test_after_its_release_an_executor_locks_nothing(store: Store) -> None:
    assert await store.renew_lease(lease("Exr_1"))
    await send(store, create(OTHER))
    assert await store.release("Exr_1", reason="gone", now_us=500) == 1
    assert not await store.renew_lease(lease("Exr_1", 9000))
    assert await store.leases() == ()
    assert await store.claim(claim("Exr_1")) == ()
    for _ in range(2):
        with pytest.raises(Conflict):
            await send(store, create())
    log = Log(create(locked=None))
    await send(store, create(locked=None))
    with pytest.raises(Conflict):
        await send(store, log.append(LOCK))
    assert len(await store.claim(claim("Exr_9"))) == 2


async def test_a_hot_run_goes_on_building_until_it_is_released(store: Store) -> None:
    await send(store, create())
    log = Log(create())
    going_on = send(store, log.append(JoinSetCreate(join_set="g:1")))
    released = asyncio.ensure_future(store.release("Exr_1", reason="gone", now_us=500))
    await asyncio.sleep(0)
    late = send(store, log.append(JoinSetCreate(join_set="g:2")))
    await going_on
    assert await released == 1
    with pytest.raises(Conflict):
        await late


async def test_what_those_who_clear_up_take_was_cut_off_and_counts_from_the_second_time_on(store: Store) -> None:
    """From then on a pause follows, in which the store does not give it to anybody."""
    await send(store, pending(1, 10))
    now_us = 100
    for executor, cuts, attempts in (("Exr_2", 1, 0), ("Exr_3", 2, 1), ("Exr_4", 3, 2)):
        assert await store.claim(claim(executor, now_us=now_us - 1 if cuts > 1 else 9)) == ()
        (taken,) = await store.claim(claim(executor, now_us=now_us))
        assert await store.release(executor, reason="gone", now_us=now_us, expired_by_us=0) == 1
        before = taken.events[-2]
        expected = fold.cut_off(before, "gone", now_us, number_id(1))
        now_us = expected.pending_at_us
        stored = await store.load(number_id(1))
        assert stored is not None
        assert stored.events[-1] == expected == Unlocked(reason="gone", pending_at_us=now_us, cut_off=cuts)
        assert stored.state == fold.fold(stored.events)
        assert stored.state.attempts == attempts
        summary = await store.summary(number_id(1))
        assert summary is not None
        assert summary.attempts == attempts
        assert taken.state.version == len(stored.events) - 1
    await store.claim(claim("Exr_5", now_us=now_us))
    assert await store.release("Exr_5", reason="it stopped", now_us=now_us) == 1
    let_go = await store.load(number_id(1))
    assert let_go is not None
    assert let_go.events[-1] == Unlocked(reason="it stopped", pending_at_us=now_us)
    assert let_go.state.attempts == 2


async def test_clearing_up_leaves_a_valid_lease_alone(store: Store) -> None:
    assert await store.renew_lease(lease(expires_at_us=100))
    await send(store, pending(1, 10))
    await store.claim(claim())
    assert await store.release("Exr_2", reason="expired", now_us=99, expired_by_us=99) == 0
    assert await store.leases() == (lease(expires_at_us=100),)
    assert await store.renew_lease(lease(expires_at_us=200))
    assert await store.release("Exr_2", reason="expired", now_us=199, expired_by_us=199) == 0
    assert await store.release("Exr_2", reason="expired", now_us=200, expired_by_us=200) == 1
    assert not await store.renew_lease(lease(expires_at_us=300))


async def test_an_expired_lease_that_nobody_took_can_be_renewed(store: Store) -> None:
    assert await store.renew_lease(lease(expires_at_us=1))
    assert await store.renew_lease(lease(expires_at_us=1000))


# --- several processes ----------------------------------------------------------------------------------------------
async def test_stores_on_one_database_share_it_and_fence_each_other(bed: Bed) -> None:
    one, two = bed.open(), bed.open()
    await send(one, create())
    assert await two.load(E) == await one.load(E)
    await send(two, Log(create()).append(JoinSetCreate(join_set="g:1")))
    with pytest.raises(Conflict):
        await send(one, Log(create()).append(JoinSetCreate(join_set="g:2")))
    await send(two, create(OTHER, key="k"))
    with pytest.raises(Conflict):
        await send(one, create(number_id(5), key="k"))
    await send(one, create(number_id(6)))
    assert await one.release("Exr_1", reason="gone", now_us=9) == 3
    with pytest.raises(Conflict):
        await send(two, create(number_id(7)))


async def test_a_release_by_another_process_holds_at_once(bed: Bed) -> None:
    one, two = bed.open(), bed.open()
    await send(two, create())
    await send(two, create(OTHER))
    assert await one.release("Exr_1", reason="gone", now_us=9) == 2
    with pytest.raises(Conflict):
        await send(two, create(number_id(7)))


async def test_no_two_executors_lock_the_same(bed: Bed) -> None:
    stores = [bed.open() for _ in range(3)]
    await asyncio.gather(*(send(stores[0], pending(number, number)) for number in range(120)))

    async def take(number: int) -> list[str]:
        mine: list[str] = []
        while taken := await stores[number].claim(claim(f"Exr_{number}", limit=3)):
            mine += ids_of(taken)
        return mine

    taken = await asyncio.gather(*(take(number) for number in range(3)))
    every = [number_id(number) for number in range(120)]
    assert sorted(execution_id for mine in taken for execution_id in mine) == every
    assert await stores[1].count_pending() == 0


# --- responses of others --------------------------------------------------------------------------------------------
async def test_an_executor_hears_of_responses_to_what_it_holds(store: Store) -> None:
    await send(store, create(), create(OTHER, locked=msgspec.structs.replace(LOCK, executor="Exr_2")), pending(5, 1))
    start, none = await store.responses_since(0, "Exr_1")
    assert none == ()
    mine, theirs = answer(f"{E}.o:1_1"), answer(f"{OTHER}.o:1_1", to=OTHER)
    await send(store, mine, theirs, answer(f"{number_id(5)}.o:1_1", to=number_id(5)))
    cursor, heard = await store.responses_since(start, "Exr_1")
    assert heard == ((E, mine.response),)
    assert cursor > start
    assert await store.responses_since(cursor, "Exr_1") == (cursor, ())
    assert (await store.responses_since(start, "Exr_2"))[1] == ((OTHER, theirs.response),)
    again = answer(f"{E}.o:1_2")
    await send(store, again)
    assert (await store.responses_since(cursor, "Exr_1"))[1] == ((E, again.response),)
    assert [response for _, response in (await store.responses_since(0, "Exr_1"))[1]] == [mine.response, again.response]


async def test_nothing_is_heard_of_what_was_let_go(store: Store) -> None:
    await send(store, create(), answer(f"{E}.o:1_1"))
    await store.release("Exr_1", reason="gone", now_us=1)
    cursor, heard = await store.responses_since(0, "Exr_1")
    assert heard == ()
    assert await store.responses_since(cursor, "Exr_1") == (cursor, ())


# --- builds side by side --------------------------------------------------------------------------------------------
async def test_what_began_with_a_build_is_claimed_for_that_alone(store: Store) -> None:
    async def claimed(executor: str, *builds: str) -> list[tuple[str, str]]:
        taken = await store.claim(replace(claim(executor), builds={FFQN: frozenset(builds)}))
        return [(stored.execution_id, build_of(stored)) for stored in taken]

    def build_of(stored: Stored) -> str:
        assert isinstance(stored.state.status, LockedBy)
        return stored.state.status.digest

    log = Log(create())
    await send(store, create(), log.append(Unlocked(reason="it waits", pending_at_us=10)), create(OTHER, locked=None))
    assert await uses(store) == {None: 1, "sha256:1": 1}
    assert await claimed("Exr_2", "sha256:2", "sha256:other") == [(OTHER, "sha256:2")]
    assert await claimed("Exr_3", "sha256:1", "sha256:2") == [(E, "sha256:1")]
    assert await uses(store) == {"sha256:1": 1, "sha256:2": 1}


async def test_an_upgrade_and_a_divergence_say_which_build_goes_on(store: Store) -> None:
    log = Log(create())
    await send(store, create(), log.append(Paused(), ComponentUpgraded(digest="sha256:2"), Unpaused()))
    assert await uses(store) == {"sha256:2": 1}
    divergence = Divergence(index=0, expected=ABSENT, actual=ABSENT)
    cause = Diverged(before="sha256:2", digest="sha256:3", divergence=divergence)
    lock = Locked(executor="Exr_2", run="Run_2", digest="sha256:3")
    await send(store, log.append(lock))
    assert await uses(store) == {"sha256:3": 1}
    await send(store, log.append(Paused(reason="it diverges", cause=cause)))
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.build, summary.cause) == ("sha256:2", cause)
    await send(store, log.append(Unpaused(), Finished(outcome=OK)))
    assert await uses(store) == {}


async def uses(store: Store) -> dict[str | None, int]:
    found = await store.builds_in_use()
    assert {use.ffqn for use in found} <= {FFQN}
    return {use.build: use.count for use in found}
