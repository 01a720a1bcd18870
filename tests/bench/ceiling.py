"""What SQLite alone allows: durable child calls per second when nothing but the writes of one call happens.

One call writes what the engine's log needs in one transaction: the previous child's end, the parent's two history
events, the next child's creation with its lock, and three rows of state. `synchronous=FULL`, WAL.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_SCHEMA = """
create table log(execution_id text, version integer, at_us integer, kind integer, body blob,
    primary key(execution_id, version)) strict, without rowid;
create table execution(execution_id text primary key, state integer, at_us integer, version integer, ffqn text,
    parent text, result blob) strict, without rowid;
"""
INSERT_LOG = "insert into log values(?,?,?,?,?)"
FINISH = "update execution set state=4, version=1, result=? where execution_id=?"
CREATE = "insert into execution values(?,?,?,?,?,?,?)"
PROGRESS = "update execution set version=?, at_us=? where execution_id=?"
_PARENT = "E_01JXXXXXXXXXXXXXXXXXXXXXXX"
_FFQN = "demo:fibo/fibo.fibo"


def _call(connection: sqlite3.Connection, number: int) -> None:
    now_us = time.time_ns() // 1000
    child, previous = f"{_PARENT}.o:{number}_1", f"{_PARENT}.o:{number - 1}_1"
    request = b'{"join_set":"o:%d","child":"%s","ffqn":"%s","params":[10]}' % (number, child.encode(), _FFQN.encode())
    rows = [
        (previous, 1, now_us, 5, b'{"ok":55}'),
        (_PARENT, 3 * number, now_us, 2, b'{"join_set":"o:%d","child":"%s"}' % (number - 1, previous.encode())),
        (_PARENT, 3 * number + 1, now_us, 3, request),
        (child, 0, now_us, 1, request),
    ]
    connection.executemany(INSERT_LOG, rows)
    connection.execute(FINISH, (b'{"ok":55}', previous))
    connection.execute(CREATE, (child, 1, now_us, 0, _FFQN, _PARENT, None))
    connection.execute(PROGRESS, (3 * number + 1, now_us, _PARENT))


def open_database(path: Path) -> sqlite3.Connection:
    """A new database with nothing but the two tables."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.executescript(_SCHEMA)
    return connection


def calls_per_second(folder: Path, *, calls_per_commit: int, seconds: float = 1.0) -> float:
    """The ceiling at so many calls per commit, measured for about `seconds` in a new database in `folder`."""
    path = folder / f"ceiling-{calls_per_commit}-{time.time_ns()}.sqlite"
    connection = open_database(path)
    number, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        connection.execute("begin immediate")
        for _ in range(calls_per_commit):
            number += 1
            _call(connection, number)
        connection.execute("commit")
    elapsed = time.perf_counter() - start
    connection.close()
    path.unlink()
    return number / elapsed
