"""Every store writes alike: what a transaction does, when it loses, and that nothing of a loser stays."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.log.events import (
    ComponentUpgraded,
    Failed,
    FailureKind,
    Finished,
    JoinSetCreate,
    Paused,
    Returned,
    TemporarilyFailed,
    Unlocked,
)
from obelisk.runtime.log.state import ExecutionState, LockedBy, PausedState, PendingAt
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import AddDelay, Append, Create, DropDelay, Store, Write
from store_bed import FFQN, LOCK, OK, OTHER, E, Log, answer, create, number_id, send

pytestmark = pytest.mark.anyio


# --- creating -------------------------------------------------------------------------------------------------------
async def test_a_created_execution_is_there_whole(store: Store) -> None:
    first = create(locked=None)
    await send(store, first)
    stored = await store.load(E)
    assert stored is not None
    assert (stored.execution_id, stored.events, stored.responses) == (E, (first.created,), ())
    assert stored.state == ExecutionState(ffqn=FFQN, parent=None, status=PendingAt(10), version=1, attempts=0)


async def test_a_creator_locks_in_the_same_transaction(store: Store) -> None:
    await send(store, create())
    stored = await store.load(E)
    assert stored is not None
    assert stored.events[1] == LOCK
    assert stored.state.status == LockedBy(executor="Exr_1", run="Run_1", digest="sha256:1")
    assert [logged.at_us for logged in await store.events(E, from_version=0, limit=9)] == [10, 10]


async def test_a_second_creation_of_an_id_loses(store: Store) -> None:
    await send(store, create())
    with pytest.raises(Conflict) as lost:
        await send(store, create(locked=None))
    assert lost.value.fields["execution_id"] == E
    stored = await store.load(E)
    assert stored is not None
    assert len(stored.events) == 2


async def test_an_idempotency_key_creates_one_execution(store: Store) -> None:
    await send(store, create(key="order-1"))
    with pytest.raises(Conflict):
        await send(store, create(OTHER, key="order-1"))
    assert await store.load(OTHER) is None
    assert await store.by_key("order-1") == E
    await send(store, create(OTHER, key="order-2"))
    assert await store.by_key("order-2") == OTHER
    assert await store.by_key("order-3") is None


async def test_the_same_key_twice_in_one_group(store: Store) -> None:
    results = await asyncio.gather(
        send(store, create(key="k")), send(store, create(OTHER, key="k")), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], Conflict)
    assert await store.by_key("k") == E


# --- appending ------------------------------------------------------------------------------------------------------
async def test_events_come_back_as_they_were(store: Store) -> None:
    log = Log(create())
    failed = TemporarilyFailed(
        error_id="err-1", reason="trap", pending_at_us=99, detail="at é ☃", err=msgspec.Raw(b"1")
    )
    await send(store, create(), log.append(JoinSetCreate(join_set="n:a/b"), at_us=20), log.append(failed, at_us=21))
    stored = await store.load(E)
    assert stored is not None
    assert stored.events[2:] == (JoinSetCreate(join_set="n:a/b"), failed)
    assert (
        stored.state == log.state == ExecutionState(ffqn=FFQN, parent=None, status=PendingAt(99), version=4, attempts=1)
    )
    logged = await store.events(E, from_version=2, limit=9)
    assert [(event.version, event.at_us, event.event) for event in logged] == [
        (2, 20, JoinSetCreate(join_set="n:a/b")),
        (3, 21, failed),
    ]


@pytest.mark.parametrize("version", [1, 3])
async def test_an_append_elsewhere_than_at_the_end_loses(store: Store, version: int) -> None:
    log = Log(create())
    await send(store, create())
    good = log.append(JoinSetCreate(join_set="g:1"))
    state = ExecutionState(ffqn=FFQN, parent=None, status=good.state.status, version=version + 1, attempts=0)
    wrong = Append(execution_id=E, version=version, events=good.events, state=state, at_us=20)
    with pytest.raises(Conflict) as lost:
        await send(store, wrong)
    assert lost.value.fields["execution_id"] == E
    stored = await store.load(E)
    assert stored is not None
    assert stored.state.version == len(stored.events) == 2
    await send(store, good)


async def test_an_append_to_nothing_loses(store: Store) -> None:
    with pytest.raises(Conflict):
        await send(store, Log(create()).append(JoinSetCreate(join_set="g:1")))


async def test_an_append_without_events_sets_what_is_waited_for(store: Store) -> None:
    log = Log(create())
    await send(store, create())
    await send(store, log.append(waits_for="o:1", at_us=25))
    summary = await store.summary(E)
    assert summary is not None
    assert (summary.waits_for, summary.version, summary.updated_at_us, summary.status) == ("o:1", 2, 25, "locked")
    await send(store, log.append(Unlocked(reason="r", pending_at_us=30)))
    summary = await store.summary(E)
    assert summary is not None
    assert summary.waits_for is None
    assert summary.pending_at_us == 30


async def test_an_upgrade_under_a_lock_changes_its_build(store: Store) -> None:
    log = Log(create())
    await send(store, create())
    await send(store, log.append(ComponentUpgraded(digest="sha256:2"), JoinSetCreate(join_set="g:1")))
    stored = await store.load(E)
    assert stored is not None
    assert stored.state == log.state
    assert stored.state.status == LockedBy(executor="Exr_1", run="Run_1", digest="sha256:2")


async def test_a_paused_execution_keeps_when_it_would_be_pending(store: Store) -> None:
    log = Log(create(locked=None))
    await send(store, create(locked=None), log.append(Paused()))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None
    assert stored.state == log.state
    assert stored.state.status == PausedState(10)
    assert summary is not None
    assert (summary.status, summary.pending_at_us) == ("paused", None)
    assert await store.next_pending_us(0) is None
    assert await store.count_pending() == 0


async def test_of_two_writers_at_one_version_the_first_wins(store: Store) -> None:
    await send(store, create())
    one, two = Log(create()), Log(create())
    first = send(store, one.append(JoinSetCreate(join_set="g:1")))
    second = send(store, two.append(JoinSetCreate(join_set="g:2")))
    await first
    with pytest.raises(Conflict):
        await second
    stored = await store.load(E)
    assert stored is not None
    assert stored.events[2:] == (JoinSetCreate(join_set="g:1"),)


# --- transactions ---------------------------------------------------------------------------------------------------
async def test_nothing_of_a_loser_stays(store: Store) -> None:
    await send(store, create(), AddDelay(execution_id=E, join_set="o:2", delay="Delay_1", expires_at_us=50))
    log = Log(create())
    with pytest.raises(Conflict):
        await send(
            store,
            log.append(JoinSetCreate(join_set="g:1"), waits_for="g:1"),
            answer(f"{E}.o:1_1"),
            create(OTHER, key="k"),
            AddDelay(execution_id=E, join_set="o:3", delay="Delay_2", expires_at_us=51),
            DropDelay(delay="Delay_1"),
            DropDelay(delay="Delay_9"),
        )
    stored = await store.load(E)
    assert stored is not None
    assert len(stored.events) == 2
    assert stored.responses == ()
    summary = await store.summary(E)
    assert summary is not None
    assert summary.waits_for is None
    assert summary.updated_at_us == 10
    assert await store.load(OTHER) is None
    assert await store.by_key("k") is None
    assert [due.delay for due in await store.due_delays(until_us=99, limit=9)] == ["Delay_1"]
    assert await store.responses_since(0, "Exr_1") == (0, ())
    await send(store, answer(f"{E}.o:1_1"))  # the answer that was taken back can be given


async def test_a_loser_fails_alone_in_its_group(store: Store) -> None:
    await send(store, create(OTHER))
    ids = [number_id(number) for number in range(100, 120)]
    told: list[int] = []
    sent = [send(store, create(E if number == 7 else OTHER if number == 13 else ids[number])) for number in range(20)]
    for number, future in enumerate(sent):
        future.add_done_callback(lambda _, number=number: told.append(number))  # type: ignore[misc]
    results = await asyncio.gather(*sent, return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, Conflict)] == [13]
    assert all(result is None for number, result in enumerate(results) if number != 13)
    assert told == list(range(20))
    assert await store.load(E) is not None
    assert await store.load(ids[19]) is not None


async def test_a_transaction_builds_on_those_queued_before_it(store: Store) -> None:
    first = create()
    log = Log(first)
    child = create(f"{E}.o:1_1", parent=E)
    child_log = Log(child)
    sent = [
        send(store, first),
        send(store, log.append(JoinSetCreate(join_set="g:1")), child),
        send(store, child_log.append(Finished(outcome=OK)), answer(child.execution_id)),
        send(store, log.append(JoinSetCreate(join_set="g:2"), requires=(answer(child.execution_id).response,))),
        send(store, log.append(Finished(outcome=OK))),
    ]
    await asyncio.gather(*sent)
    stored = await store.load(E)
    assert stored is not None
    assert stored.state == log.state
    assert len(stored.events) == 5
    assert await store.load(child.execution_id) is not None


async def test_what_builds_on_a_loser_loses_too(store: Store) -> None:
    await send(store, create())
    stale, log = Log(create()), Log(create())
    results = await asyncio.gather(
        send(store, log.append(JoinSetCreate(join_set="g:1"))),
        send(store, stale.append(JoinSetCreate(join_set="g:2")), create(OTHER)),
        send(store, Log(create(OTHER)).append(JoinSetCreate(join_set="g:3"))),
        send(store, log.append(JoinSetCreate(join_set="g:4"))),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), Conflict, Conflict, type(None)]


async def test_callbacks_come_on_the_loop_later_and_in_order(store: Store) -> None:
    told: list[int] = []
    for number in range(30):
        store.enqueue((create(number_id(number)),), lambda error, number=number: told.append(number))  # type: ignore[misc]
    assert told == []
    await send(store, create(number_id(99)))
    assert told == list(range(30))


async def test_a_callback_may_enqueue_and_may_raise(store: Store) -> None:
    problems: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(str(context["exception"])))
    later: list[asyncio.Future[None]] = []

    def bad(error: ObeliskError | None) -> None:
        later.append(send(store, create(OTHER)))
        raise RuntimeError("of the callback")

    store.enqueue((create(),), bad)
    await send(store, create(f"{E}.o:1_1", parent=E))
    await later[0]
    asyncio.get_running_loop().set_exception_handler(None)
    assert problems == ["of the callback"]
    assert await store.load(OTHER) is not None


async def test_an_empty_transaction_commits(store: Store) -> None:
    told: list[ObeliskError | None] = []
    store.enqueue((), told.append)
    await send(store, create())
    assert told == [None]


@pytest.mark.parametrize("wrong", ["parent", "version", "created"])
async def test_what_only_a_bug_builds_is_refused_at_once(store: Store, wrong: str) -> None:
    good = create()
    state = ExecutionState(ffqn=FFQN, parent=None, status=good.state.status, version=7, attempts=0)
    writes: dict[str, Write] = {
        "parent": create(parent=OTHER),
        "version": Append(execution_id=E, version=2, events=(), state=state, at_us=1),
        "created": Create(execution_id=E, created=good.created, locked=LOCK, state=state, at_us=1),
    }
    with pytest.raises(ValueError, match=E):
        send(store, writes[wrong])
    assert await store.load(E) is None


async def test_after_close_nothing_is_taken(store: Store) -> None:
    queued = send(store, create())
    await store.close()
    assert queued.done()
    assert queued.exception() is None
    with pytest.raises(StoreError) as closed:
        await send(store, create(OTHER))
    assert closed.value.fields["reason"] == "closed"
    claim = Claim(executor="Exr_1", digests={FFQN: "d"}, limit=1, now_us=1, runs=("r",))
    with pytest.raises(StoreError):
        await store.claim(claim)
    await store.close()


# --- finished -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (OK, "ok"),
        (Returned(value=msgspec.Raw(b"null")), "ok"),
        (Returned(value=msgspec.Raw(b'{"err":{"a":[1]}}')), "err"),
        (Returned(value=msgspec.Raw(b'{"err":1,"more":2}')), "ok"),
        (Returned(value=msgspec.Raw(b'{"error":1}')), "ok"),
        (Failed(kind=FailureKind.TIMED_OUT, error_id="x", reason="r"), "timed_out"),
    ],
)
async def test_a_finished_execution_shows_how(store: Store, outcome: Returned | Failed, kind: str) -> None:
    log = Log(create())
    await send(store, create(), log.append(Finished(outcome=outcome), at_us=77, waits_for="o:1"))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None
    assert stored.state == log.state
    assert summary is not None
    assert (summary.status, summary.result_kind, summary.finished_at_us) == ("finished", kind, 77)
    assert (summary.executor, summary.waits_for, summary.pending_at_us) == (None, None, None)
    await send(store, answer(f"{E}.o:1_1", at_us=80))  # a late answer is recorded and changes nothing else
    assert await store.summary(E) == summary
