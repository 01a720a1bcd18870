"""Deleting what finished long ago: whole trees, those first that ended first, a few executions at a time.

A *tree* is a top-level execution with all that descends from it. It is deleted when every part of it has finished and
its root did so before a given instant; nothing else of it matters then: its idempotency key is free again.
A large tree goes in several transactions, children before their parents. The newest row of each table stays, so that no
number is given out twice (see ``schema/0001_initial.sql``).
"""

from __future__ import annotations

import sqlite3

from obelisk.runtime.ports.store import EVERYTHING, Query
from obelisk.runtime.store.rows import FINISHED
from obelisk.runtime.store.sqlite.listing import conditions_of

PAGE = 200
UNFINISHED = f"select 1 from execution where execution_id > ? and execution_id < ? and status <> {FINISHED} limit 1"
DESCENDANTS = """
select number from execution where execution_id > ? and execution_id < ? order by execution_id desc limit ?"""
NEWEST = """
select max(number) from execution
union all select execution from log where number = (select max(number) from log)
union all select execution from response where number = (select max(number) from response)"""
IS_IN = "select 1 from execution where number = ? and (execution_id = ? or execution_id > ? and execution_id < ?)"
DELETES = (
    "delete from tag where execution = ?",
    "delete from guest_line where execution = ?",
    "delete from guest_output where execution = ?",
    "delete from heartbeat where execution = ?",
    "delete from response where execution = ?",
    "delete from log where execution = ?",
    "delete from execution where number = ?",
)


def prune(
    connection: sqlite3.Connection, finished_before_us: int, after: int, limit: int, where: Query = EVERYTHING
) -> tuple[int, int | None]:
    """See `Store.prune`."""
    newest = [int(row[0]) for row in connection.execute(NEWEST).fetchall() if row[0] is not None]
    deleted, passed = 0, after
    roots = connection.execute(*roots_of(finished_before_us, after, where)).fetchall()
    for number, root in roots:
        if not _may_go(connection, root, newest):
            passed += 1
            continue
        count, whole = _delete(connection, number, root, limit - deleted)
        deleted += count
        if not whole or deleted >= limit:
            return deleted, passed
    return deleted, passed if len(roots) == PAGE else None


def roots_of(finished_before_us: int, after: int, where: Query) -> tuple[str, dict[str, object]]:
    """The statement and the parameters for some of the trees that may go, those that ended first."""
    found = conditions_of(where)
    # Both are orders that an index has: SQLite would rather sort all there is, for each of many steps.
    table, order = "execution indexed by execution_ended", "finished_at_us, number"
    if where.tags:
        table, order = found.table, found.number
    sql = f"""
    select number, execution_id from {table}
    where depth = 0 and finished_at_us is not null and finished_at_us < :ended_us and {found.where}
    order by {order} limit :page offset :after"""
    return sql, {**found.values, "ended_us": finished_before_us, "page": PAGE, "after": after}


def _may_go(connection: sqlite3.Connection, root: str, newest: list[int]) -> bool:
    """Whether all of a tree has finished and none of it owns a table's newest row."""
    below = (f"{root}.", f"{root}/")
    if connection.execute(UNFINISHED, below).fetchone() is not None:
        return False
    return not any(connection.execute(IS_IN, (number, root, *below)).fetchone() for number in newest)


def _delete(connection: sqlite3.Connection, number: int, root: str, limit: int) -> tuple[int, bool]:
    """Delete up to `limit` executions of a tree, and whether that was all of it."""
    rows = [int(row[0]) for row in connection.execute(DESCENDANTS, (f"{root}.", f"{root}/", limit)).fetchall()]
    whole = len(rows) < limit
    if whole:
        rows.append(number)
    for sql in DELETES:
        connection.executemany(sql, [(row,) for row in rows])
    return len(rows), whole
