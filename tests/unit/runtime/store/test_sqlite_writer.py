"""Where the writer commits, what shares a commit, and in which order it tells."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.errors import Conflict, ObeliskError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created
from obelisk.runtime.ports.store import Create
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite.group import Outcome
from obelisk.runtime.store.sqlite.queue import LARGE_BYTES, MAX_GROUP
from obelisk.runtime.store.sqlite.writer import Writer

pytestmark = pytest.mark.anyio
LOOP, THREAD = "loop", "obelisk-store-writer"
LARGE = LARGE_BYTES + 1


class Traced:
    """A writer and the statements its connection ran: what, and on which thread."""

    def __init__(self, path: Path, **limits: float) -> None:
        self.ran: list[tuple[str, str]] = []
        connection = sqlite_schema.open_writer(path, 1)
        here = threading.current_thread()

        def trace(sql: str) -> None:
            thread = threading.current_thread()
            self.ran.append((sql.split()[0].lower(), LOOP if thread is here else thread.name))

        connection.set_trace_callback(trace)
        self.writer = Writer(
            path,
            connection,
            busy_timeout_s=1,
            inline_group=int(limits.get("inline_group", 8)),
            inline_commit_s=limits.get("inline_commit_s", 1),
        )

    def threads(self, statement: str) -> list[str]:
        return [thread for ran, thread in self.ran if ran == statement]

    def put(self, number: int, size: int = 2) -> asyncio.Future[Outcome]:
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.writer.push([create(number, size)], done.set_result)
        return done


@pytest.fixture
async def traced(tmp_path: Path) -> AsyncIterator[Traced]:
    traced = Traced(tmp_path / "store.db")
    yield traced
    await traced.writer.drain()
    await traced.writer.close()


def create(number: int, size: int = 2) -> Create:
    created = Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[" + b" " * (size - 2) + b"]"), scheduled_at_us=1)
    state = fold.start(created)
    return Create(execution_id=f"E_01J{number:023}", created=created, locked=None, state=state, at_us=1)


async def test_what_is_queued_in_one_go_shares_a_commit_on_the_loop(traced: Traced) -> None:
    await asyncio.gather(*(traced.put(number) for number in range(5)))
    assert traced.threads("commit") == [LOOP]
    assert traced.threads("begin") == [LOOP]
    assert len(traced.threads("insert")) == 4  # five executions, five events: four rows and one of each


async def test_a_large_group_commits_on_the_thread_but_runs_on_the_loop(traced: Traced) -> None:
    await asyncio.gather(*(traced.put(number) for number in range(9)))
    assert traced.threads("commit") == [THREAD]
    assert set(traced.threads("insert")) == {LOOP}
    await traced.put(100)
    assert traced.threads("commit") == [THREAD, LOOP]


async def test_slow_commits_move_to_the_thread_and_back_when_they_are_quick_again(tmp_path: Path) -> None:
    traced = Traced(tmp_path / "store.db", inline_commit_s=1e-9)  # every commit is slow
    for number in range(5):
        await traced.put(number)
    assert traced.threads("commit") == [LOOP, LOOP, LOOP, THREAD, THREAD]
    traced.writer._inline_commit_s = 1  # pyright: ignore[reportPrivateUsage]  # as if they had become quick
    await traced.put(5)
    assert traced.threads("commit")[5:] == [LOOP]
    await traced.writer.drain()
    await traced.writer.close()


async def test_what_comes_while_a_commit_is_in_flight_goes_into_the_next(traced: Traced) -> None:
    order: list[int] = []
    first = [traced.put(number) for number in range(9)]
    while not traced.threads("insert"):
        await asyncio.sleep(0)
    later = [traced.put(number) for number in range(9, 19)]
    for number, future in enumerate(first + later):
        future.add_done_callback(_note(order, number))
    await asyncio.gather(*first, *later)
    await asyncio.sleep(0)
    assert order == list(range(19))
    assert len(traced.threads("commit")) == 2


def _note(order: list[int], number: int) -> Callable[[object], None]:
    return lambda _: order.append(number)


async def test_a_group_has_an_upper_bound(traced: Traced) -> None:
    outcomes = await asyncio.gather(*(traced.put(number) for number in range(MAX_GROUP + 20)))
    assert not any(isinstance(outcome, ObeliskError) for outcome in outcomes)
    assert len(traced.threads("commit")) == 2


async def test_a_conflict_costs_one_more_pass_and_no_commit_of_its_own(traced: Traced) -> None:
    outcomes = await asyncio.gather(traced.put(1), traced.put(2), traced.put(1), traced.put(3))
    assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, False, True, False]
    assert traced.threads("begin") == [LOOP, LOOP]
    assert traced.threads("rollback")[0] == LOOP
    assert traced.threads("commit") == [LOOP]
    assert "savepoint" not in [ran for ran, _ in traced.ran[: [ran for ran, _ in traced.ran].index("rollback")]]


async def test_a_serial_writer_runs_few_statements(traced: Traced) -> None:
    await traced.put(1)
    traced.ran.clear()
    await traced.put(2)
    assert [ran for ran, _ in traced.ran] == ["begin", "pragma", "insert", "insert", "commit"]


async def test_closing_commits_what_is_queued(tmp_path: Path) -> None:
    traced = Traced(tmp_path / "store.db", inline_group=0)
    futures = [traced.put(number) for number in range(3)]
    await traced.writer.drain()
    assert all(future.done() for future in futures)
    await traced.writer.close()
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("select count(*) from execution").fetchone() == (3,)
    connection.close()


async def test_a_large_transaction_never_runs_on_the_loop(tmp_path: Path) -> None:
    traced = Traced(tmp_path / "store.db")
    order: list[int] = []
    outcomes = [traced.put(1, 3_000_000), traced.put(2, 3_000_000), traced.put(2, LARGE), traced.put(3)]
    for number, future in enumerate(outcomes):
        future.add_done_callback(_note(order, number))
    await traced.writer.drain()
    await traced.writer.close()
    assert order == [3, 0, 1, 2]
    assert [isinstance(await outcome, Conflict) for outcome in outcomes] == [False, False, True, False]
    assert traced.threads("insert")[:2] == [LOOP, LOOP]
    assert set(traced.threads("insert")[2:]) == {THREAD}
    assert traced.threads("commit") == [LOOP, THREAD, THREAD, THREAD]


async def test_the_log_is_emptied_on_a_thread_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of it there is: the writer's own commits leave it alone meanwhile."""
    path, threads = tmp_path / "store.db", list[str]()
    go_on = threading.Event()
    opened: Callable[[Path], sqlite3.Connection] = sqlite_schema.open_checkpointer

    def slow(at: Path) -> sqlite3.Connection:
        threads.append(threading.current_thread().name)
        assert go_on.wait(60)
        return opened(at)

    monkeypatch.setattr(sqlite_schema, "open_checkpointer", slow)
    traced = Traced(path)
    for number in range(4):  # 12 MB: more than the writer leaves in the log by itself
        await traced.put(number, 3_000_000)
        await traced.put(100 + number)
    assert path.stat().st_size < 3_000_000  # nothing was moved
    go_on.set()
    checkpoints = traced.writer._checkpoints  # pyright: ignore[reportPrivateUsage]
    while len(threads) < 2 or checkpoints.is_running:
        await asyncio.sleep(0.001)
    await traced.put(200)  # the writer looks after its log again
    assert threads == ["obelisk-store-checkpoint"] * 2
    assert path.stat().st_size > 12_000_000
    await traced.writer.drain()
    await traced.writer.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from execution").fetchone() == (9,)
