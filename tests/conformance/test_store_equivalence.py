"""The SQLite store does what the memory store does, on any sequence of transactions, however they are grouped."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict
from obelisk.runtime.log.events import (
    CancellationRequested,
    ChildFinished,
    ComponentUpgraded,
    DelayFinished,
    Event,
    Finished,
    JoinSetCreate,
    Locked,
    Paused,
    Response,
    Returned,
    Unlocked,
    Unpaused,
)
from obelisk.runtime.log.state import (
    AwaitingResult,
    BlockedByJoinSet,
    ExecutionState,
    FinishedState,
    LockedBy,
    PausedState,
    PendingAt,
    Status,
)
from obelisk.runtime.ports.claims import LANES, Claim, Lease
from obelisk.runtime.ports.store import (
    AddDelay,
    Append,
    Create,
    DropDelay,
    DropDelays,
    Intervene,
    Intervention,
    Query,
    Respond,
    Store,
    Write,
)
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.store import MemoryStore
from obelisk.runtime.store.sqlite.store import SqliteStore
from store_bed import FFQN, OK, answer, create, number_id, quick_folder, send

EXECUTIONS = [number_id(1), number_id(2), f"{number_id(1)}.o:1_1"]
EXECUTORS = ["Exr_1", "Exr_2"]

execution = st.sampled_from(EXECUTIONS)
executor = st.sampled_from(EXECUTORS)
small = st.integers(0, 4)
status = st.one_of(
    st.builds(PendingAt, small),
    st.builds(LockedBy, executor=executor, run=st.just("Run_1"), digest=st.just("d")),
    st.builds(BlockedByJoinSet, st.sampled_from(["o:1", "o:2"])),
    st.builds(PausedState, small),
    st.just(PausedState(None)),
    st.just(AwaitingResult()),
    st.just(FinishedState(OK)),
)


@dataclass(frozen=True)
class Transact:
    writes: list[Write]


@dataclass(frozen=True)
class Take:
    executor: str
    limit: int
    turn: int


@dataclass(frozen=True)
class LetGo:
    executor: str
    expired_by_us: int | None


@dataclass(frozen=True)
class Renew:
    executor: str
    expires_at_us: int


Step: TypeAlias = Transact | Take | LetGo | Renew
AT_END = 1_000_000


@st.composite
def appends(draw: st.DrawFn) -> Append:
    """Any append, most of them at the end of the log (`at_end` puts in its version)."""
    after, execution_id = draw(status), draw(execution)
    version = draw(st.sampled_from([AT_END] * 9 + [1, 2, 3]))
    return append(
        execution_id,
        version,
        after,
        at_us=draw(small),
        waits_for=draw(st.sampled_from([None, "o:1"])),
        responses_seen=draw(st.one_of(st.none(), small)),
        requires=draw(st.sampled_from([(), (), (), *required(execution_id)])),
        more=draw(st.booleans()),
    )


def required(execution_id: str) -> list[tuple[Response, ...]]:
    """Responses that may be on record, and one that never is: another answer of the same child."""
    child, delays = answer(f"{execution_id}.o:1_1").response, ("Delay_1", "Delay_2")
    other = ChildFinished(join_set="o:1", child=f"{execution_id}.o:1_1", outcome=Returned(value=msgspec.Raw(b"1")))
    return [(child,), (other,), tuple(DelayFinished(join_set="o:1", delay=delay) for delay in delays)]


def append(
    execution_id: str,
    version: int,
    after: Status,
    *,
    at_us: int = 9,
    waits_for: str | None = None,
    responses_seen: int | None = 0,
    requires: tuple[Response, ...] = (),
    more: bool = False,
) -> Append:
    """An append that leads to `after`, whether a fold would allow it or not: the stores keep what they are given."""
    event: Event = JoinSetCreate(join_set="g:1")
    match after:
        case LockedBy(by, run, digest):
            event = ComponentUpgraded(digest=digest) if more else Locked(executor=by, run=run, digest=digest)
        case BlockedByJoinSet(join_set):
            event = Unlocked(reason="r", pending_at_us=0, join_set=join_set)
        case FinishedState(outcome):
            event = Finished(outcome=outcome)
        case _:
            pass
    return Append(
        execution_id=execution_id,
        version=version,
        events=(event,),
        state=ExecutionState(
            ffqn=FFQN, parent=ids.parent_of(execution_id), status=after, version=version + 1, attempts=1
        ),
        at_us=at_us,
        waits_for=waits_for,
        responses_seen=responses_seen if isinstance(after, BlockedByJoinSet) else None,
        requires=requires,
    )


@st.composite
def progress(draw: st.DrawFn) -> Append:
    """A hot run that goes on: it keeps the lock it has (`at_end` puts it in)."""
    write = append(
        draw(execution), AT_END, PendingAt(1), at_us=draw(small), waits_for=draw(st.sampled_from([None, "o:2"]))
    )
    return replace(write, events=(JoinSetCreate(join_set="g:3"), JoinSetCreate(join_set="g:4")))


@st.composite
def creates(draw: st.DrawFn) -> Create:
    number, by = draw(st.integers(0, 2)), draw(st.one_of(st.none(), executor))
    lock = None if by is None else Locked(executor=by, run="Run_1", digest="d")
    parent = EXECUTIONS[0] if number == 2 else None
    key = draw(st.sampled_from([None, None, "k", "l"]))
    tags = draw(st.sampled_from([(), ("a=1",), ("a=1", "b=2"), ("b=2",)]))
    created = create(EXECUTIONS[number], locked=lock, key=key, parent=parent, tags=tags)
    return replace(created, lane=draw(st.integers(0, LANES - 1)))


@st.composite
def responds(draw: st.DrawFn) -> Respond:
    to, join_set = draw(execution), draw(st.sampled_from(["o:1", "o:2"]))
    if draw(st.booleans()):
        return answer(f"{to}.{join_set}_{draw(st.integers(1, 2))}", to=to, join_set=join_set)
    delay = DelayFinished(join_set=join_set, delay=draw(st.sampled_from(["Delay_1", "Delay_2"])))
    return Respond(execution_id=to, response=delay, at_us=3)


@st.composite
def delays(draw: st.DrawFn) -> AddDelay | DropDelay:
    name = draw(st.sampled_from(["Delay_1", "Delay_2", f"Delay_{EXECUTIONS[0][2:]}.o:1_1"]))
    if draw(st.booleans()):
        return DropDelay(delay=name)
    return AddDelay(execution_id=draw(execution), join_set="o:1", delay=name, expires_at_us=draw(small))


@st.composite
def interventions(draw: st.DrawFn) -> Intervene | DropDelays:
    if draw(st.integers(0, 3)) == 0:
        return DropDelays(execution_id=draw(execution))
    choices: list[Intervention] = [CancellationRequested(), Paused(), Unpaused()]
    event = draw(st.sampled_from(choices))
    return Intervene(execution_id=draw(execution), event=event, at_us=draw(small))


def at_end(memory: MemoryDatabase, transaction: Sequence[Write]) -> list[Write]:
    """The transaction with the versions (and the locks that stay) that fit what is stored."""
    states = {execution_id: execution.state for execution_id, execution in memory.executions.items()}
    fitted: list[Write] = []
    for write in transaction:
        fitting = write
        if isinstance(write, Append):
            before = states.get(write.execution_id, write.state)
            fitting = _fitted(write, before) if write.version == AT_END else write
            states[write.execution_id] = fitting.state
        elif isinstance(write, Create):
            states[write.execution_id] = write.state
        fitted.append(fitting)
    return fitted


def _fitted(write: Append, before: ExecutionState) -> Append:
    keeps = len(write.events) == 2 or isinstance(write.events[0], ComponentUpgraded)
    after = write.state.status
    if keeps and not isinstance(before.status, LockedBy):
        return append(write.execution_id, before.version, PendingAt(2))
    if keeps and isinstance(before.status, LockedBy):
        after = before.status
        if isinstance(write.events[0], ComponentUpgraded):
            after = replace(after, digest=write.events[0].digest)
    version = before.version + len(write.events)
    return replace(write, version=before.version, state=replace(write.state, status=after, version=version))


writes = st.one_of(appends(), appends(), progress(), progress(), creates(), responds(), delays(), interventions())
transactions = st.builds(Transact, st.lists(writes, min_size=1, max_size=3))
steps: st.SearchStrategy[Step] = st.one_of(
    transactions,
    transactions,
    st.builds(Take, executor, st.integers(0, 3), st.integers(0, 3)),
    st.builds(LetGo, executor, st.none() | small),
    st.builds(Renew, executor, small),
)


async def do(store: Store, step: Step) -> object:
    """The outcome of a step, a conflict by its class."""
    try:
        match step:
            case Transact(transaction):
                await send(store, *transaction)
                return None
            case Take(by, limit, turn):
                runs = ("Run_a", "Run_b", "Run_c")
                claim = Claim(executor=by, digests={FFQN: "d2"}, limit=limit, now_us=3, runs=runs, turn=turn)
                return await store.claim(claim)
            case LetGo(by, expired_by_us):
                return await store.release(by, reason="r", now_us=2, expired_by_us=expired_by_us)
            case Renew(by, expires):
                lease = Lease(executor=by, expires_at_us=expires, host="h", pid=1, started="now")
                return await store.renew_lease(lease)
    except Conflict:
        return Conflict


QUERIES = (
    Query(tags=("a=1",)),
    Query(tags=("a=1", "b=2"), status="open"),
    Query(finished_before_us=3),
    Query(top_level_only=True, result_kind="ok", tags=("b=2",)),
)


async def all_of(store: Store) -> list[object]:
    """Everything that can be read, bar cursors that the store chooses."""
    found: list[object] = [(await store.list(Query())).items, await store.leases(), await store.count_pending()]
    for query in QUERIES:
        found += [(await store.list(query)).items, await store.count(query)]
    for execution_id in EXECUTIONS:
        found += [
            await store.load(execution_id),
            await store.events(execution_id, from_version=0, limit=99),
            await store.responses(execution_id, from_number=0, limit=99),
        ]
    found += [await store.by_key(key) for key in ("k", "l")]
    found += [await store.due_delays(until_us=9, limit=9), await store.next_pending_us(0)]
    found += [(await store.responses_since(0, by))[1] for by in EXECUTORS]
    found += [(await store.interventions_since(0))[1], await store.cancelling()]
    for execution_id in EXECUTIONS:
        found += [await store.state(execution_id), await store.open_children(execution_id)]
    return found


async def play(groups: Sequence[Sequence[Step]], folder: Path, inline_group: int) -> None:
    memory, sqlite = MemoryStore(), SqliteStore.open(folder / "store.db", inline_group=inline_group)
    try:
        for group in groups:
            fitted: list[Step] = []
            expected: list[object] = []
            for step in group:
                fitted.append(Transact(at_end(memory.database, step.writes)) if isinstance(step, Transact) else step)
                expected.append(await do(memory, fitted[-1]))
            assert await asyncio.gather(*(do(sqlite, step) for step in fitted)) == expected
            assert await all_of(sqlite) == await all_of(memory)
    finally:
        await sqlite.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(steps, min_size=1, max_size=8), min_size=1, max_size=6), st.sampled_from([0, 8]))
def test_the_sqlite_store_is_the_memory_store(groups: list[list[Step]], inline_group: int) -> None:
    with quick_folder() as folder:
        asyncio.run(play(groups, Path(folder), inline_group))


def test_every_change_of_status_with_answers_around_it() -> None:
    """What chance may not meet: each status after each, answered between and after, cut into groups everywhere."""
    kinds: list[Status] = [
        PendingAt(1),
        LockedBy("Exr_1", "Run_1", "d"),
        BlockedByJoinSet("o:1"),
        BlockedByJoinSet("o:2"),
        PausedState(2),
        PausedState(None),
        AwaitingResult(),
        FinishedState(OK),
    ]
    for before, after in itertools.product(kinds, kinds):
        parts: list[list[Write]] = [
            [create(EXECUTIONS[0])],
            [append(EXECUTIONS[0], 2, before)],
            [answer("c1", to=EXECUTIONS[0])],
            [append(EXECUTIONS[0], 3, after)],
            [answer("c2", to=EXECUTIONS[0])],
        ]
        for cut in range(2, 6):
            groups = [[Transact(part) for part in half] for half in (parts[:cut], parts[cut:])]
            with quick_folder() as folder:
                asyncio.run(play(groups, Path(folder), 8))
