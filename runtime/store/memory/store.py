"""`MemoryStore`: the reference implementation of the `Store` port, without durability. For tests and the simulator.

Everything queued in one iteration of the event loop commits together, from `loop.call_soon`, in order. A `CommitGate`
stands before each commit: it may let it through later (a slow disk), fail it (a full disk) or never call back (a
crash). A store and what it keeps are apart: share one `MemoryDatabase` between stores to play several processes, drop a
store and open another one on its database to play a restart.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.log.events import Response
from obelisk.runtime.log.lines import Lines, Said
from obelisk.runtime.log.state import Cancelling, ExecutionState, LockedBy, PendingAt, is_unbegun
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
from obelisk.runtime.store.memory import overview as memory_overview
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.queued import Queued

T = TypeVar("T")
Proceed: TypeAlias = Callable[[ObeliskError | None], None]
CommitGate: TypeAlias = Callable[[Proceed], None]
"""Called on the loop when a group is ready to commit. Calls `proceed(None)`, at once or later on the loop, to commit
the group, or `proceed(error)` to fail all of it. Until then nothing of it is in the database."""


def _open_gate(proceed: Proceed) -> None:
    proceed(None)


class MemoryStore:
    """See the module's text and `Store`."""

    def __init__(self, database: MemoryDatabase | None = None, *, commit_gate: CommitGate = _open_gate) -> None:
        self.database = database if database is not None else MemoryDatabase()
        self.news = News()
        self._gate = commit_gate
        self._queue: list[Queued] = []
        self._flushing = False
        self._closed = False
        self._idle: list[asyncio.Future[None]] = []

    # --- writing ----------------------------------------------------------------------------------------------------
    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """See `Store.enqueue`."""
        rows.check(transaction)

        def work() -> Callable[[], None]:
            self.database.transact(transaction)
            return told

        def told() -> None:
            committed(None)
            self.news.tell(rows.touched(transaction))

        self._push(Queued(work=work, failed=committed, transaction=transaction))

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """See `Store.claim`."""
        taken = await self._write(lambda: self.database.claim(claim), passes=True)
        self.news.tell(stored.execution_id for stored in taken)
        return taken

    def room(self) -> int | None:
        """See `Store.room`."""
        return None

    async def renew_lease(self, lease: Lease) -> bool:
        """See `Store.renew_lease`."""
        return await self._write(lambda: self.database.renew(lease), passes=True)

    async def release(self, executor: str, *, reason: str, now_us: int, expired_by_us: int | None = None) -> int:
        """See `Store.release`."""
        return await self._write(lambda: self.database.release(executor, reason, now_us, expired_by_us))

    async def prune(
        self, *, finished_before_us: int, after: int, limit: int, where: Query = EVERYTHING
    ) -> tuple[int, int | None]:
        """See `Store.prune`."""
        return await self._write(lambda: self.database.prune(finished_before_us, after, limit, where))

    async def put_components(self, components: Deployed, *, onto: Sequence[StoredComponent] | None = None) -> None:
        """See `Store.put_components`."""
        await self._write(lambda: self.database.put_components(components, onto))

    async def remove_component(
        self, name: str, *, needed_for: Sequence[str] = (), onto: Sequence[StoredComponent] | None = None
    ) -> int:
        """See `Store.remove_component`."""
        return await self._write(lambda: self.database.remove_component(name, needed_for, onto))

    async def add_lines(self, said: Sequence[Said], *, keep_bytes: int) -> None:
        """See `lines.LineStore.add_lines`."""

        def work() -> None:
            known = [one.execution_id for one in said if one.execution_id in self.database.executions]
            self.database.lines.add(said, known, keep_bytes)

        await self._write(work)
        self.news.tell(one.execution_id for one in said)

    async def add_beats(self, beats: Sequence[Beat]) -> None:
        """See `beats.BeatStore.add_beats`."""

        def work() -> None:
            for beat in beats:
                execution = self.database.executions.get(beat.execution_id)
                status = None if execution is None else execution.state.status
                if isinstance(status, LockedBy) and status.run == beat.run:
                    self.database.beats[beat.execution_id] = beat

        await self._write(work, passes=True)

    async def beat(self, execution_id: str) -> Beat | None:
        """See `beats.BeatStore.beat`."""
        return self.database.beats.get(execution_id)

    async def close(self) -> None:
        """See `Store.close`."""
        self._closed = True
        if self._flushing:
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle

    async def _write(self, work: Callable[[], T], *, passes: bool = False) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def answer(result: T) -> None:
            if not done.done():
                done.set_result(result)

        def failed(error: ObeliskError) -> None:
            if not done.done():
                done.set_exception(error)

        def applied() -> Callable[[], None]:
            result = work()
            return lambda: answer(result)

        self._push(Queued(work=applied, failed=failed, passes=passes))
        return await done

    def _push(self, queued: Queued) -> None:
        if self._closed:
            asyncio.get_running_loop().call_soon(queued.failed, StoreError("the store is closed", reason="closed"))
            return
        self._queue.append(queued)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        group = self._take()
        called = False

        def proceed(error: ObeliskError | None) -> None:
            nonlocal called
            assert not called, "a commit gate proceeds once"
            called = True
            self._commit(group, error)

        self._gate(proceed)

    def _take(self) -> list[Queued]:
        """What the next commit has."""
        group, self._queue = self._queue, []
        return group

    def _has_more(self) -> bool:
        """Whether something is queued for another commit."""
        return bool(self._queue)

    def _commit(self, group: list[Queued], error: ObeliskError | None) -> None:
        loop = asyncio.get_running_loop()
        calls: list[Callable[[], None]] = []
        for queued in group:
            try:
                calls.append(queued.work() if error is None else queued.told_of(error))
            except Conflict as conflict:
                calls.append(queued.told_of(conflict))
        self._tell(calls)
        if self._has_more():
            loop.call_soon(self._flush)
            return
        self._flushing = False
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)

    def _tell(self, calls: Sequence[Callable[[], None]]) -> None:
        """Let everybody hear of a commit."""
        for call in calls:
            try:
                call()
            except Exception as exception:
                handle = asyncio.get_running_loop().call_exception_handler
                handle({"message": "a commit callback failed", "exception": exception})

    # --- reading ----------------------------------------------------------------------------------------------------
    async def load(self, execution_id: str) -> Stored | None:
        """See `Store.load`."""
        return self.database.whole(execution_id)

    async def summary(self, execution_id: str) -> Summary | None:
        """See `Store.summary`."""
        execution = self.database.executions.get(execution_id)
        return None if execution is None else execution.summary()

    async def state(self, execution_id: str) -> ExecutionState | None:
        """See `Store.state`."""
        execution = self.database.executions.get(execution_id)
        return None if execution is None else execution.state

    async def open_children(self, parent: str) -> tuple[tuple[str, ExecutionState], ...]:
        """See `Store.open_children`."""
        children = [e for e in self.database.open.values() if ids.parent_of(e.execution_id) == parent]
        children.sort(key=lambda child: -child.sequence)
        return tuple((c.execution_id, c.state) for c in children)

    async def cancelling(self) -> tuple[str, ...]:
        """See `Store.cancelling`."""
        found = [e for e in self.database.open.values() if isinstance(e.state.status, Cancelling)]
        return tuple(e.execution_id for e in sorted(found, key=lambda execution: execution.sequence))

    async def held(self, executor: str) -> tuple[tuple[str, str], ...]:
        """See `Store.held`."""
        statuses = ((e.execution_id, e.state.status) for e in self.database.open.values())
        return tuple(
            (execution_id, status.run)
            for execution_id, status in statuses
            if isinstance(status, LockedBy) and status.executor == executor
        )

    async def interventions_since(self, cursor: int | None) -> tuple[int, tuple[str, ...]]:
        """See `Store.interventions_since`."""
        all_of_them = self.database.interventions
        return len(all_of_them), () if cursor is None else tuple(dict.fromkeys(all_of_them[cursor:]))

    async def list(self, query: Query) -> Page:
        """See `Store.list`."""
        before = None if query.cursor is None else rows.sequence_before(query.cursor)
        found = [
            e for e in self.database.executions.values() if (before is None or e.sequence < before) and e.matches(query)
        ]
        found.sort(key=lambda execution: -execution.sequence)
        page = found[: query.limit]
        cursor = rows.cursor_before(page[-1].sequence) if page and len(found) > len(page) else None
        return Page(items=tuple(execution.summary() for execution in page), cursor=cursor)

    async def count(self, query: Query) -> int:
        """See `Store.count`."""
        return sum(execution.matches(query) for execution in self.database.executions.values())

    async def waiting(self, execution_id: str, join_set: str, *, limit: int) -> Waiting:
        """See `waiting.WaitingStore.waiting`."""
        return self.database.waiting(execution_id, join_set, limit)

    async def events(self, execution_id: str, *, from_version: int, limit: int) -> Slice[LoggedEvent]:
        """See `Store.events`."""
        execution = self.database.executions.get(execution_id)
        found: Slice[LoggedEvent] = Slice() if execution is None else execution.some_events(from_version, limit)
        self.database.read(execution_id, from_version, len(found))
        return found

    async def responses(self, execution_id: str, *, from_number: int, limit: int) -> Slice[LoggedResponse]:
        """See `Store.responses`."""
        execution = self.database.executions.get(execution_id)
        return Slice() if execution is None else execution.some_responses(from_number, limit)

    async def lines(self, execution_id: str, *, from_number: int, limit: int, level: int) -> Lines:
        """See `lines.LineStore.lines`."""
        return self.database.lines.page(execution_id, from_number, limit, level)

    async def by_key(self, key: str) -> str | None:
        """See `Store.by_key`."""
        return self.database.keys.get(key)

    async def responses_since(self, cursor: int, executor: str) -> tuple[int, tuple[tuple[str, Response | None], ...]]:
        """See `Store.responses_since`."""
        added = self.database.all_responses[cursor:]
        mine = tuple((owner, response) for owner, response in added if self._holds(executor, owner))
        return cursor + len(added), mine

    async def due_delays(self, *, until_us: int, limit: int) -> tuple[DueDelay, ...]:
        """See `Store.due_delays`."""
        due = [delay for delay in self.database.delays.values() if delay.expires_at_us <= until_us]
        return tuple(sorted(due, key=lambda delay: (delay.expires_at_us, delay.delay))[:limit])

    async def next_pending_us(self, after_us: int, *, but: Sequence[str] = ()) -> int | None:
        """See `Store.next_pending_us`."""
        statuses = (e.state.status for e in self.database.open.values() if e.state.ffqn not in but)
        return min((s.at_us for s in statuses if isinstance(s, PendingAt) and s.at_us > after_us), default=None)

    async def count_pending(self, ffqns: Sequence[str] | None = None) -> int:
        """See `Store.count_pending`."""
        states = (execution.state for execution in self.database.open.values())
        return sum(isinstance(s.status, PendingAt) and (ffqns is None or s.ffqn in ffqns) for s in states)

    async def overdue(self, now_us: int, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """See `claims.IdleStore.overdue`."""
        found = [
            (execution.sequence, execution.execution_id)
            for execution in self.database.open.values()
            if execution.sequence > after
            and (execution.deadline_us or sys.maxsize) <= now_us
            and rows.waits_until(execution.state.status, now_us)
        ]
        page = sorted(found)[:limit]
        return tuple(execution_id for _, execution_id in page), page[-1][0] if len(page) == limit else None

    async def idle(self, wanted: Idle, *, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
        """See `claims.IdleStore.idle`."""
        found = [
            (execution.sequence, execution.execution_id)
            for execution in self.database.open.values()
            if execution.state.ffqn == wanted.ffqn
            and execution.sequence > after
            and execution.created_at_us <= wanted.created_until_us
            and rows.waits_until(execution.state.status, wanted.due_until_us)
            and execution.deadline_us is None
        ]
        page = sorted(found)[:limit]
        return tuple(execution_id for _, execution_id in page), page[-1][0] if len(page) == limit else None

    async def oldest_unbegun(self, ffqns: Sequence[str], limit: int) -> tuple[str, ...]:
        """See `Store.oldest_unbegun`."""
        found: list[tuple[int, int, str]] = []
        for execution in self.database.open.values():
            if is_unbegun(execution.state) and execution.state.ffqn in ffqns:
                status = execution.state.status
                since_us = status.at_us if isinstance(status, PendingAt) else execution.created_at_us
                found.append((since_us, execution.sequence, execution.execution_id))
        return tuple(execution_id for _, _, execution_id in sorted(found)[:limit])

    async def leases(self) -> tuple[Lease, ...]:
        """See `Store.leases`."""
        return tuple(sorted(self.database.leases.values(), key=lambda lease: lease.executor))

    async def rates(self, *, from_us: int, step_us: int, steps: int) -> Rates:
        """See `OverviewStore.rates`."""
        return memory_overview.rates(self.database, from_us, step_us, steps)

    async def held_counts(self) -> Mapping[str, int]:
        """See `OverviewStore.held_counts`."""
        return memory_overview.held_counts(self.database)

    def size(self) -> Size:
        """See `OverviewStore.size`."""
        return Size(kind="memory", bytes=0, log_bytes=0)

    async def builds_in_use(self) -> tuple[BuildUse, ...]:
        """See `Store.builds_in_use`."""
        return self.database.builds_in_use()

    async def components(self) -> tuple[StoredComponent, ...]:
        """See `Store.components`."""
        return tuple(sorted(self.database.components.values(), key=lambda component: component.name))

    async def component_binary(self, digest: str) -> bytes | None:
        """See `Store.component_binary`."""
        return self.database.binaries.get(digest)

    def _holds(self, executor: str, execution_id: str) -> bool:
        execution = self.database.executions.get(execution_id)
        status = None if execution is None else execution.state.status
        return isinstance(status, LockedBy) and status.executor == executor
