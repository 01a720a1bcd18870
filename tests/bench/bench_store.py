"""The store against the ceiling SQLite sets, measured in turns so that the drift of the disk hits both alike.

The ceiling writes one durable child call with hand-written statements: the previous child's `finished`, the parent's
`join_next` and next request, the next child's `created` and three rows of state. The store is given the same call as
the engine gives it: two transactions (the child finishes and its parent gets the response; the parent goes on and
creates the next child, locked), which means a response and a `locked` event more than the ceiling.

    python tests/bench/bench_store.py [--seconds 6] [--directory DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import ChildFinished, Created, Finished, JoinNext, JoinSetRequest, Locked, Returned
from obelisk.runtime.log.state import ExecutionState, FinishedState, LockedBy
from obelisk.runtime.ports.store import Append, Create, Respond
from obelisk.runtime.store.sqlite.store import SqliteStore

FFQN, EXECUTOR, DIGEST = "testing:fibo/fibo.fibo", "Exr_01JXXXXXXXXXXXXXXXXXXXXXXX", "sha256:" + "ab" * 32
RUN = "Run_01JXXXXXXXXXXXXXXXXXXXXXXX"
LOCKED, HELD = Locked(executor=EXECUTOR, run=RUN, digest=DIGEST), LockedBy(EXECUTOR, RUN, DIGEST)
PARAMS, RESULT = msgspec.Raw(b"[10]"), Returned(value=msgspec.Raw(b'{"ok":55}'))

TURN = 20
"""Calls in a turn: long enough for warm caches, short enough for the disk not to change its mind in between."""


@dataclass(slots=True)
class Arm:
    """What is measured: seconds per call, turn by turn. The median is not moved by a neighbour's burst of work."""

    name: str
    turns: list[float] = field(default_factory=list[float])

    def rate(self, share: int) -> float:
        """Calls per second such that one turn in `share` was quicker."""
        return 1 / sorted(self.turns)[len(self.turns) // share]


class Ceiling:
    """Hand-written statements: a call of each of `parents` in each transaction."""

    def __init__(self, path: Path, parents: int) -> None:
        self.arm = Arm(f"ceiling, {parents} calls per commit")
        self._calls = 0
        self._parents = [f"E_01J{number:023}" for number in range(parents)]
        self._connection = connection = sqlite3.connect(path, isolation_level=None)
        connection.executescript("""
            pragma journal_mode = wal; pragma synchronous = full;
            create table log(execution_id text, version integer, created_at_us integer, kind integer, body blob,
                             primary key (execution_id, version)) strict, without rowid;
            create table execution(execution_id text primary key, state integer, pending_at_us integer,
                                   version integer, ffqn text, parent text, result blob) strict, without rowid;""")

    async def turn(self) -> None:
        start, turn = time.perf_counter(), max(TURN // len(self._parents), 5)
        for _ in range(turn):
            self._connection.execute("begin immediate")
            self._calls += 1
            for parent in self._parents:
                self._call(parent, self._calls)
            self._connection.execute("commit")
        self.arm.turns.append((time.perf_counter() - start) / turn / len(self._parents))

    def _call(self, parent: str, i: int) -> None:
        encode = _encode
        now_us, child, previous = time.time_ns() // 1000, f"{parent}.o:{i}_1", f"{parent}.o:{i - 1}_1"
        request = encode({"join_set": f"o:{i}", "child": child, "ffqn": FFQN, "params": [10]})
        created = encode({"ffqn": FFQN, "params": [10], "parent": parent, "executor": "Exr_1"})
        taken = encode({"join_set": f"o:{i}", "child": previous})
        execute, executemany = self._connection.execute, self._connection.executemany
        executemany(
            "insert into log values (?, ?, ?, ?, ?)",
            [
                (previous, 1, now_us, 5, b'{"ok":55}'),
                (parent, 3 * i, now_us, 2, taken),
                (parent, 3 * i + 1, now_us, 3, request),
                (child, 0, now_us, 1, created),
            ],
        )
        execute("update execution set state = 4, version = 1, result = ? where execution_id = ?", (b"{}", previous))
        execute("insert into execution values (?, ?, ?, ?, ?, ?, ?)", (child, 1, now_us, 0, FFQN, parent, None))
        execute(
            "update execution set version = ?, pending_at_us = ? where execution_id = ?",
            (3 * i + 1, now_us, parent),
        )


class Workflow:
    """A parent that calls one child after another, as the engine would write it."""

    def __init__(self, store: SqliteStore, number: int) -> None:
        self._store = store
        self.id = f"E_01J{number:023}"
        self._version, self._call = 2, 0
        self._state = ExecutionState(ffqn="testing:fibo/fibo.fiboa", parent=None, status=HELD, version=2, attempts=0)

    async def create(self) -> None:
        created = Created(ffqn=self._state.ffqn, params=PARAMS, scheduled_at_us=0)
        write = Create(execution_id=self.id, created=created, locked=LOCKED, state=self._state, at_us=0)
        await self._commit((write,))

    async def call(self) -> None:
        now_us, taken = time.time_ns() // 1000, self._finish_previous()
        events: list[JoinNext | JoinSetRequest] = []
        if taken is not None:
            events.append(JoinNext(join_set=taken.join_set, response=taken.child))
        self._call += 1
        join_set = f"o:{self._call}"
        child = f"{self.id}.{join_set}_1"
        events.append(JoinSetRequest(join_set=join_set, child=child, ffqn=FFQN, params=PARAMS))
        version, self._version = self._version, self._version + len(events)
        state = ExecutionState(ffqn=self._state.ffqn, parent=None, status=HELD, version=self._version, attempts=0)
        created = Created(ffqn=FFQN, params=PARAMS, scheduled_at_us=now_us, parent=self.id)
        child_state = ExecutionState(ffqn=FFQN, parent=self.id, status=HELD, version=2, attempts=0)
        await self._commit(
            (
                Append(
                    execution_id=self.id,
                    version=version,
                    events=events,
                    state=state,
                    at_us=now_us,
                    waits_for=join_set,
                    requires=() if taken is None else (taken,),
                    run=RUN,
                ),
                Create(execution_id=child, created=created, locked=LOCKED, state=child_state, at_us=now_us),
            )
        )

    def _finish_previous(self) -> ChildFinished | None:
        """The activity's own transaction: it finishes and its parent gets the response."""
        if self._call == 0:
            return None
        now_us, join_set = time.time_ns() // 1000, f"o:{self._call}"
        child = f"{self.id}.{join_set}_1"
        state = ExecutionState(ffqn=FFQN, parent=self.id, status=FinishedState(RESULT), version=3, attempts=0)
        finished = (Finished(outcome=RESULT),)
        response = ChildFinished(join_set=join_set, child=child, outcome=RESULT)
        self._store.enqueue(
            (
                Append(execution_id=child, version=2, events=finished, state=state, at_us=now_us, run=RUN),
                Respond(execution_id=self.id, response=response, at_us=now_us),
            ),
            _must_commit,
        )
        return response

    async def _commit(self, transaction: tuple[Append | Create, ...]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def committed(error: ObeliskError | None) -> None:
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        self._store.enqueue(transaction, committed)
        await done


def _encode(body: dict[str, object]) -> bytes:
    return json.dumps(body).encode()


def _must_commit(error: ObeliskError | None) -> None:
    if error is not None:
        raise error


class Stored:
    """`count` workflows at once through the store."""

    def __init__(self, store: SqliteStore, count: int, name: str = "") -> None:
        self.arm = Arm(name or f"store, {count} workflows")
        self.store = store
        self.workflows = [Workflow(store, number) for number in range(count)]

    async def turn(self) -> None:
        start, turn = time.perf_counter(), max(TURN // len(self.workflows), 5)

        async def calls(workflow: Workflow) -> None:
            for _ in range(turn):
                await workflow.call()

        await asyncio.gather(*(calls(workflow) for workflow in self.workflows))
        self.arm.turns.append((time.perf_counter() - start) / turn / len(self.workflows))


async def measure(directory: Path, seconds: float) -> list[Arm]:
    """Serial and concurrent, each beside the ceiling of its commit size: all in turns."""
    stores = [
        Stored(SqliteStore.open(directory / "serial.db"), 1),
        Stored(SqliteStore.open(directory / "thread.db", inline_group=0), 1, "store, 1 workflow, always by thread"),
        Stored(SqliteStore.open(directory / "hundred.db"), 100),
    ]
    for stored in stores:
        for workflow in stored.workflows:
            await workflow.create()
    serial: list[Ceiling | Stored] = [Ceiling(directory / "ceiling-1.db", 1), *stores[:2]]
    concurrent: list[Ceiling | Stored] = [Ceiling(directory / "ceiling-100.db", 100), stores[2]]
    for arms in (serial, concurrent):
        start = time.perf_counter()
        while time.perf_counter() - start < seconds / 2:
            for arm in random.sample(arms, len(arms)):
                await arm.turn()
    for stored in stores:
        await stored.store.close()
    return [arm.arm for arm in (*serial, *concurrent)]


def main() -> None:
    """Print calls per second and what they are of the ceiling."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--directory", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        one, serial, thread, hundred, concurrent = asyncio.run(measure(Path(folder), arguments.seconds))
    print("calls per second: the median turn, and the quickest tenth (what is left when neighbours keep still)")
    for arm, ceiling in ((one, one), (serial, one), (thread, one), (hundred, hundred), (concurrent, hundred)):
        rates = (f"{arm.rate(share):8.0f} ({arm.rate(share) / ceiling.rate(share):4.2f})" for share in (2, 10))
        print(f"{arm.name:40} {'  '.join(rates)}")


if __name__ == "__main__":
    main()
