"""The hot path: a group of transactions as a few prepared statements, inside a database transaction of the caller.

`Batch` collects the rows of any number of transactions and then runs each kind of statement once, over all rows. That
is the same as one write after another only because of how writes commute; where they might not (a transaction that
blocks an execution and one that responds to it, in the same group) `add` raises `BatchConflict`, as it does for every
conflict. The caller then rolls back and takes the group one write at a time, a `Batch` each: a batch of one write has
no order to mind. So a Batch decides *whether* there is a conflict, and in a batch of one, which.

An execution that several transactions of a group append to is updated once, to its last state: no reader can see
between them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import encode_event, encode_response
from obelisk.runtime.log.deadlines import recorded_deadline_us
from obelisk.runtime.log.events import ComponentUpgraded, Event, Locked, Response
from obelisk.runtime.log.outcomes import result_kind
from obelisk.runtime.log.state import BlockedByJoinSet, FinishedState, LockedBy, PausedState, PendingAt, Status
from obelisk.runtime.ports.store import AddDelay, Append, Create, DropDelay, DropDelays, Intervene, Respond, Transaction
from obelisk.runtime.store import rows
from obelisk.runtime.store.rows import BLOCKED, LOCKED, PAUSED, PENDING
from obelisk.runtime.store.sqlite import rows as sqlite_rows
from obelisk.runtime.store.sqlite.errors import is_taken, taken
from obelisk.runtime.store.sqlite.inserts import DELAYS, EXECUTIONS, LOG, RESPONSES, TAGS, Row

_CHANGING, _RUN, _VERSION = 8, 11, 14
"""Places in a row of `EXECUTIONS`: the first column of those that change, as `_columns` has them, and two of these."""
_RELOCKING = frozenset({Locked, ComponentUpgraded})
_DELETE_DELAY = "delete from delay where delay = ?"
_DELETE_DELAYS = "delete from delay where delay > ? and delay < ?"
# A hot run that goes on keeps its lock: no indexed column changes, so no index is touched.
_PROGRESS = """
update execution set version = ?, updated_at_us = ?, waits_for = ?, attempts = ?
where number = ? and version = ? and coalesce(?, run) is run"""
_UPDATE = """
update execution set status = ?, pending_at_us = ?, executor = ?, run = ?, digest = ?, waits_for = ?, version = ?,
                     attempts = ?, updated_at_us = ?, finished_at_us = ?, result_kind = ?, build = coalesce(?, build)
where number = ? and version = ? and coalesce(?, run) is run"""
_WAKE = f"""
update execution set status = {PENDING}, pending_at_us = ?, waits_for = null, updated_at_us = ?
where number = ? and status = {BLOCKED} and waits_for = ?"""
NUMBER = "select number from execution where execution_id = ?"
_LAST_NUMBER = "select coalesce(max(number), 0) from execution"
_ANSWERED = "select kind, body from response where execution = ? and source = ?"
_COUNT_RESPONSES = "select count(*) from response where execution = ?"
_RELEASED = "select 1 from released where executor = ?"


class BatchConflict(Conflict):
    """A transaction of this batch loses, or the batch cannot tell: take the writes one at a time."""


class _Change(msgspec.Struct, gc=False):
    """What a batch makes of an execution's row: from `expected` events, locked by `run` if that is set, to the state of
    the last write. `build`: that which it goes on with from then on, None: as before.

    `progress`: it was locked before and still is, by the same run with the same build.
    """

    expected: int
    run: str | None
    last: Append
    status: Status
    progress: bool
    build: str | None


def status_columns(status: Status) -> tuple[int, int | None, str | None, str | None, str | None]:
    """``status, pending_at_us, executor, run, digest``."""
    match status:
        case LockedBy(executor, run, digest):
            return LOCKED, None, executor, run, digest
        case PendingAt(at_us):
            return PENDING, at_us, None, None, None
        case PausedState(at_us):
            return PAUSED, at_us, None, None, None
        case _:
            return rows.status_code(status), None, None, None, None


MAX_NUMBERS = 16_384


@dataclass(slots=True)
class Known:
    """What need not be looked up again.

    `numbers` of executions (they never change), all of them committed; `last_number` given out (None: look) and the
    executors `admitted` to locking, which hold until another connection commits or this one rolls back.
    """

    numbers: dict[str, int] = field(default_factory=dict[str, int])
    last_number: int | None = None
    admitted: set[str] = field(default_factory=set[str])

    def doubt(self) -> None:
        """Another process may have changed what can change."""
        self.last_number = None
        self.admitted.clear()


class Batch:
    """Rows of some transactions; see the module's text."""

    __slots__ = (
        "_answered",
        "_answers",
        "_blocked",
        "_changes",
        "_cleared",
        "_created",
        "_cursor",
        "_delays",
        "_dropped",
        "_executions",
        "_finished",
        "_found",
        "_known",
        "_log",
        "_responses",
        "_tags",
        "_wakes",
    )

    def __init__(self, cursor: sqlite3.Cursor, known: Known) -> None:
        self._cursor = cursor
        self._known = known
        self._created: dict[str, int] = {}
        self._found: dict[str, int] = {}
        self._finished: list[str] = []
        self._executions: dict[int, Row] = {}
        self._tags: list[Row] = []
        self._log: list[Row] = []
        self._changes: dict[int, _Change] = {}
        self._responses: list[Row] = []
        self._answers: dict[tuple[int, str], Response] = {}
        self._wakes: list[tuple[int, int, int, str]] = []
        self._answered: set[int] = set()
        self._blocked: set[int] = set()
        self._delays: list[Row] = []
        self._dropped: list[Row] = []
        self._cleared: list[Row] = []

    def add(self, transaction: Transaction) -> None:
        """Collect the rows of a transaction; BatchConflict."""
        for write in transaction:
            match write:
                case Append():
                    self._append(write)
                case Create():
                    self._create(write)
                case Respond():
                    self._respond(write)
                case AddDelay():
                    self._minds_clearing()
                    if (write.delay,) in self._dropped:
                        raise BatchConflict("it was dropped in the same group")
                    self._delays.append((write.delay, write.execution_id, write.join_set, write.expires_at_us))
                case DropDelay():
                    self._minds_clearing()
                    self._dropped.append((write.delay,))
                case DropDelays():
                    prefix = ids.delays_of(write.execution_id)
                    self._cleared.append((prefix, f"{prefix[:-1]}/"))
                case Intervene():
                    self._intervene(write)

    def run(self) -> None:
        """Write the rows; BatchConflict when a row is there already or a version is not the expected one."""
        self._grow_created()
        try:
            EXECUTIONS.run(self._cursor, tuple(self._executions.values()))
            TAGS.run(self._cursor, self._tags)
            LOG.run(self._cursor, self._log)
            RESPONSES.run(self._cursor, self._responses)
            DELAYS.run(self._cursor, self._delays)
        except sqlite3.IntegrityError as error:
            if not is_taken(error):
                raise
            raise BatchConflict(taken(error)) from None
        wakes = [wake for wake in self._wakes if not self._is_hot(wake[2])]
        if wakes:
            self._cursor.executemany(_WAKE, wakes)
        progress: list[Row] = []
        others: list[Row] = []
        for number, change in self._changes.items():
            if number in self._executions:
                continue
            if change.progress:
                last, state = change.last, change.last.state
                progress.append(
                    (state.version, last.at_us, last.waits_for, state.attempts, number, change.expected, change.run)
                )
            else:
                others.append((*_columns(change), number, change.expected, change.run))
        self._must_change(_PROGRESS, progress, "its log is not that long")
        self._must_change(_UPDATE, others, "its log is not that long")
        self._must_change(_DELETE_DELAY, self._dropped, "the delay is gone")
        if self._cleared:
            self._cursor.executemany(_DELETE_DELAYS, self._cleared)

    def _grow_created(self) -> None:
        """What was created in this batch is inserted as its last write leaves it."""
        for number in self._executions.keys() & self._changes.keys():
            row, change = self._executions[number], self._changes[number]
            if row[_VERSION] != change.expected:
                raise BatchConflict("its log is not that long")
            if change.run is not None and row[_RUN] != change.run:
                raise BatchConflict("it is not locked by that run")
            self._executions[number] = (*row[:_CHANGING], *_columns(change)[:-1], change.build or row[-1])

    def committed(self) -> None:
        """The rows are durable: remember what may be asked again."""
        numbers = self._known.numbers
        if len(numbers) > MAX_NUMBERS:
            numbers.clear()
        numbers.update(self._created)
        numbers.update(self._found)
        for execution_id in self._finished:
            numbers.pop(execution_id, None)

    def _is_hot(self, number: int) -> bool:
        """Whether the batch itself shows that an execution was locked before and stays so: nothing to wake."""
        change = self._changes.get(number)
        return change is not None and change.progress

    def _must_change(self, sql: str, values: Sequence[Row], otherwise: str) -> None:
        if values and self._cursor.executemany(sql, values).rowcount != len(values):
            raise BatchConflict(otherwise)

    def _create(self, write: Create) -> None:
        last = self._known.last_number
        if last is None:
            last = int(self._cursor.execute(_LAST_NUMBER).fetchone()[0])
        number = self._known.last_number = last + 1
        if write.execution_id in self._created:
            raise BatchConflict(f"the execution {write.execution_id} exists already")
        self._created[write.execution_id] = number
        self._record(
            number, 0, (write.created,) if write.locked is None else (write.created, write.locked), write.at_us
        )
        if write.created.tags:
            self._tags += [(tag, number) for tag in write.created.tags]
        state, at_us = write.state, write.at_us
        if type(state.status) is LockedBy:
            self._admit(state.status.executor)
        until_us = recorded_deadline_us(write.created)
        named = (
            number,
            write.execution_id,
            ids.depth(write.execution_id),
            state.ffqn,
            write.key,
            at_us,
            until_us,
            write.lane,
        )
        columns = status_columns(state.status)
        self._executions[number] = (*named, *columns, None, state.version, state.attempts, at_us, None, "", columns[-1])

    def _append(self, write: Append) -> None:
        number = self._number(write.execution_id)
        status, relocked = write.state.status, False
        for response in write.requires:
            self._require(number, write.execution_id, response)
        if not _RELOCKING.isdisjoint(map(type, write.events)):
            relocked = True
            for event in write.events:
                if type(event) is Locked:
                    self._admit(event.executor)
        if type(status) is BlockedByJoinSet:
            if number in self._answered:
                raise BatchConflict("a response came in the same group")
            self._blocked.add(number)
            if write.responses_seen is not None and self._count_responses(number) > write.responses_seen:
                status = PendingAt(write.at_us)
        elif type(status) is FinishedState:
            self._finished.append(write.execution_id)
        progress = type(status) is LockedBy and not relocked
        change, build = self._changes.get(number), None if progress else rows.build_after(write.events)
        if change is None:
            self._changes[number] = _Change(write.version, write.run, write, status, progress, build)
        elif change.last.state.version != write.version:
            raise BatchConflict("its log is not that long")
        elif write.run is not None and not (type(change.status) is LockedBy and change.status.run == write.run):
            raise BatchConflict("it is not locked by that run")
        else:
            change.last, change.status, change.progress = write, status, progress and change.progress
            change.build = build or change.build
        self._record(number, write.version, write.events, write.at_us)

    def _respond(self, write: Respond) -> None:
        number, response = self._number(write.execution_id), write.response
        if number in self._blocked:
            raise BatchConflict("it was blocked in the same group")
        source = rows.short_source(write.execution_id, rows.source_of(response))
        self._answered.add(number)
        self._answers[number, source] = response
        kind, body = encode_response(response)
        self._responses.append((number, source, write.at_us, kind, body))
        self._wakes.append((write.at_us, write.at_us, number, response.join_set))

    def _intervene(self, write: Intervene) -> None:
        """As an append at the version that is found, if the event is legal."""
        number = self._number(write.execution_id)
        if number in self._answered or number in self._changes or write.execution_id in self._created:
            raise BatchConflict("it was changed in the same group")
        state = sqlite_rows.state(self._cursor.connection, write.execution_id)
        if state is None or not fold.is_legal(state, write.event):
            return
        self._append(
            Append(
                execution_id=write.execution_id,
                version=state.version,
                events=(write.event,),
                state=fold.apply(state, write.event),
                at_us=write.at_us,
            )
        )

    def _minds_clearing(self) -> None:
        if self._cleared:
            raise BatchConflict("delays were dropped in the same group")

    def _record(self, number: int, version: int, events: Sequence[Event], at_us: int) -> None:
        for place, event in enumerate(events, version):
            self._log.append((number, place, at_us, *encode_event(event)))

    def _number(self, execution_id: str) -> int:
        known = self._known.numbers
        number = known.get(execution_id) or self._created.get(execution_id) or self._found.get(execution_id)
        if number is None:
            row = self._cursor.execute(NUMBER, (execution_id,)).fetchone()
            if row is None:
                raise BatchConflict(f"there is no execution {execution_id}")
            number = self._found[execution_id] = int(row[0])
        return number

    def _require(self, number: int, execution_id: str, response: Response) -> None:
        source = rows.source_of(response)
        answer = (number, rows.short_source(execution_id, source))
        here = self._answers.get(answer)
        if here is response:  # as a rule: who finishes a child tells its parent with the same record
            return
        found = self._cursor.execute(_ANSWERED, answer).fetchone() if here is None else encode_response(here)
        if found != encode_response(response):
            raise BatchConflict(f"there is no such response of {source}")

    def _count_responses(self, number: int) -> int:
        return int(self._cursor.execute(_COUNT_RESPONSES, (number,)).fetchone()[0])

    def _admit(self, executor: str) -> None:
        if executor not in self._known.admitted:
            if self._cursor.execute(_RELEASED, (executor,)).fetchone() is not None:
                raise BatchConflict(f"{executor} was released and locks nothing")
            self._known.admitted.add(executor)


def _columns(change: _Change) -> Row:
    """The columns that change, from `status` on, as a change leaves them."""
    last, status = change.last, change.status
    finished = isinstance(status, FinishedState)
    return (
        *status_columns(status),
        rows.waits_for(status, last.waits_for),
        last.state.version,
        last.state.attempts,
        last.at_us,
        last.at_us if finished else None,
        result_kind(status.outcome) if isinstance(status, FinishedState) else "",
        change.build,
    )
