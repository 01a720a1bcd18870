"""Queries over many executions: listings and what the executors look for. Off the hot path; they only read.

Newest first is by creation number, descending. Children are found as a range of ids, because a child's id extends its
parent's; top-level executions through an index that holds nothing else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import sqlite_utils

from obelisk.runtime import ids
from obelisk.runtime.log.codec import EVENT_KINDS, CorruptLog, decode_response
from obelisk.runtime.log.events import CancellationRequested, Locked, Paused, Response
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import LANES, Idle, Lease, Offering
from obelisk.runtime.ports.store import DueDelay, Page, Query, StoredComponent
from obelisk.runtime.store import rows
from obelisk.runtime.store.sqlite.operations import PENDING_FFQNS, PENDING_LANES
from obelisk.runtime.store.sqlite.rows import SUMMARY, state, summary_of

COUNT_PENDING = f"select count(*) from execution where status = {rows.PENDING}"
COUNT_PENDING_OF = f"{COUNT_PENDING} and ffqn = ?"
OLDEST_UNBEGUN = f"""
select pending_at_us, number, execution_id from execution
where status = {rows.PENDING} and ffqn = ? and lane = ? and version = 1 order by pending_at_us, number limit ?"""
OLDEST_AWAITING = f"""
select created_at_us, number, execution_id from execution
where status = {rows.AWAITING} and ffqn = ? and version = 1 order by number limit ?"""
IDLE = f"""
select number, execution_id from (
    select number, execution_id from execution
    where status = {rows.PENDING} and ffqn = ? and pending_at_us <= ? and created_at_us <= ? and number > ?
    and deadline_us is null
    union all
    select number, execution_id from execution
    where status = {rows.PAUSED} and status between 2 and 5
    and ffqn = ? and pending_at_us <= ? and created_at_us <= ? and number > ? and deadline_us is null)
order by number limit ?"""
OVERDUE = f"""
select number, execution_id from execution
where deadline_us > 0 and finished_at_us is null and deadline_us <= ?
and status in ({rows.PENDING}, {rows.PAUSED}) and pending_at_us <= ? and number > ?
order by number limit ?"""
NEXT_PENDING = f"""
select min((select min(pending_at_us) from execution
            where status = {rows.PENDING} and ffqn = found.ffqn and lane = lanes.value and pending_at_us > ?))
from ({PENDING_FFQNS}) as found, json_each('{list(range(LANES))}') as lanes
where found.ffqn not in (select value from json_each(?))"""
DUE_DELAYS = """
select execution_id, join_set, delay, expires_at_us from delay
where expires_at_us <= ? order by expires_at_us, delay limit ?"""
OPEN_CHILDREN = f"""
select execution_id from execution
where execution_id > ? and execution_id < ? and depth = ? and status <> {rows.FINISHED} order by number desc"""
CANCELLING = f"""
select execution_id from execution
where status = {rows.CANCELLING} and status between 2 and 5 order by number"""  # the last part names the index
HELD = f"""
select execution_id, run from execution
where status = {rows.LOCKED} and executor = ? and status between 2 and 5"""
LAST_EVENT = "select coalesce(max(number), 0) from log"
INTERVENTIONS = f"""
select execution.execution_id from log join execution on execution.number = log.execution
where log.number > ? and log.kind in ({EVENT_KINDS[CancellationRequested]}, {EVENT_KINDS[Paused]})
group by execution.number order by min(log.number)"""
LAST_RESPONSE = "select coalesce(max(number), 0) from response"
NEW_RESPONSES = f"""
select execution.execution_id, response.kind, response.body
from response cross join execution on execution.number = response.execution
where response.number > ? and execution.status = {rows.LOCKED} and execution.executor = ?
and execution.status between 2 and 5
order by response.number"""
ALL_RESPONSES = f"""
select execution.execution_id, response.kind, response.body
from execution cross join response on response.execution = execution.number
where response.number > ? and execution.status = {rows.LOCKED} and execution.executor = ?
and execution.status between 2 and 5
order by response.number"""
RAN_WITH = f"""exists (
    select 1 from log where log.execution = execution.number and log.kind = {EVENT_KINDS[Locked]}
    and json_extract(cast(log.body as text), '$.digest') = :digest)"""

HAS_TAG = "exists (select 1 from tag as other where other.text = :tag{} and other.execution = execution.number)"


class Conditions(msgspec.Struct, frozen=True):
    """What a query asks for as SQL: the table to look in, the column that numbers executions there, what must hold, and
    the values of its parameters."""

    table: str
    number: str
    where: str
    values: dict[str, object]


def conditions_of(query: Query) -> Conditions:
    """Everything of a query but its page."""
    conditions, values = ["true"], dict[str, object]()
    table, number = "execution", "number"
    if query.tags:
        table, number = "tag cross join execution on execution.number = tag.execution", "tag.execution"  # by its key
        conditions += ["tag.text = :tag0", *(HAS_TAG.format(place) for place in range(1, len(query.tags)))]
        values |= {f"tag{place}": tag for place, tag in enumerate(query.tags)}
    if query.top_level_only:
        conditions.append("depth = 0")
    if query.parent is not None:
        conditions.append("execution_id > :first and execution_id < :last and depth = :depth")
        values |= {"first": f"{query.parent}.", "last": f"{query.parent}/", "depth": ids.depth(query.parent) + 1}
    if query.ffqn_prefix is not None:
        conditions.append("substr(ffqn, 1, :length) = :prefix")
        values |= {"prefix": query.ffqn_prefix, "length": len(query.ffqn_prefix)}
    if query.status == "open":
        conditions.append(f"status <> {rows.FINISHED}")
    elif query.status is not None:
        status = rows.STATUS_CODES.get(query.status, 0)
        conditions.append(f"status = {status}")
        if rows.LOCKED <= status <= rows.CANCELLING:
            conditions.append("status between 2 and 5")  # names the index
    for sql, name, value in _plain_conditions(query):
        if value is not None:
            conditions.append(sql)
            values[name] = value
    return Conditions(table, number, " and ".join(conditions), values)


def listing(query: Query) -> tuple[str, dict[str, object]]:
    """The statement and the parameters for a page, and one row more to know whether it is the last."""
    found = conditions_of(query)
    where, values = found.where, {**found.values, "limit": query.limit + 1}
    if query.cursor is not None:
        where += f" and {found.number} < :before"
        values["before"] = rows.sequence_before(query.cursor)
    return (
        f"select number, {SUMMARY} from {found.table} where {where} order by {found.number} desc limit :limit",
        values,
    )


def count(connection: sqlite3.Connection, query: Query) -> int:
    """See `Store.count`."""
    found = conditions_of(query)
    return int(
        connection.execute(f"select count(*) from {found.table} where {found.where}", found.values).fetchone()[0]
    )


def _plain_conditions(query: Query) -> tuple[tuple[str, str, object], ...]:
    """Condition, parameter and its value, None where the condition is not wanted."""
    kinds = None if query.result_kind is None else json.dumps(rows.result_kinds(query.result_kind))
    ffqns = None if query.ffqns is None else json.dumps(query.ffqns)
    return (
        ("ffqn in (select value from json_each(:ffqns))", "ffqns", ffqns),
        (f"status = {rows.FINISHED} and result_kind in (select value from json_each(:kinds))", "kinds", kinds),
        ("key = :key", "key", query.key),
        ("created_at_us >= :from_us", "from_us", query.created_from_us),
        ("created_at_us < :before_us", "before_us", query.created_before_us),
        ("finished_at_us < :finished_us", "finished_us", query.finished_before_us),
        (RAN_WITH, "digest", query.digest),
    )


def page(connection: sqlite3.Connection, query: Query) -> Page:
    """See `Store.list`."""
    sql, values = listing(query)
    found = _rows(connection, sql, values)
    shown = found[: query.limit]
    cursor = rows.cursor_before(shown[-1]["number"]) if shown and len(found) > len(shown) else None
    return Page(items=tuple(summary_of(row) for row in shown), cursor=cursor)


def open_children(connection: sqlite3.Connection, parent: str) -> tuple[tuple[str, ExecutionState], ...]:
    """See `Store.open_children`. Several statements."""
    values = (f"{parent}.", f"{parent}/", ids.depth(parent) + 1)
    found = [str(row[0]) for row in connection.execute(OPEN_CHILDREN, values).fetchall()]
    states = ((child, state(connection, child)) for child in found)
    return tuple((child, of_child) for child, of_child in states if of_child is not None)


def cancelling(connection: sqlite3.Connection) -> tuple[str, ...]:
    """See `Store.cancelling`."""
    return tuple(str(row[0]) for row in connection.execute(CANCELLING).fetchall())


def held(connection: sqlite3.Connection, executor: str) -> tuple[tuple[str, str], ...]:
    """See `Store.held`."""
    return tuple(connection.execute(HELD, (executor,)).fetchall())


def last_event(connection: sqlite3.Connection) -> int:
    """The number of the event recorded last, 0 when there is none."""
    return int(connection.execute(LAST_EVENT).fetchone()[0])


def interventions_since(connection: sqlite3.Connection, cursor: int) -> tuple[int, tuple[str, ...]]:
    """See `Store.interventions_since`: looks at what is new. Two statements."""
    last = last_event(connection)
    found = connection.execute(INTERVENTIONS, (cursor,)).fetchall()
    return max(last, cursor), tuple(str(row[0]) for row in found)


def by_key(connection: sqlite3.Connection, key: str) -> str | None:
    """See `Store.by_key`."""
    row = connection.execute("select execution_id from execution where key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def last_response(connection: sqlite3.Connection) -> int:
    """The newest response's number, 0 when there is none."""
    return int(connection.execute(LAST_RESPONSE).fetchone()[0])


def responses_since(
    connection: sqlite3.Connection, cursor: int, executor: str
) -> tuple[int, tuple[tuple[str, Response | None], ...]]:
    """See `Store.responses_since`. Several statements. From the start it looks at what the executor holds, later
    on at what is new: never at all there is."""
    last = last_response(connection)
    found = connection.execute(NEW_RESPONSES if cursor > 0 else ALL_RESPONSES, (cursor, executor))
    return max(last, cursor), tuple((execution_id, _readable(kind, body)) for execution_id, kind, body in found)


def _readable(kind: int, body: bytes) -> Response | None:
    try:
        return decode_response(kind, body)
    except CorruptLog:
        return None


def due_delays(connection: sqlite3.Connection, until_us: int, limit: int) -> tuple[DueDelay, ...]:
    """See `Store.due_delays`."""
    found = connection.execute(DUE_DELAYS, (until_us, limit))
    return tuple(
        DueDelay(execution_id=execution_id, join_set=join_set, delay=delay, expires_at_us=expires_at_us)
        for execution_id, join_set, delay, expires_at_us in found
    )


def next_pending_us(connection: sqlite3.Connection, after_us: int, but: Sequence[str]) -> int | None:
    """See `Store.next_pending_us`."""
    found = connection.execute(NEXT_PENDING, (after_us, json.dumps(but))).fetchone()[0]
    return None if found is None else int(found)


def count_pending(connection: sqlite3.Connection, ffqns: Sequence[str] | None) -> int:
    """See `Store.count_pending`."""
    if ffqns is None:
        return int(connection.execute(COUNT_PENDING).fetchone()[0])
    return sum(int(connection.execute(COUNT_PENDING_OF, (ffqn,)).fetchone()[0]) for ffqn in ffqns)


def idle(connection: sqlite3.Connection, wanted: Idle, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
    """See `claims.IdleStore.idle`."""
    of = (wanted.ffqn, wanted.due_until_us, wanted.created_until_us, after)
    found = connection.execute(IDLE, (*of, *of, limit)).fetchall()
    return tuple(row[1] for row in found), found[-1][0] if len(found) == limit else None


def overdue(connection: sqlite3.Connection, now_us: int, after: int, limit: int) -> tuple[tuple[str, ...], int | None]:
    """See `claims.IdleStore.overdue`."""
    found = connection.execute(OVERDUE, (now_us, now_us, after, limit)).fetchall()
    return tuple(row[1] for row in found), found[-1][0] if len(found) == limit else None


def oldest_unbegun(connection: sqlite3.Connection, ffqns: Sequence[str], limit: int) -> tuple[str, ...]:
    """See `Store.oldest_unbegun`."""
    found: list[tuple[int, int, str]] = []
    for ffqn, lanes in connection.execute(PENDING_LANES).fetchall():
        for lane in range(lanes + 1) if ffqn in ffqns else ():
            found += connection.execute(OLDEST_UNBEGUN, (ffqn, lane, limit)).fetchall()
    for ffqn in ffqns:
        found += connection.execute(OLDEST_AWAITING, (ffqn, limit)).fetchall()
    return tuple(execution_id for _, _, execution_id in sorted(found)[:limit])


_BEAT = """
select heartbeat.run, heartbeat.at_us, detail from heartbeat
join execution on execution.number = heartbeat.execution where execution_id = ?"""


def leases(connection: sqlite3.Connection) -> tuple[Lease, ...]:
    """See `Store.leases`."""
    found = _rows(connection, "select * from lease order by executor", {})
    return tuple(
        Lease(
            executor=row["executor"],
            expires_at_us=row["expires_at_us"],
            host=row["host"],
            pid=row["pid"],
            started=row["started"],
            labels=msgspec.json.decode(row["labels"], type=tuple[str, ...]),
            worker=None if row["worker"] is None else msgspec.json.decode(row["worker"], type=Offering),
        )
        for row in found
    )


def beat(connection: sqlite3.Connection, execution_id: str) -> Beat | None:
    """See `beats.BeatStore.beat`."""
    row = connection.execute(_BEAT, (execution_id,)).fetchone()
    return None if row is None else Beat(execution_id=execution_id, run=row[0], at_us=row[1], detail=bytes(row[2]))


def components(connection: sqlite3.Connection) -> tuple[StoredComponent, ...]:
    """See `Store.components`."""
    return tuple(StoredComponent(**row) for row in _rows(connection, "select * from component order by name", {}))


def component_binary(connection: sqlite3.Connection, digest: str) -> bytes | None:
    """See `Store.component_binary`."""
    row = connection.execute("select wasm from component_binary where digest = ?", (digest,)).fetchone()
    return None if row is None else bytes(row[0])


def _rows(connection: sqlite3.Connection, sql: str, values: dict[str, object]) -> list[dict[str, Any]]:
    """What a query gives, by column name; what a column holds is the schema's promise."""
    database = sqlite_utils.Database(connection, recursive_triggers=False, execute_plugins=False)
    # sqlite-utils does not say what its dictionaries hold
    found = list(database.query(sql, values))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType, reportUnknownVariableType]
    return cast("list[dict[str, Any]]", found)
