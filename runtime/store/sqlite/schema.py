"""Opening a database file: it is ours, whole and of a version we know, or it is refused unchanged.

The writer's connection runs WAL with ``synchronous=FULL``: a commit that was reported survives the loss of power. The
schema is brought up by the files ``schema/NNNN_*.sql``, all in one transaction; ``user_version`` is the number of the
last one and ``application_id`` marks the file as ours. Before a file that has data gets a newer schema it is copied
next to itself, as ``NAME.before-vN``; that is refused while an executor of the earlier version lives, because what it
writes and reads would change under it. SQLite's own busy handler is off for the writer: it may run on
the event loop, where nothing may wait (`retrying` waits elsewhere).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import TypeVar

import sqlite_utils

from obelisk.runtime import private
from obelisk.runtime.errors import StoreError
from obelisk.runtime.ids import WORKER
from obelisk.runtime.log import codec
from obelisk.runtime.store.sqlite.errors import is_busy, refusal, store_error

T = TypeVar("T")
APPLICATION_ID = 0x4F42_454C  # "OBEL"
PAGE_BYTES = 2048
"""A serial child call changes a few bytes on each of a dozen pages, and every changed page is written whole: half of
SQLite's default size makes it 5 % quicker, and costs nothing when calls share pages."""
WAL_PAGES = 3000
"""The log is moved into the database once it has so many pages (6 MB): rarely enough that pages written again and again
are moved once, and soon enough that it is written over early: while the file still grows, a commit takes a quarter
longer, because its new size has to reach the disk too."""
WAL_BYTES = 2 * WAL_PAGES * PAGE_BYTES
"""A log that has grown larger, because a long read or a large transaction stood in the way of moving it, is cut back to
this size once it was moved."""
READ_CACHE_KIB = 2_000
WRITE_CACHE_KIB = 8_000
"""What is written lies at the end of its tables and indices: larger caches fill up with pages that are seldom asked
for, and the memory of a server grows for a long time."""


_LIVING = f"select executor from lease where expires_at_us > ? and executor not like '{WORKER}%' limit 1"
"""A worker outside the engine has a lease too, and touches no database."""


def open_writer(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """The one writing connection, schema up to date; StoreError when the file cannot serve, which is then unchanged."""
    connection: sqlite3.Connection | None = None
    try:
        with contextlib.suppress(OSError):  # SQLite says what is wrong, too
            private.make_file(path)  # those that SQLite makes next to it have its mode
        private.warn_if_open(path, *(path.with_name(f"{path.name}-{end}") for end in ("wal", "shm")))
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        _prepare(connection, path, time.monotonic() + busy_timeout_s)
        return connection
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise store_error(error, path) from error
        raise


def open_reader(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """A read-only connection; its owner may use it from any one thread at a time."""
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"pragma cache_size = -{READ_CACHE_KIB}")
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    return connection


def open_checkpointer(path: Path) -> sqlite3.Connection:
    """A connection that only moves the log into the database, as durably as the writer's does; sqlite3.Error."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("pragma synchronous = full")
    except BaseException:
        connection.close()
        raise
    return connection


def retrying(action: Callable[[], T], deadline_s: float) -> T:
    """`action()`, again and again with short pauses while another connection is in the way, until `deadline_s`
    (`time.monotonic`). SQLite's own handler pauses up to 100 ms; a commit takes a third of one."""
    pause_s = 0.000_2
    while True:
        try:
            return action()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline_s:
                raise
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.005)


def latest_version() -> int:
    """The `user_version` of a database that is up to date."""
    return _migrations()[-1][0]


def _prepare(connection: sqlite3.Connection, path: Path, deadline_s: float) -> None:
    retrying(lambda: refuse_strangers(connection, path), deadline_s)
    connection.execute(f"pragma page_size = {PAGE_BYTES}")  # of a new file; an old one keeps what it has
    mode = retrying(lambda: connection.execute("pragma journal_mode = wal").fetchone()[0], deadline_s)
    if mode != "wal":
        raise refusal(path, "no_wal", "lies on a file system that cannot share memory (WAL mode)")
    connection.execute("pragma synchronous = full")
    connection.execute(f"pragma wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"pragma journal_size_limit = {WAL_BYTES}")
    connection.execute(f"pragma cache_size = -{WRITE_CACHE_KIB}")
    connection.execute("pragma secure_delete = off")
    retrying(lambda: connection.execute("begin immediate"), deadline_s)
    try:
        refuse_strangers(connection, path)
        version = pragma(connection, "user_version")
        if 0 < version < latest_version():
            _refuse_in_use(connection, path)
            copy(path, path.with_name(f"{path.name}.before-v{latest_version()}"))
        connection.execute("commit" if migrate(connection, latest_version()) else "rollback")
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def refuse_strangers(connection: sqlite3.Connection, path: Path) -> None:
    """StoreError for a database of another program or of a later version of this one."""
    application_id, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    tables = set(sqlite_utils.Database(connection, recursive_triggers=False, execute_plugins=False).table_names())
    if application_id == 0 and version == 0 and not tables:
        return
    if application_id != APPLICATION_ID:
        raise refusal(path, "foreign", "belongs to another program")
    if version > latest_version():
        text = f"was written by a later version of this program (schema {version}, known up to {latest_version()})"
        raise refusal(path, "newer_version", text, version=version, supported=latest_version())
    if version:
        _refuse_later_log(connection, path)


def _refuse_later_log(connection: sqlite3.Connection, path: Path) -> None:
    row = connection.execute("select value from setting where name = 'log_format'").fetchone()
    if row is None:
        raise refusal(path, "corrupt", "is damaged: it does not say which format its logs have")
    if row[0] > codec.SCHEMA_VERSION:
        text = f"has logs of a later version of this program (format {row[0]}, known up to {codec.SCHEMA_VERSION})"
        raise refusal(path, "newer_version", text, version=row[0], supported=codec.SCHEMA_VERSION)


def migrate(connection: sqlite3.Connection, target: int) -> bool:
    """Apply what is missing up to version `target`, inside the caller's transaction; whether anything was."""
    version = pragma(connection, "user_version")
    for number, script in _migrations():
        if version < number <= target:
            for statement in _statements(script):
                connection.execute(statement)
    connection.execute(f"pragma user_version = {target}")  # an error for a file that may not be written to
    if version == 0:
        connection.execute(f"pragma application_id = {APPLICATION_ID}")
    return version < target


def copy(source: Path, target: Path) -> None:
    """Write what is committed in `source` to `target`, whole or not at all, replacing what is there.

    Nothing waits for it: readers and writers of `source` go on.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        private.new_file(unfinished).close()
        with closing(open_reader(source, 0)) as reader, closing(sqlite3.connect(unfinished)) as writer:
            reader.backup(writer)
        sync(unfinished)
        unfinished.replace(target)
        sync(target.parent)
    except OSError as error:
        raise refusal(source, "io", f"cannot be copied to {target}: {error.strerror}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Make a file or the names in a folder survive the loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def living_executor(connection: sqlite3.Connection) -> str | None:
    """An executor whose lease is valid by this machine's clock, or None."""
    now_us = time.time_ns() // 1000
    row = connection.execute(_LIVING, (now_us,)).fetchone()
    return None if row is None else str(row[0])


def _refuse_in_use(connection: sqlite3.Connection, path: Path) -> None:
    executor = living_executor(connection)
    if executor is not None:
        text = f"is in use by an executor of an earlier version ({executor}): stop it first"
        raise refusal(path, "in_use", text, executor=executor)


def _migrations() -> list[tuple[int, str]]:
    """Number and text of every migration, in order."""
    folder = resources.files("obelisk.runtime.store") / "schema"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    if not found:
        raise StoreError("the program's schema files are missing: it is not installed whole", reason="failed")
    return sorted((int(entry.name.split("_")[0]), entry.read_text(encoding="utf-8")) for entry in found)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script. (`executescript` would commit the caller's transaction first.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), "a migration ends with a whole statement"


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """The value of a numeric pragma."""
    return int(connection.execute(f"pragma {name}").fetchone()[0])
