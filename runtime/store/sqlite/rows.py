"""Rows of SQLite as the records of the port: summaries, states, events, responses.

All functions read; each that runs several statements says so, and its caller opens the transaction that makes them one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeAlias

from obelisk.runtime import ids
from obelisk.runtime.log.codec import EVENT_KINDS, CorruptLog, decode_event, decode_response
from obelisk.runtime.log.events import Created, Event, PauseCause, Paused
from obelisk.runtime.log.state import (
    AwaitingResult,
    BlockedByJoinSet,
    Cancelling,
    ExecutionState,
    FinishedState,
    LockedBy,
    PausedState,
    PendingAt,
    Status,
)
from obelisk.runtime.ports.slices import Slice, sliced
from obelisk.runtime.ports.store import LoggedEvent, LoggedResponse, Stored, Summary
from obelisk.runtime.store import rows

Columns: TypeAlias = Mapping[str, Any]  # what a column holds is the schema's promise

_SUMMARY = """execution_id, ffqn, status, waits_for, pending_at_us, executor, version, attempts, created_at_us,
updated_at_us, finished_at_us, result_kind, build, key"""
_LAST_BODY = f"""case when status = {rows.PAUSED} then (
    select body from log where log.execution = execution.number and kind = {EVENT_KINDS[Paused]}
    and log.version = execution.version - 1) end as paused"""
_TAGS = "(select group_concat(text) from tag where tag.execution = execution.number) as tags"
SUMMARY = f"{_SUMMARY}, {_LAST_BODY}, {_TAGS}"
_SUMMARY_OF = f"select {SUMMARY} from execution where execution_id = ?"
_STATE = "number, ffqn, status, pending_at_us, executor, run, digest, waits_for, version, attempts"
_STATE_OF = f"select {_STATE} from execution where execution_id = ?"
_LAST_EVENT = "select kind, body from log where execution = ? order by version desc limit 1"
_EVENTS = "select kind, body, at_us from log where execution = ? order by version"
_RESPONSES = "select kind, body from response where execution = ? order by number"
_SOME_EVENTS = """select version, at_us, kind, body from log
where execution = (select number from execution where execution_id = ?) and version >= ? order by version limit ?"""
_SOME_RESPONSES = """select at_us, kind, body from response where number in (
    select number from response where execution = (select number from execution where execution_id = ?)
    order by number limit ? offset ?)
order by number"""


def summary_of(row: Columns) -> Summary:
    """A row with the columns of `SUMMARY` as a Summary."""
    reason, cause = ("", None) if row["paused"] is None else _why_paused(row["paused"])
    return Summary(
        execution_id=row["execution_id"],
        ffqn=row["ffqn"],
        parent=ids.parent_of(row["execution_id"]),
        status=rows.STATUS_NAMES[row["status"]],
        waits_for=row["waits_for"],
        pending_at_us=row["pending_at_us"] if row["status"] == rows.PENDING else None,
        executor=row["executor"],
        version=row["version"],
        attempts=row["attempts"],
        created_at_us=row["created_at_us"],
        updated_at_us=row["updated_at_us"],
        key=row["key"],
        finished_at_us=row["finished_at_us"],
        result_kind=row["result_kind"],
        build=row["build"],
        reason=reason,
        cause=cause,
        tags=() if row["tags"] is None else tuple(sorted(row["tags"].split(","))),
    )


def _why_paused(body: bytes) -> tuple[str, PauseCause | None]:
    """A listing shows what it can."""
    try:
        return rows.pause_reason(PausedState(), decode_event(EVENT_KINDS[Paused], body))
    except CorruptLog as error:
        return error.message, None


def summary(connection: sqlite3.Connection, execution_id: str) -> Summary | None:
    """One execution's line."""
    row: tuple[Any, ...] | None = connection.execute(_SUMMARY_OF, (execution_id,)).fetchone()
    if row is None:
        return None
    return summary_of(dict(zip(_SUMMARY_COLUMNS, row, strict=True)))


@dataclass(frozen=True, slots=True)
class Whole:
    """All rows of one execution as they were at one moment, not decoded yet."""

    execution_id: str
    row: tuple[Any, ...]
    events: list[tuple[int, bytes, int]]
    responses: list[tuple[int, bytes]]

    def stored(self) -> Stored:
        """The record of the port; CorruptLog."""
        events = tuple(decode_event(kind, body) for kind, body, _ in self.events)
        version: int = self.row[_VERSION]
        if len(events) != version:
            raise CorruptLog(f"its log has {len(events)} events, its row says {version}", reason="length")
        if not isinstance(events[0], Created):
            raise CorruptLog("its log does not begin with created", reason="begin")
        times = tuple(at_us for _, _, at_us in self.events)
        state = _state(self.execution_id, self.row, events)
        responses = tuple(decode_response(kind, body) for kind, body in self.responses)
        return Stored(execution_id=self.execution_id, state=state, events=events, responses=responses, times=times)


def whole(connection: sqlite3.Connection, execution_id: str) -> Whole | None:
    """One execution whole. Several statements."""
    row: tuple[Any, ...] | None = connection.execute(_STATE_OF, (execution_id,)).fetchone()
    if row is None:
        return None
    number = row[:1]
    return Whole(
        execution_id,
        row,
        connection.execute(_EVENTS, number).fetchall(),
        connection.execute(_RESPONSES, number).fetchall(),
    )


def state(connection: sqlite3.Connection, execution_id: str) -> ExecutionState | None:
    """One execution's state. Two statements."""
    row: tuple[Any, ...] | None = connection.execute(_STATE_OF, (execution_id,)).fetchone()
    if row is None:
        return None
    finished = row[2] == rows.FINISHED
    last = connection.execute(_LAST_EVENT, (row[0],)).fetchall() if finished else ()
    return _state(execution_id, row, tuple(decode_event(kind, body) for kind, body in last))


def stored(connection: sqlite3.Connection, execution_id: str) -> Stored | None:
    """One execution whole, decoded. Several statements."""
    found = whole(connection, execution_id)
    return None if found is None else found.stored()


def events(connection: sqlite3.Connection, execution_id: str, from_version: int, limit: int) -> Slice[LoggedEvent]:
    """A slice of a log."""
    with closing(connection.execute(_SOME_EVENTS, (execution_id, from_version, limit + 1))) as found:
        return sliced(found, limit, _body_size, _logged_event)


def responses(connection: sqlite3.Connection, execution_id: str, from_number: int, limit: int) -> Slice[LoggedResponse]:
    """A slice of an execution's responses."""
    with closing(connection.execute(_SOME_RESPONSES, (execution_id, limit + 1, from_number))) as found:
        numbered = ((number, *row) for number, row in enumerate(found, from_number))
        return sliced(numbered, limit, _body_size, _logged_response)


def _body_size(row: Sequence[Any]) -> int:
    return len(row[3])


def _logged_event(row: Sequence[Any]) -> LoggedEvent:
    version, at_us, kind, body = row
    return LoggedEvent(version=version, at_us=at_us, event=decode_event(kind, body))


def _logged_response(row: Sequence[Any]) -> LoggedResponse:
    number, at_us, kind, body = row
    return LoggedResponse(number=number, at_us=at_us, response=decode_response(kind, body))


def _state(execution_id: str, row: tuple[Any, ...], events: Sequence[Event]) -> ExecutionState:
    """A row of `_STATE` as a state; `events` ends with the last one if the execution is finished."""
    columns = dict(zip(_STATE_COLUMNS, row, strict=True))
    return ExecutionState(
        ffqn=columns["ffqn"],
        parent=ids.parent_of(execution_id),
        status=_status(columns, events),
        version=columns["version"],
        attempts=columns["attempts"],
    )


def _status(row: Columns, events: Sequence[Event]) -> Status:
    match row["status"]:
        case rows.PENDING:
            return PendingAt(row["pending_at_us"])
        case rows.LOCKED:
            return LockedBy(executor=row["executor"], run=row["run"], digest=row["digest"])
        case rows.BLOCKED:
            return BlockedByJoinSet(row["waits_for"])
        case rows.PAUSED:
            return PausedState(row["pending_at_us"])
        case rows.CANCELLING:
            return Cancelling()
        case rows.AWAITING:
            return AwaitingResult()
        case _:
            return FinishedState(rows.outcome_of(events[-1]))


_SUMMARY_COLUMNS = (*(name.strip() for name in _SUMMARY.split(",")), "paused", "tags")
_STATE_COLUMNS = tuple(name.strip() for name in _STATE.split(","))
_VERSION = _STATE_COLUMNS.index("version")
