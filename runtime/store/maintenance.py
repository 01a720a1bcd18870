"""What is done to a database file as a whole, from outside: check, export, import, back up, shrink, delete old trees.

Everything here is a plain function of a path and blocks. `check`, `export`, `backup` and `prune` are safe next to
running servers at any time; `vacuum` is refused while an executor lives, as is `upgrade` while one of an earlier
version does; `restore` makes a new file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite.check import BUSY_TIMEOUT_S, check
from obelisk.runtime.store.sqlite.errors import refusal, store_error
from obelisk.runtime.store.sqlite.pruning import prune as prune_some
from obelisk.runtime.store.sqlite.transfer import Imported, export, restore

__all__ = ["Imported", "Vacuumed", "backup", "check", "export", "prune", "restore", "upgrade", "vacuum"]
AT_ONCE = 200
PAUSE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuumed:
    """The size of the file before and after."""

    bytes_before: int
    bytes_after: int


def backup(path: Path, target: Path) -> None:
    """Copy what is committed to a new file; StoreError, also when `target` exists."""
    if target.exists():
        raise refusal(target, "exists", "is there already: a backup replaces nothing")
    with closing(sqlite_schema.open_reader(path, BUSY_TIMEOUT_S)) as connection:
        try:
            sqlite_schema.refuse_strangers(connection, path)
            sqlite_schema.copy(path, target)
        except sqlite3.Error as error:
            raise store_error(error, path) from error


def upgrade(path: Path) -> int:
    """Bring the schema up to date, as the start of a server does; the version. A copy stays next to it."""
    _open(path).close()
    return sqlite_schema.latest_version()


def vacuum(path: Path) -> Vacuumed:
    """Give free pages back to the file system; StoreError (``in_use``) while an executor lives: it could not write for
    as long as this takes."""
    before = path.stat().st_size if path.exists() else 0
    with closing(_open(path)) as connection:
        executor = sqlite_schema.living_executor(connection)
        if executor is not None:
            text = f"is in use by {executor}: stop the servers first (one that was killed counts until its lease ends)"
            raise refusal(path, "in_use", text, executor=executor)
        try:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.Error as error:
            raise store_error(error, path) from error
    return Vacuumed(bytes_before=before, bytes_after=path.stat().st_size)


def prune(path: Path, finished_before_us: int, *, told: Callable[[int], None] = lambda _: None) -> int:
    """Delete the trees that finished before that instant, in small transactions with pauses; how many executions.
    `told(count)` hears of each transaction. StoreError."""
    deleted = 0
    with closing(_open(path)) as connection:
        place: int | None = 0
        while place is not None:
            count, place = _prune_some(connection, path, finished_before_us, place)
            deleted += count
            if count:
                told(count)
                time.sleep(PAUSE_S)
    return deleted


def _prune_some(
    connection: sqlite3.Connection, path: Path, finished_before_us: int, after: int
) -> tuple[int, int | None]:
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    try:
        sqlite_schema.retrying(lambda: connection.execute("begin immediate"), deadline_s)
        found = prune_some(connection, finished_before_us, after, AT_ONCE)
        connection.execute("commit")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("rollback")
        raise store_error(error, path) from error
    return found


def _open(path: Path) -> sqlite3.Connection:
    """A writing connection to a database that exists, its schema brought up to date."""
    if not path.exists():
        raise refusal(path, "cannot_open", "does not exist")
    return sqlite_schema.open_writer(path, BUSY_TIMEOUT_S)
