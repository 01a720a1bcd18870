"""What the store's conformance tests build their transactions with, and the stores they run on."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import ChildFinished, Created, Event, Locked, Response, Returned, Unlocked
from obelisk.runtime.ports.store import Append, Create, Respond, Store, Write
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.store import MemoryStore
from obelisk.runtime.store.sqlite.store import SqliteStore

FFQN = "demo:fibo/fibo@1.0.0.fibo"
E = "E_01J00000000000000000000000"
OTHER = "E_01J00000000000000000000001"
LOCK = Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
OK = Returned(value=msgspec.Raw(b'{"ok":55}'))
DAMAGE = """
update log set body = cast('{' as blob)
where execution = (select number from execution where execution_id = ?) and version = ?"""
KINDS = ("memory", "sqlite", "sqlite by thread")


class Bed:
    """One place to keep data, in `folder` or in memory; every `open` is as another process would open it."""

    def __init__(self, kind: str, folder: Path | None = None) -> None:
        self.kind, self._folder = kind, quick_folder()
        self.path = (folder or Path(self._folder.name)) / "store.db"
        self._memory = MemoryDatabase()
        self._opened: list[Store] = []

    def open(self) -> Store:
        store: Store
        if self.kind == "memory":
            store = MemoryStore(self._memory)
        else:
            store = SqliteStore.open(self.path, inline_group=0 if "thread" in self.kind else 8)
        self._opened.append(store)
        return store

    def damage(self, execution_id: str, version: int) -> None:
        """From now on an event cannot be read."""
        if self.kind == "memory":
            self._memory.damaged[execution_id] = version
            return
        with closing(sqlite3.connect(self.path)) as connection:
            connection.execute(DAMAGE, (execution_id, version))
            connection.commit()

    async def close(self) -> None:
        for store in self._opened:
            await store.close()
        self._folder.cleanup()


def quick_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder in memory where there is one: for what does not test durability."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def number_id(number: int) -> str:
    """A top-level id; greater numbers sort later."""
    return f"E_01J{number:023}"


def create(
    execution_id: str = E,
    *,
    locked: Locked | None = LOCK,
    key: str | None = None,
    at_us: int = 10,
    parent: str | None = None,
    tags: tuple[str, ...] = (),
) -> Create:
    created = Created(ffqn=FFQN, params=msgspec.Raw(b"[10]"), scheduled_at_us=at_us, parent=parent, tags=tags)
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
        requires: Sequence[Response] = (),
    ) -> Append:
        version = self.state.version
        for event in events:
            self.state = fold.apply(self.state, event)
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


def blocked(join_set: str = "o:1") -> Unlocked:
    """The event of an unloaded run that waits for a join set."""
    return Unlocked(reason="waits", pending_at_us=0, join_set=join_set)


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


RAW = (
    *("constraint failed", "unable to open", "disk I/O", "readonly database", "malformed", "database is locked"),
    *("file is not", "disk is full", "too large to convert", "too big", "surrogates not allowed", "no such table"),
)
"""What SQLite and its driver say."""


def in_our_words(message: str) -> bool:
    """Whether nothing of it is SQLite's own text, which says neither what is wrong nor what to do."""
    return not any(text in message for text in RAW)
