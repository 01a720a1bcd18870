"""What SQLite's errors mean to callers: `StoreError` with the file's name, why, and what to do, in our words.

SQLite's own text never reaches a log line or a user. What it calls the error (``SQLITE_IOERR_FSYNC``) is told with the
rare ones, to look it up, and the field ``sqlite`` always has it.

Reasons for programs: ``full``, ``io``, ``read_only``, ``locked``, ``corrupt``, ``not_a_database``, ``cannot_open``,
``gone``, ``foreign``, ``newer_version``, ``older_version``, ``no_wal``, ``in_use``, ``exists``, ``damaged``,
``closed``, ``failed``.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from obelisk.runtime.errors import StoreError

_REASONS: Final = {
    sqlite3.SQLITE_BUSY: ("locked", "is locked by another program"),
    sqlite3.SQLITE_LOCKED: ("locked", "is locked by another program"),
    sqlite3.SQLITE_READONLY: ("read_only", "cannot be written to"),
    sqlite3.SQLITE_PERM: ("read_only", "cannot be written to"),
    sqlite3.SQLITE_IOERR: ("io", "cannot be read or written: its disk or file system reports an error"),
    sqlite3.SQLITE_CORRUPT: ("corrupt", "is damaged; `obelisk db check` says where, a backup has what it was"),
    sqlite3.SQLITE_NOTADB: ("not_a_database", "is not a database"),
    sqlite3.SQLITE_FULL: ("full", "has no room to grow: make room on its disk"),
    sqlite3.SQLITE_CANTOPEN: ("cannot_open", "cannot be opened"),
}
_NAMED: Final = frozenset({"io", "failed"})
"""Reasons of which there are many kinds, so that the name which SQLite has for it is told."""
_PLACES: Final = frozenset({"read_only", "cannot_open"})
"""Reasons that lie in where the file is and who may do what there."""
_DUPLICATE: Final = (
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
)
_TAKEN: Final = (
    ("execution.execution_id", "an execution with its id exists already"),
    ("execution.key", "its idempotency key is taken"),
    ("log.", "its log has grown since"),
    ("response.", "it was answered already"),
    ("delay.", "the delay exists already"),
)


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """The StoreError for an error of SQLite about the database at `path`."""
    reason, text = _REASONS.get(_code(error), ("failed", "failed"))
    name = name_of(error)
    if reason in _PLACES:
        text = f"{text}: {_why_not(path) or name}"
    elif reason in _NAMED:
        text = f"{text} ({name})"
    return StoreError(f"the database {path} {text}", path=str(path), reason=reason, sqlite=name)


def refusal(path: Path, reason: str, text: str, **fields: object) -> StoreError:
    """A StoreError about a database that SQLite has no quarrel with."""
    return StoreError(f"the database {path} {text}", path=str(path), reason=reason, **fields)


def unstorable(error: Exception) -> StoreError:
    """The StoreError for a value that no database takes."""
    if isinstance(error, OverflowError):
        why = "a number needs more than 64 bits"
    elif isinstance(error, UnicodeError):
        why = "a text is not Unicode: it has half of a surrogate pair"
    elif isinstance(error, sqlite3.DataError):
        why = "a text or a binary is longer than 1 GB"
    else:
        why = f"the schema does not allow it ({name_of(error)})"
    return StoreError(f"a value cannot be stored: {why}", reason="unstorable")


def taken(error: sqlite3.IntegrityError) -> str:
    """What is on record already, for the error of an insert that found its key taken."""
    text = str(error)
    return next((words for column, words in _TAKEN if column in text), "it is on record already")


def is_taken(error: sqlite3.Error) -> bool:
    """Whether an insert found its key taken."""
    return getattr(error, "sqlite_errorcode", 0) in _DUPLICATE


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection stands in the way for now."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def name_of(error: Exception) -> str:
    """What SQLite calls an error, or the name of its class when it does not come from SQLite."""
    return str(getattr(error, "sqlite_errorname", "") or type(error).__name__)


def _code(error: sqlite3.Error) -> int:
    """The primary result code, 0 when the error does not come from SQLite itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _why_not(path: Path) -> str:
    """What stands in the way of using the file at `path`, and what to do; empty when nothing is found."""
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}; make it, or name another place in [store] path"
    if path.is_dir():
        return "it is a folder; [store] path has to name a file"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return f"{folder} is mounted read-only; mount it for writing, or name another place in [store] path"
    if not _may(folder, os.W_OK | os.X_OK):
        return (
            f"this user may not write to the folder {folder}, where files are kept with it (-wal, -shm); "
            "change its owner or its mode, or name another place in [store] path"
        )
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if file.exists() and not _may(file, os.R_OK | os.W_OK):
            return f"this user may not read and write {file}; change its owner or its mode"
    return "" if path.exists() else "there is no such file"


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
