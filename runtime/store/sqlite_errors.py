"""What SQLite's errors mean to callers: `StoreError` with the file's name and a `reason` for programs.

Reasons: ``full``, ``io``, ``read_only``, ``locked``, ``corrupt``, ``not_a_database``, ``cannot_open``, ``foreign``,
``newer_version``, ``older_version``, ``no_wal``, ``in_use``, ``exists``, ``damaged``, ``closed``, ``failed``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from obelisk.runtime.errors import StoreError

_REASONS = {
    sqlite3.SQLITE_BUSY: ("locked", "is locked by another program"),
    sqlite3.SQLITE_LOCKED: ("locked", "is locked by another program"),
    sqlite3.SQLITE_READONLY: ("read_only", "cannot be written to"),
    sqlite3.SQLITE_PERM: ("read_only", "cannot be written to"),
    sqlite3.SQLITE_IOERR: ("io", "cannot be read or written"),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "is damaged"),
    sqlite3.SQLITE_NOTADB: ("not_a_database", "is not a database"),
    sqlite3.SQLITE_FULL: ("full", "has no room to grow"),
    sqlite3.SQLITE_CANTOPEN: ("cannot_open", "cannot be opened"),
}


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError for an error of SQLite about the database at `path`."""
    reason, text = _REASONS.get(_code(error), ("failed", "failed"))
    return StoreError(f"the database {path} {text}: {error}", path=str(path), reason=reason)


def refusal(path: Path, reason: str, text: str, **fields: object) -> StoreError:
    """A StoreError about a database that SQLite has no quarrel with."""
    return StoreError(f"the database {path} {text}", path=str(path), reason=reason, **fields)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection stands in the way for now."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: sqlite3.Error) -> int:
    """The primary result code, 0 when the error does not come from SQLite itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
