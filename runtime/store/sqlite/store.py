"""`SqliteStore`: the `Store` port on a SQLite file. Any number of processes may have stores on the same file.

Writing is `writer` (group commit) over `group`, `batch` (the hot path) and `operations`;
reading is `readers` over `rows` and `listing`; opening is `schema`. A failure of the file
is a StoreError that names it (`errors` has the reasons) and leaves the store usable: when the disk has room
again, the next transaction is written. A StoreError says that the transaction was not recorded as far as SQLite knows;
after a failed write and a crash it may be found recorded, whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Response
from obelisk.runtime.log.lines import Lines, Said
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import BuildUse, Claim, Idle, Lease
from obelisk.runtime.ports.news import News
from obelisk.runtime.ports.overview import Rates, Size
from obelisk.runtime.ports.slices import Slice
from obelisk.runtime.ports.store import (
    EVERYTHING,
    Committed,
    Deployed,
    DueDelay,
    LoggedEvent,
    LoggedResponse,
    Page,
    Query,
    Stored,
    StoredComponent,
    Summary,
    Transaction,
)
from obelisk.runtime.ports.waiting import Waiting
from obelisk.runtime.store import rows
from obelisk.runtime.store.sqlite import lines as sqlite_lines
from obelisk.runtime.store.sqlite import listing as sqlite_listing
from obelisk.runtime.store.sqlite import operations as sqlite_operations
from obelisk.runtime.store.sqlite import overview as sqlite_overview
from obelisk.runtime.store.sqlite import pruning as sqlite_pruning
from obelisk.runtime.store.sqlite import rows as sqlite_rows
from obelisk.runtime.store.sqlite import waiting as sqlite_waiting
from obelisk.runtime.store.sqlite.group import Operation, Outcome
from obelisk.runtime.store.sqlite.readers import Readers
from obelisk.runtime.store.sqlite.rows import Whole
from obelisk.runtime.store.sqlite.schema import open_writer
from obelisk.runtime.store.sqlite.writer import INLINE_COMMIT_S, INLINE_GROUP, Writer

T = TypeVar("T")
SMALL_READ = 32
"""Up to so many rows are read on the loop's thread."""


class SqliteStore:
    """See the module's text and `Store`."""

    def __init__(self, path: Path, writer: Writer, readers: Readers) -> None:
        """Use `open`."""
        self.news = News()
        self._path = path
        self._writer = writer
        self._readers = readers
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        busy_timeout_s: float = 5.0,
        inline_group: int = INLINE_GROUP,
        inline_commit_s: float = INLINE_COMMIT_S,
        metrics: Metrics | None = None,
    ) -> SqliteStore:
        """Open the database at `path`, creating it if need be; StoreError when it cannot serve: unchanged then.

        `busy_timeout_s`: how long to wait for other processes. `inline_group`, `inline_commit_s`: see `writer`.
        `metrics`: where commits are counted.
        """
        connection = open_writer(path, busy_timeout_s)
        try:
            readers = Readers(path, busy_timeout_s)
        except ObeliskError:
            connection.close()
            raise
        writer = Writer(
            path,
            connection,
            busy_timeout_s=busy_timeout_s,
            inline_group=inline_group,
            inline_commit_s=inline_commit_s,
            metrics=metrics,
        )
        return cls(path, writer, readers)

    # --- writing ----------------------------------------------------------------------------------------------------
    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """See `Store.enqueue`."""
        rows.check(transaction)

        def told(outcome: Outcome) -> None:
            error = outcome if isinstance(outcome, ObeliskError) else None
            committed(error)
            if self.news.is_followed and error is None:
                self.news.tell(rows.touched(transaction))

        self._writer.push(transaction, told)

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """See `Store.claim`."""
        taken = await self._write(
            lambda connection: sqlite_operations.take(connection, claim),
            lambda connection: sqlite_operations.nothing_to_claim(connection, claim),
            passes=True,
        )
        if self.news.is_followed:
            self.news.tell(execution.execution_id for execution in taken)
        if sum(len(execution.events) for execution in taken) <= SMALL_READ:
            return _decoded(taken)
        return await asyncio.to_thread(_decoded, taken)

    def room(self) -> int | None:
        """See `Store.room`."""
        try:
            return shutil.disk_usage(self._path.parent).free
        except OSError:
            return None

    async def renew_lease(self, lease: Lease) -> bool:
        """See `Store.renew_lease`."""
        return await self._write(lambda connection: sqlite_operations.renew(connection, lease), passes=True)

    async def release(self, executor: str, *, reason: str, now_us: int, expired_by_us: int | None = None) -> int:
        """See `Store.release`."""
        return await self._write(
            lambda connection: sqlite_operations.release(connection, executor, reason, now_us, expired_by_us)
        )

    async def prune(
        self, *, finished_before_us: int, after: int, limit: int, where: Query = EVERYTHING
    ) -> tuple[int, int | None]:
        """See `Store.prune`."""
        return await self._write(
            lambda connection: sqlite_pruning.prune(connection, finished_before_us, after, limit, where)
        )

    async def put_components(self, components: Deployed, *, onto: Sequence[StoredComponent] | None = None) -> None:
        """See `Store.put_components`."""
        await self._write(lambda connection: sqlite_operations.put_components(connection, components, onto))

    async def remove_component(
        self, name: str, *, needed_for: Sequence[str] = (), onto: Sequence[StoredComponent] | None = None
    ) -> int:
        """See `Store.remove_component`."""
        return await self._write(
            lambda connection: sqlite_operations.remove_component(connection, name, needed_for, onto)
        )

    async def add_lines(self, said: Sequence[Said], *, keep_bytes: int) -> None:
        """See `lines.LineStore.add_lines`."""
        await self._write(lambda connection: sqlite_lines.add(connection, said, keep_bytes))
        self.news.tell(one.execution_id for one in said)

    async def add_beats(self, beats: Sequence[Beat]) -> None:
        """See `beats.BeatStore.add_beats`."""
        await self._write(lambda connection: sqlite_operations.add_beats(connection, beats), passes=True)

    async def beat(self, execution_id: str) -> Beat | None:
        """See `beats.BeatStore.beat`."""
        return self._readers.here(lambda connection: sqlite_listing.beat(connection, execution_id))

    async def close(self) -> None:
        """See `Store.close`."""
        already, self._closed = self._closed, True
        await self._writer.drain()
        if not already:
            await self._readers.close()
            await self._writer.close()

    async def _write(
        self,
        run: Callable[[sqlite3.Connection], T],
        idle: Callable[[sqlite3.Connection], T | None] | None = None,
        *,
        passes: bool = False,
    ) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        result: list[T] = []

        def keep(connection: sqlite3.Connection) -> None:
            result[:] = [run(connection)]

        def keep_idle(connection: sqlite3.Connection) -> bool | None:
            found = None if idle is None else idle(connection)
            if found is None:
                return None
            result[:] = [found]
            return True

        def told(outcome: Outcome) -> None:
            if done.done():
                return
            if isinstance(outcome, ObeliskError):
                done.set_exception(outcome)
            else:
                done.set_result(result[0])

        self._writer.push(Operation(keep, keep_idle, passes), told)
        return await done

    # --- reading ----------------------------------------------------------------------------------------------------
    async def load(self, execution_id: str) -> Stored | None:
        """See `Store.load`."""
        line = await self.summary(execution_id)
        if line is None:
            return None
        if line.version <= SMALL_READ:
            return self._readers.here(lambda connection: sqlite_rows.stored(connection, execution_id))
        return await self._readers.away(lambda connection: sqlite_rows.stored(connection, execution_id))

    async def summary(self, execution_id: str) -> Summary | None:
        """See `Store.summary`."""
        return self._readers.here(lambda connection: sqlite_rows.summary(connection, execution_id))

    async def state(self, execution_id: str) -> ExecutionState | None:
        """See `Store.state`."""
        return self._readers.here(lambda connection: sqlite_rows.state(connection, execution_id))

    async def open_children(self, parent: str) -> tuple[tuple[str, ExecutionState], ...]:
        """See `Store.open_children`."""
        return await self._readers.away(lambda connection: sqlite_listing.open_children(connection, parent))

    async def cancelling(self) -> tuple[str, ...]:
        """See `Store.cancelling`."""
        return self._readers.here(sqlite_listing.cancelling)

    async def held(self, executor: str) -> tuple[tuple[str, str], ...]:
        """See `Store.held`."""
        return await self._readers.away(lambda connection: sqlite_listing.held(connection, executor))

    async def interventions_since(self, cursor: int | None) -> tuple[int, tuple[str, ...]]:
        """See `Store.interventions_since`."""
        last = self._readers.here(sqlite_listing.last_event)
        if cursor is None or last <= cursor:
            return last, ()
        return await self._readers.away(lambda connection: sqlite_listing.interventions_since(connection, cursor))

    async def list(self, query: Query) -> Page:
        """See `Store.list`."""
        return await self._readers.away(lambda connection: sqlite_listing.page(connection, query))

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return await self._readers.away(lambda connection: sqlite_listing.count(connection, query))

    async def waiting(self, execution_id: str, join_set: str, *, limit: int) -> Waiting:
        """See `waiting.WaitingStore.waiting`."""
        return await self._readers.away(
            lambda connection: sqlite_waiting.waiting(connection, execution_id, join_set, limit)
        )

    async def events(self, execution_id: str, *, from_version: int, limit: int) -> Slice[LoggedEvent]:
        """See `Store.events`."""

        def read(connection: sqlite3.Connection) -> Slice[LoggedEvent]:
            return sqlite_rows.events(connection, execution_id, from_version, limit)

        return self._readers.here(read) if limit <= SMALL_READ else await self._readers.away(read)

    async def responses(self, execution_id: str, *, from_number: int, limit: int) -> Slice[LoggedResponse]:
        """See `Store.responses`."""

        def read(connection: sqlite3.Connection) -> Slice[LoggedResponse]:
            return sqlite_rows.responses(connection, execution_id, from_number, limit)

        return await self._readers.away(read)

    async def lines(self, execution_id: str, *, from_number: int, limit: int, level: int) -> Lines:
        """See `lines.LineStore.lines`."""
        return await self._readers.away(
            lambda connection: sqlite_lines.page(connection, execution_id, from_number, limit, level)
        )

    async def by_key(self, key: str) -> str | None:
        """See `Store.by_key`."""
        return self._readers.here(lambda connection: sqlite_listing.by_key(connection, key))

    async def responses_since(self, cursor: int, executor: str) -> tuple[int, tuple[tuple[str, Response | None], ...]]:
        """See `Store.responses_since`."""
        if self._readers.here(sqlite_listing.last_response) <= cursor:
            return cursor, ()
        return await self._readers.away(lambda connection: sqlite_listing.responses_since(connection, cursor, executor))

    async def due_delays(self, *, until_us: int, limit: int) -> tuple[DueDelay, ...]:
        """See `Store.due_delays`."""

        def read(connection: sqlite3.Connection) -> tuple[DueDelay, ...]:
            return sqlite_listing.due_delays(connection, until_us, limit)

        return self._readers.here(read) if limit <= SMALL_READ else await self._readers.away(read)

    async def next_pending_us(self, after_us: int, *, but: Sequence[str] = ()) -> int | None:
        """See `Store.next_pending_us`."""
        return self._readers.here(lambda connection: sqlite_listing.next_pending_us(connection, after_us, but))

    async def count_pending(self, ffqns: Sequence[str] | None = None) -> int:
        """See `Store.count_pending`."""
        return await self._readers.away(lambda connection: sqlite_listing.count_pending(connection, ffqns))

    async def overdue(self, now_us: int, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """See `claims.IdleStore.overdue`."""
        return await self._readers.away(lambda connection: sqlite_listing.overdue(connection, now_us, after, limit))

    async def idle(self, wanted: Idle, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """See `claims.IdleStore.idle`."""
        return await self._readers.away(lambda connection: sqlite_listing.idle(connection, wanted, after, limit))

    async def oldest_unbegun(self, ffqns: Sequence[str], limit: int) -> tuple[str, ...]:
        """See `Store.oldest_unbegun`."""
        return await self._readers.away(lambda connection: sqlite_listing.oldest_unbegun(connection, ffqns, limit))

    async def leases(self) -> tuple[Lease, ...]:
        """See `Store.leases`."""
        return await self._readers.away(sqlite_listing.leases)

    async def rates(self, *, from_us: int, step_us: int, steps: int) -> Rates:
        """See `OverviewStore.rates`."""
        return await self._readers.away(lambda connection: sqlite_overview.rates(connection, from_us, step_us, steps))

    async def held_counts(self) -> Mapping[str, int]:
        """See `OverviewStore.held_counts`."""
        return await self._readers.away(sqlite_overview.held_counts)

    def size(self) -> Size:
        """See `OverviewStore.size`."""
        return sqlite_overview.size(self._path)

    async def builds_in_use(self) -> tuple[BuildUse, ...]:
        """See `Store.builds_in_use`."""
        return await self._readers.away(sqlite_operations.builds_in_use)

    async def components(self) -> tuple[StoredComponent, ...]:
        """See `Store.components`."""
        return await self._readers.away(sqlite_listing.components)

    async def component_binary(self, digest: str) -> bytes | None:
        """See `Store.component_binary`."""
        return await self._readers.away(lambda connection: sqlite_listing.component_binary(connection, digest))


def _decoded(taken: tuple[Whole, ...]) -> tuple[Stored, ...]:
    stored: list[Stored] = []
    for execution in taken:
        with contextlib.suppress(CorruptLog):
            stored.append(execution.stored())
    return tuple(stored)
