"""Is a database whole? Every law that one process alone could have broken, looked for in what is stored.

Reads only, in one transaction: it may run while servers do. A problem is a sentence that names its execution.

1. SQLite itself finds nothing wrong with the file.
2. Every log folds, without a gap, to the state in its execution's row; what it can be found by is what it says.
3. Nothing belongs to an execution that does not exist; no child of a finished execution has not finished; what a
   finished child told its parent is how it ended.
4. An execution that is not finished has all children that it asked for; delays wait for executions that are open.
5. What is deployed has a binary, and each binary has its digest.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from obelisk.runtime import ids
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import ChildFinished, JoinSetRequest
from obelisk.runtime.log.state import BlockedByJoinSet, ExecutionState, FinishedState, PendingAt
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.store import rows
from obelisk.runtime.store.sqlite import rows as sqlite_rows
from obelisk.runtime.store.sqlite.errors import refusal, store_error
from obelisk.runtime.store.sqlite.schema import latest_version, open_reader, pragma, refuse_strangers

BUSY_TIMEOUT_S = 5.0
MOST = 10_000
EXECUTIONS = "select number, execution_id from execution where number > ? order by number limit 1000"
OWNED = {
    "log": "events",
    "response": "responses",
    "guest_line": "lines of guests",
    "guest_output": "outputs of guests",
    "heartbeat": "heartbeats",
    "tag": "tags",
}
LENGTH = "select count(*), coalesce(max(version), -1) from log where execution = ?"
TAGS = "select text from tag where execution = ? order by text"
DELAYS = "select delay, execution_id from delay order by delay"
BINARIES = "select digest, wasm from component_binary order by digest"
NO_BINARY = """
select name from component where digest not in (select digest from component_binary) order by name"""


def check(path: Path) -> Iterator[str]:
    """The problems of the database at `path`, `MOST` at most; StoreError when it is none of ours or cannot be read.

    They are all found before the first is given: a reader who stops reading must not hold up the write-ahead log.
    """
    found = list(islice(_problems(path), MOST + 1))
    yield from found[:MOST]
    if len(found) > MOST:
        yield f"there are more than {MOST:,} problems; the rest is not shown"


def _problems(path: Path) -> Iterator[str]:
    with closing(open_reader(path, BUSY_TIMEOUT_S)) as connection:
        try:
            connection.execute("begin")
            refuse_strangers(connection, path)
            version = pragma(connection, "user_version")
            if version < latest_version():
                text = f"has the schema of an earlier version of this program ({version}): upgrade it first"
                raise refusal(path, "older_version", text, version=version, supported=latest_version())
            yield from _check(connection)
        except sqlite3.Error as error:
            raise store_error(error, path) from error


def _check(connection: sqlite3.Connection) -> Iterator[str]:
    damage = [str(row[0]) for row in connection.execute("pragma integrity_check").fetchall()]
    if damage != ["ok"]:
        yield from damage
        return
    for table, what in OWNED.items():
        sql = f"select count(*) from {table} where execution not in (select number from execution)"
        count = int(connection.execute(sql).fetchone()[0])
        if count:
            yield f"{count} {what} belong to executions that do not exist"
    number = 0
    while found := connection.execute(EXECUTIONS, (number,)).fetchall():
        for number, execution_id in found:
            yield from (f"{execution_id}: {problem}" for problem in _check_execution(connection, number, execution_id))
    yield from _check_delays(connection)
    yield from _check_components(connection)


def _check_execution(connection: sqlite3.Connection, number: int, execution_id: str) -> Iterator[str]:
    try:
        stored = sqlite_rows.stored(connection, execution_id)
    except ObeliskError as error:
        yield error.message
        return
    except (LookupError, TypeError, AssertionError) as error:
        yield f"its row cannot be read: {error!r}"
        return
    if stored is None:
        yield "its row cannot be found by its id"
        return
    count, last = connection.execute(LENGTH, (number,)).fetchone()
    if last != count - 1:
        yield f"its log has {count} events, the last of version {last}"
    try:
        folded = fold.fold(stored.events)
    except ObeliskError as error:
        yield error.message
        return
    if not _agree(folded, stored.state):
        yield f"its log says {_shown(folded)}, its row {_shown(stored.state)}"
    found = tuple(str(row[0]) for row in connection.execute(TAGS, (number,)))
    if found != rows.tags_of(stored.events[0]):
        yield f"its log says that its tags are {list(rows.tags_of(stored.events[0]))}, it is found by {list(found)}"
    yield from _check_children(connection, stored)


def _shown(state: ExecutionState) -> str:
    status = rows.STATUS_NAMES[rows.status_code(state.status)]
    return f"{status} at version {state.version} after {state.attempts} attempts"


def _agree(folded: ExecutionState, row: ExecutionState) -> bool:
    """Whether a row shows what its log says. A response wakes a blocked execution without an event."""
    woken = isinstance(folded.status, BlockedByJoinSet) and isinstance(row.status, PendingAt)
    return (woken or folded.status == row.status) and (folded.ffqn, folded.parent, folded.version, folded.attempts) == (
        row.ffqn,
        row.parent,
        row.version,
        row.attempts,
    )


def _check_children(connection: sqlite3.Connection, stored: Stored) -> Iterator[str]:
    """Children are read here, once, from their parent. Those of a finished one may have been deleted already."""
    finished = isinstance(stored.state.status, FinishedState)
    answers = {r.child: r.outcome for r in stored.responses if isinstance(r, ChildFinished)}
    for event in stored.events:
        if not isinstance(event, JoinSetRequest):
            continue
        child = sqlite_rows.state(connection, event.child)
        if child is None:
            if not finished:
                yield f"its child {event.child} does not exist"
            continue
        if not isinstance(child.status, FinishedState):
            if finished:
                yield f"it has finished before its child {event.child}"
            if event.child in answers:
                yield f"its child {event.child} has answered and not finished"
        elif event.child not in answers:
            yield f"its child {event.child} has finished and not answered"
        elif answers[event.child] != child.status.outcome:
            yield f"its child {event.child} has ended otherwise than it answered"
    parent = ids.parent_of(stored.execution_id)
    if parent is not None and sqlite_rows.state(connection, parent) is None:
        yield f"its parent {parent} does not exist"


def _check_delays(connection: sqlite3.Connection) -> Iterator[str]:
    for delay, execution_id in connection.execute(DELAYS):
        owner = sqlite_rows.state(connection, execution_id)
        if owner is None or isinstance(owner.status, FinishedState):
            yield f"{delay} waits for an execution that is not open"


def _check_components(connection: sqlite3.Connection) -> Iterator[str]:
    for (name,) in connection.execute(NO_BINARY):
        yield f"the component {name} has no binary"
    for digest, wasm in connection.execute(BINARIES):
        if digest != f"sha256:{hashlib.sha256(wasm).hexdigest()}":
            yield f"the binary {digest} has another digest"
