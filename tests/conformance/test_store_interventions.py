"""Every store lets others in alike: pausing, cancelling, dropping delays, and who hears of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from obelisk.runtime.errors import Conflict
from obelisk.runtime.log.events import CancellationRequested, Finished, JoinSetCreate, Paused, Unpaused
from obelisk.runtime.log.state import Cancelling, FinishedState, LockedBy, PausedState, PendingAt
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import AddDelay, DropDelays, Intervene, Intervention, Query, Store, StoredComponent
from store_bed import FFQN, LOCK, OK, OTHER, E, Log, answer, blocked, create, send

pytestmark = pytest.mark.anyio


def intervene(event: Intervention, execution_id: str = E) -> Intervene:
    return Intervene(execution_id=execution_id, event=event, at_us=50)


async def status(store: Store, execution_id: str = E) -> object:
    state = await store.state(execution_id)
    assert state is not None
    return state.status


async def test_an_intervention_takes_the_lock_from_a_run_at_work(store: Store) -> None:
    first = create()
    log = Log(first)
    await send(store, first)
    going_on = send(store, log.append(JoinSetCreate(join_set="g:1")))
    cancelled = send(store, intervene(CancellationRequested()))
    late = send(store, log.append(JoinSetCreate(join_set="g:2")))
    await going_on
    await cancelled
    with pytest.raises(Conflict):
        await late
    assert await status(store) == Cancelling()
    logged = await store.events(E, from_version=0, limit=9)
    assert [type(entry.event).__name__ for entry in logged] == [
        "Created",
        "Locked",
        "JoinSetCreate",
        "CancellationRequested",
    ]
    assert logged[-1].at_us == 50
    assert await store.cancelling() == (E,)


async def test_creation_and_intervention_in_one_transaction(store: Store) -> None:
    await send(store, create(), intervene(CancellationRequested()))
    assert await status(store) == Cancelling()


async def test_what_is_illegal_does_nothing(store: Store) -> None:
    log = Log(create())
    await send(store, create(), create(OTHER))
    await send(store, intervene(Unpaused()))
    assert await status(store) == LockedBy(LOCK.executor, LOCK.run, LOCK.digest)
    await send(store, intervene(CancellationRequested(), OTHER), intervene(CancellationRequested(), OTHER))
    assert len(await store.events(OTHER, from_version=0, limit=9)) == 3
    await send(store, log.append(Finished(outcome=OK)))
    await send(store, intervene(CancellationRequested()), intervene(Paused()))
    assert await status(store) == FinishedState(OK)


async def test_an_intervention_in_nothing_loses(store: Store) -> None:
    with pytest.raises(Conflict):
        await send(store, intervene(Paused()))
    assert await store.state(E) is None


async def test_pausing_and_going_on(store: Store) -> None:
    await send(store, create(locked=None, at_us=70))
    await send(store, intervene(Paused()))
    assert await status(store) == PausedState(70)
    await send(store, intervene(Unpaused()))
    assert await status(store) == PendingAt(70)


async def test_what_was_blocked_is_pending_after_a_pause_and_a_response_wakes_no_paused_one(store: Store) -> None:
    await send(store, create(), Log(create()).append(blocked()))
    await send(store, intervene(Paused()))
    await send(store, answer(f"{E}.o:1_1"))
    assert await status(store) == PausedState(0)
    await send(store, intervene(Unpaused()))
    assert await status(store) == PendingAt(0)


async def test_an_answer_before_a_pause_in_one_group(store: Store) -> None:
    await send(store, create(), Log(create()).append(blocked()))
    first, second = send(store, answer(f"{E}.o:1_1", at_us=33)), send(store, intervene(Paused()))
    await first
    await second
    assert await status(store) == PausedState(33)


async def test_others_hear_of_what_was_taken_away(store: Store) -> None:
    await send(store, create(), create(OTHER))
    cursor, none = await store.interventions_since(None)
    assert none == ()
    await send(store, intervene(Paused(), OTHER), intervene(CancellationRequested()))
    await send(store, intervene(Unpaused(), OTHER))
    await send(store, intervene(Paused(), OTHER))
    cursor, found = await store.interventions_since(cursor)
    assert found == (OTHER, E)
    assert await store.interventions_since(cursor) == (cursor, ())


async def test_open_children_newest_first(store: Store) -> None:
    children = [f"{E}.g:1_{number}" for number in (1, 2, 10)]
    await send(store, create(), create(OTHER))
    for child in children:
        await send(store, create(child, parent=E))
    await send(store, create(f"{children[0]}.o:1_1", parent=children[0]))
    log = Log(create(children[1], parent=E))
    await send(store, log.append(Finished(outcome=OK)))
    await send(store, intervene(CancellationRequested(), children[2]))
    found = await store.open_children(E)
    assert [child for child, _ in found] == [children[2], children[0]]
    assert [type(state.status) for _, state in found] == [Cancelling, LockedBy]
    assert found[1][1] == await store.state(children[0])
    assert await store.open_children(OTHER) == ()


async def test_all_delays_of_an_execution_are_dropped(store: Store) -> None:
    await send(store, create(), create(OTHER))
    mine, childs, others = f"Delay_{E[2:]}.o:1_1", f"Delay_{E[2:]}.g:1_1.o:1_1", f"Delay_{OTHER[2:]}.o:1_1"
    for owner, delay in ((E, mine), (E, childs), (OTHER, others)):
        await send(store, AddDelay(execution_id=owner, join_set="o:1", delay=delay, expires_at_us=5))
    await send(store, DropDelays(execution_id=E))
    assert [delay.delay for delay in await store.due_delays(until_us=9, limit=9)] == [others]
    await send(store, DropDelays(execution_id=E), DropDelays(execution_id="E_nothing"))


async def test_a_chain_of_appends_does_not_fit_behind_what_took_the_place_of_its_first(store: Store) -> None:
    first = create()
    log = Log(first)
    one = replace(log.append(JoinSetCreate(join_set="g:1")), run=LOCK.run)
    two = replace(log.append(JoinSetCreate(join_set="g:2")), run=LOCK.run)
    await send(store, first)
    results = [send(store, intervene(Paused())), send(store, one), send(store, two)]
    await results[0]
    for lost in results[1:]:
        with pytest.raises(Conflict):
            await lost
    assert len(await store.events(E, from_version=0, limit=9)) == 3


@pytest.mark.parametrize("together", [True, False])
async def test_who_does_not_hold_the_lock_appends_nothing(store: Store, together: bool) -> None:
    first = create()
    log = Log(first)
    unlocked = replace(log.append(blocked()), run=LOCK.run)
    late = replace(log.append(CancellationRequested()), run=LOCK.run)
    await send(store, first)
    with pytest.raises(Conflict):
        await send(store, replace(unlocked, run="Run_other"))
    won = send(store, unlocked)
    if not together:
        await won
    lost = send(store, late)
    await won
    with pytest.raises(Conflict):
        await lost
    await send(store, replace(late, run=None))


async def test_why_the_engine_paused_is_told(store: Store) -> None:
    log = Log(create())
    await send(store, create(), create(OTHER))
    cursor, _ = await store.interventions_since(None)
    await send(store, log.append(Paused(reason="it diverges")))
    await send(store, intervene(Paused(), OTHER))
    assert (await store.interventions_since(cursor))[1] == (E, OTHER)
    reasons = {summary.execution_id: summary.reason for summary in (await store.list(Query())).items}
    assert reasons == {E: "it diverges", OTHER: ""}
    await send(store, intervene(Unpaused()))
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.status, summary.reason) == ("pending_at", "")


async def test_nothing_is_claimed_for_an_outdated_build(store: Store) -> None:
    def deployed(digest: str) -> StoredComponent:
        return StoredComponent(name="fibo", digest=digest, kind="workflow", settings="{}", added_at_us=1)

    async def claimed(digest: str, run: str) -> list[str]:
        claim = Claim(executor="Exr_9", digests={FFQN: digest}, limit=1, now_us=99, runs=(run,))
        return [stored.execution_id for stored in await store.claim(claim)]

    await send(store, create(locked=None), create(OTHER, locked=None))
    await store.put_components([(deployed("sha256:old"), b"old")])
    assert await claimed("sha256:old", "Run_8") == [E]
    await store.put_components([(deployed("sha256:new"), b"new")])
    assert await claimed("sha256:old", "Run_9") == []
    assert await claimed("sha256:new", "Run_10") == [OTHER]
