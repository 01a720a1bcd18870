"""Every store writes alike: what a transaction does, when it loses, and that nothing of a loser stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import (
    ChildFinished,
    Created,
    DelayFinished,
    Event,
    Failed,
    FailureKind,
    Finished,
    JoinSetCreate,
    Locked,
    Returned,
    TemporarilyFailed,
    Unlocked,
)
from obelisk.runtime.log.state import BlockedByJoinSet, ExecutionState, LockedBy, PendingAt
from obelisk.runtime.ports import AddDelay, Append, Claim, Create, DropDelay, Respond, Store, Write
from obelisk.runtime.store.memory import MemoryStore
from obelisk.runtime.store.sqlite_store import SqliteStore

pytestmark = pytest.mark.anyio

FFQN = "demo:fibo/fibo@1.0.0.fibo"
E = "E_01J00000000000000000000000"
OTHER = "E_01J00000000000000000000001"
LOCK = Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
OK = Returned(value=msgspec.Raw(b'{"ok":55}'))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite", "sqlite by thread"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        opened: Store = MemoryStore()
    else:
        opened = SqliteStore.open(tmp_path / "store.db", inline_group=0 if "thread" in request.param else 8)
    yield opened
    await opened.close()


def create(
    execution_id: str = E, *, locked: Locked | None = LOCK, key: str | None = None, at_us: int = 10, parent: str | None = None
) -> Create:
    created = Created(ffqn=FFQN, params=msgspec.Raw(b"[10]"), scheduled_at_us=at_us, parent=parent)
    return Create(
        execution_id=execution_id,
        created=created,
        locked=locked,
        state=fold.start(created, locked),
        at_us=at_us,
        key=key,
    )


class Log:
    """The writer's view of one log: gives the appends that continue it."""

    def __init__(self, first: Create) -> None:
        self.execution_id, self.state = first.execution_id, first.state

    def append(
        self,
        *events: Event,
        at_us: int = 20,
        waits_for: str | None = None,
        responses_seen: int | None = None,
        requires: Sequence[str] = (),
    ) -> Append:
        version = self.state.version
        for event in events:
            self.state = fold.step(self.state, event)
        return Append(
            execution_id=self.execution_id,
            version=version,
            events=events,
            state=self.state,
            at_us=at_us,
            waits_for=waits_for,
            responses_seen=responses_seen,
            requires=requires,
        )


def answer(child: str, *, to: str = E, join_set: str = "o:1", at_us: int = 30) -> Respond:
    return Respond(execution_id=to, response=ChildFinished(join_set=join_set, child=child, outcome=OK), at_us=at_us)


def send(store: Store, *writes: Write) -> asyncio.Future[None]:
    """Enqueue now; the future is done when the store has called back."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def committed(error: ObeliskError | None) -> None:
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    store.enqueue(writes, committed)
    return done


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
    assert stored is not None and len(stored.events) == 2


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
    assert results[0] is None and isinstance(results[1], Conflict)
    assert await store.by_key("k") == E


# --- appending ------------------------------------------------------------------------------------------------------
async def test_events_come_back_as_they_were(store: Store) -> None:
    log = Log(create())
    failed = TemporarilyFailed(error_id="err-1", reason="trap", pending_at_us=99, detail="at é ☃", err=msgspec.Raw(b"1"))
    await send(store, create(), log.append(JoinSetCreate(join_set="n:a/b"), at_us=20), log.append(failed, at_us=21))
    stored = await store.load(E)
    assert stored is not None
    assert stored.events[2:] == (JoinSetCreate(join_set="n:a/b"), failed)
    assert stored.state == log.state == ExecutionState(
        ffqn=FFQN, parent=None, status=PendingAt(99), version=4, attempts=1
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
    state = msgspec.structs.replace if False else good.state
    wrong = Append(
        execution_id=E,
        version=version,
        events=good.events,
        state=ExecutionState(
            ffqn=FFQN, parent=None, status=state.status, version=version + 1, attempts=0
        ),
        at_us=20,
    )
    with pytest.raises(Conflict) as lost:
        await send(store, wrong)
    assert lost.value.fields["execution_id"] == E
    stored = await store.load(E)
    assert stored is not None and stored.state.version == len(stored.events) == 2
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
    assert summary is not None and summary.waits_for is None and summary.pending_at_us == 30


async def test_of_two_writers_at_one_version_the_first_wins(store: Store) -> None:
    await send(store, create())
    one, two = Log(create()), Log(create())
    first = send(store, one.append(JoinSetCreate(join_set="g:1")))
    second = send(store, two.append(JoinSetCreate(join_set="g:2")))
    await first
    with pytest.raises(Conflict):
        await second
    stored = await store.load(E)
    assert stored is not None and stored.events[2:] == (JoinSetCreate(join_set="g:1"),)


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
    assert stored is not None and len(stored.events) == 2 and stored.responses == ()
    summary = await store.summary(E)
    assert summary is not None and summary.waits_for is None and summary.updated_at_us == 10
    assert await store.load(OTHER) is None and await store.by_key("k") is None
    assert [due.delay for due in await store.due_delays(until_us=99, limit=9)] == ["Delay_1"]
    assert await store.responses_since(0, "Exr_1") == (0, ())
    await send(store, answer(f"{E}.o:1_1"))  # the answer that was taken back can be given


async def test_a_loser_fails_alone_in_its_group(store: Store) -> None:
    await send(store, create(OTHER))
    ids = [f"E_01J{number:023}" for number in range(100, 120)]
    told: list[int] = []
    sent = [send(store, create(E if number == 7 else OTHER if number == 13 else ids[number])) for number in range(20)]
    for number, future in enumerate(sent):
        future.add_done_callback(lambda _, number=number: told.append(number))  # type: ignore[misc]
    results = await asyncio.gather(*sent, return_exceptions=True)
    assert [number for number, result in enumerate(results) if isinstance(result, Conflict)] == [13]
    assert all(result is None for number, result in enumerate(results) if number != 13)
    assert told == list(range(20))
    assert await store.load(E) is not None and await store.load(ids[19]) is not None


async def test_a_transaction_builds_on_those_queued_before_it(store: Store) -> None:
    first = create()
    log = Log(first)
    child = create(f"{E}.o:1_1", parent=E)
    child_log = Log(child)
    sent = [
        send(store, first),
        send(store, log.append(JoinSetCreate(join_set="g:1")), child),
        send(store, child_log.append(Finished(outcome=OK)), answer(child.execution_id)),
        send(store, log.append(JoinSetCreate(join_set="g:2"), requires=(child.execution_id,))),
        send(store, log.append(Finished(outcome=OK))),
    ]
    await asyncio.gather(*sent)
    stored = await store.load(E)
    assert stored is not None and stored.state == log.state and len(stored.events) == 5
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
        store.enqueue((create(f"E_01J{number:023}"),), lambda error, number=number: told.append(number))  # type: ignore[misc]
    assert told == []
    await send(store, create(OTHER[:-1] + "9"))
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
    await send(store)


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
    assert queued.done() and queued.exception() is None
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
    assert stored is not None and stored.state == log.state
    assert summary is not None
    assert (summary.status, summary.result_kind, summary.finished_at_us) == ("finished", kind, 77)
    assert (summary.executor, summary.waits_for, summary.pending_at_us) == (None, None, None)
    await send(store, answer(f"{E}.o:1_1", at_us=80))  # a late answer is recorded and changes nothing else
    assert await store.summary(E) == summary


# --- responses ------------------------------------------------------------------------------------------------------
async def test_responses_are_kept_in_order(store: Store) -> None:
    cancelled = DelayFinished(join_set="o:2", delay=f"Delay_{E[2:]}.o:2_1", cancelled=True)
    await send(store, create())
    await send(store, answer(f"{E}.o:1_2"), Respond(execution_id=E, response=cancelled, at_us=31))
    await send(store, answer(f"{E}.o:1_1", at_us=32))
    first, last = answer(f"{E}.o:1_2").response, answer(f"{E}.o:1_1").response
    stored = await store.load(E)
    assert stored is not None and stored.responses == (first, cancelled, last)
    logged = await store.responses(E, from_number=1, limit=1)
    assert [(entry.number, entry.at_us, entry.response) for entry in logged] == [(1, 31, cancelled)]
    assert [entry.number for entry in await store.responses(E, from_number=0, limit=9)] == [0, 1, 2]
    assert await store.responses(E, from_number=3, limit=9) == ()


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
    await send(store, answer(".o:1_1"), answer("D.o:1_1"), answer("D.o:1_2"))
    assert len(await store.responses(E, from_number=0, limit=9)) == 5


# --- requires -------------------------------------------------------------------------------------------------------
async def test_speculation_needs_its_responses_on_record(store: Store) -> None:
    one, two = f"{E}.o:1_1", f"Delay_{E[2:]}.o:2_1"
    await send(store, create(), answer(one))
    log = Log(create())
    await send(store, log.append(JoinSetCreate(join_set="g:1"), requires=(one,)))
    missing = Log(create())
    missing.state = log.state
    with pytest.raises(Conflict) as lost:
        await send(store, missing.append(JoinSetCreate(join_set="g:2"), requires=(one, two)))
    assert lost.value.fields["execution_id"] == E
    results = await asyncio.gather(
        send(store, answer(one)),  # loses: a duplicate
        send(store, Respond(execution_id=E, response=DelayFinished(join_set="o:2", delay=two), at_us=1)),
        send(store, log.append(JoinSetCreate(join_set="g:3"), requires=(one, two))),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Conflict, type(None), type(None)]


async def test_a_response_that_lost_or_comes_later_does_not_count(store: Store) -> None:
    child = f"{E}.o:1_1"
    await send(store, create(), create(OTHER), answer(child, to=OTHER))  # the other's response is not its own
    results = await asyncio.gather(
        send(store, answer(child), DropDelay(delay="Delay_0")),
        send(store, Log(create()).append(JoinSetCreate(join_set="g:1"), requires=(child,))),
        send(store, answer(child)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [Conflict, Conflict, type(None)]


# --- blocking and waking --------------------------------------------------------------------------------------------
def blocked(join_set: str = "o:1") -> Unlocked:
    return Unlocked(reason="waits", pending_at_us=0, join_set=join_set)


async def test_a_response_wakes_who_waits_for_its_join_set(store: Store) -> None:
    log = Log(create())
    await send(store, create(), log.append(blocked(), responses_seen=0))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None and stored.state.status == BlockedByJoinSet("o:1")
    assert summary is not None
    assert (summary.status, summary.waits_for, summary.executor) == ("blocked_by_join_set", "o:1", None)
    await send(store, answer(f"{E}.o:2_1", join_set="o:2"))
    summary = await store.summary(E)
    assert summary is not None and summary.status == "blocked_by_join_set"
    await send(store, answer(f"{E}.o:1_1", at_us=44))
    stored, summary = await store.load(E), await store.summary(E)
    assert stored is not None and stored.state.status == PendingAt(44) and stored.state.version == 3
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
    assert summary is not None and (summary.status, summary.pending_at_us) == ("pending_at", 50)


async def test_who_has_seen_all_responses_blocks(store: Store) -> None:
    log = Log(create())
    await send(store, create(), answer(f"{E}.o:1_1"))
    await send(store, log.append(blocked(), responses_seen=1))
    summary = await store.summary(E)
    assert summary is not None and summary.status == "blocked_by_join_set"


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
    assert summary is not None and (summary.status, summary.waits_for) == ("locked", "o:1")


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
    assert results[0] is None and isinstance(results[1], Conflict)
