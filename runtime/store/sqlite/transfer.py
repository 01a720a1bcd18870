"""A database as lines of JSON and back: for moving it, and for looking at it with other tools.

    {"obelisk": "database", "format": 1, "schema": 2, "log_format": 1, "tables": {"execution": ["number", …], …}}
    {"table": "execution", "row": [1, "E_01…", …]}
    …
    {"end": {"rows": 17, "sha256": "…"}}                   the digest is that of all lines before

Rows come table by table in the order of their keys, so that equal databases give equal texts; import(export(d)) is d.
Text and numbers stand as they are; a blob is {"json": …} where it holds JSON in one line, which it nearly always does,
else {"base64": "…"}. Both ways work line by line: memory is bounded by the largest row.

An export reads a copy, which is made first, next to the database, and never has a name for long: what it has is what
was committed at one moment, servers may go on meanwhile, and a reader that stops reading does not hold up the
write-ahead log. An import makes a new file, of the schema that the text names, brings it up to date and checks it; a
text that is cut off, changed or of a later version is refused, and nothing is left behind.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar

import msgspec

from obelisk.runtime import private
from obelisk.runtime.errors import StoreError
from obelisk.runtime.log.codec import SCHEMA_VERSION
from obelisk.runtime.store.sqlite.check import BUSY_TIMEOUT_S, check
from obelisk.runtime.store.sqlite.errors import is_taken, refusal, store_error, unstorable
from obelisk.runtime.store.sqlite.inserts import Insert
from obelisk.runtime.store.sqlite.schema import (
    APPLICATION_ID,
    PAGE_BYTES,
    latest_version,
    migrate,
    open_reader,
    pragma,
    refuse_strangers,
    sync,
)

T = TypeVar("T")
FORMAT = 1
BATCH = 500
_TABLES = "select name from sqlite_schema where type = 'table' and name not like 'sqlite%' order by name"
_LOG_FORMAT = "select value from setting where name = 'log_format'"
_encode = msgspec.json.Encoder().encode


class _Header(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    obelisk: str
    format: int
    schema: int
    log_format: int
    tables: dict[str, list[str]]


class _End(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    rows: int
    sha256: str


class _Line(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of a table, or the end."""

    table: str = ""
    row: list[msgspec.Raw] = []
    end: _End | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many rows were read, by table."""

    rows: Mapping[str, int]


# --- out ------------------------------------------------------------------------------------------------------------
def export(path: Path) -> Iterator[bytes]:
    """The lines of the database at `path`, each with its newline; StoreError."""
    digest, rows = hashlib.sha256(), 0
    with closing(_snapshot(path)) as connection:
        try:
            for line in _lines(connection):
                digest.update(line)
                rows += 1
                yield line
        except sqlite3.Error as error:
            raise store_error(error, path) from error
    yield _encode({"end": {"rows": rows - 1, "sha256": digest.hexdigest()}}) + b"\n"


def _snapshot(path: Path) -> sqlite3.Connection:
    """A connection to a copy of the database, of one moment, that is gone when the connection is closed."""
    try:
        with closing(open_reader(path, BUSY_TIMEOUT_S)) as reader:
            refuse_strangers(reader, path)
            with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.export-") as file:
                copied = sqlite3.connect(file.name, isolation_level=None)
                try:
                    reader.backup(copied)
                    copied.execute("pragma journal_mode = delete")  # a copy without a name can have no log next to it
                    copied.execute("begin")
                    pragma(copied, "user_version")
                except BaseException:
                    copied.close()
                    raise
                return copied
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    except OSError as error:
        raise refusal(path, "io", f"cannot be copied for the export: {error.strerror}") from None


def _lines(connection: sqlite3.Connection) -> Iterator[bytes]:
    tables = {str(name): _columns(connection, name) for (name,) in connection.execute(_TABLES).fetchall()}
    head = {
        "obelisk": "database",
        "format": FORMAT,
        "schema": pragma(connection, "user_version"),
        "log_format": connection.execute(_LOG_FORMAT).fetchone()[0],
        "tables": {table: [name for name, _ in columns] for table, columns in tables.items()},
    }
    yield _encode(head) + b"\n"
    for table, columns in tables.items():
        names, key = ", ".join(name for name, _ in columns), ", ".join(name for name, place in columns if place)
        for row in connection.execute(f"select {names} from {table} order by {key}"):
            yield _encode({"table": table, "row": [_shown(value) for value in row]}) + b"\n"


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, int]]:
    """The columns of a table, and the place of each in its primary key (0: none)."""
    return [(str(row[1]), int(row[5])) for row in connection.execute(f"pragma table_info({table})")]


def _shown(value: object) -> object:
    if not isinstance(value, bytes):
        return value
    if value and b"\n" not in value and b"\r" not in value:
        try:
            value.decode()
            msgspec.json.decode(value)
        except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
            pass
        else:
            if value == value.strip(b" \t"):
                return {"json": msgspec.Raw(value)}
    return {"base64": base64.b64encode(value).decode()}


# --- in -------------------------------------------------------------------------------------------------------------
def restore(lines: Iterable[bytes], path: Path) -> Imported:
    """Make a database at `path`, where there must be no file, of exported lines; StoreError."""
    if path.exists():
        raise refusal(path, "exists", "is there already: an import makes a new one")
    unfinished = path.with_name(f"{path.name}.unfinished")
    parts = [unfinished, *(unfinished.with_name(f"{unfinished.name}{end}") for end in ("-journal", "-wal", "-shm"))]
    try:
        for part in parts:
            part.unlink(missing_ok=True)
        private.make_folder(path.parent)
        private.new_file(unfinished).close()
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            imported = _read(connection, lines, path)
        problem = next(check(unfinished), None)
        if problem is not None:
            raise refusal(path, "damaged", f"is not made: what the text describes is not whole: {problem}")
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)
        return imported
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    except OSError as error:
        raise refusal(path, "io", f"cannot be written: {error.strerror}") from None
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def _read(connection: sqlite3.Connection, lines: Iterable[bytes], path: Path) -> Imported:
    """Everything in one transaction, in a file that no other process knows."""
    connection.execute(f"pragma page_size = {PAGE_BYTES}")
    connection.execute("pragma synchronous = off")  # made durable at the end, as a whole
    numbered = enumerate(lines, 1)
    digest = hashlib.sha256()
    _, first = next(numbered, (1, b""))
    head = _header(first, path)
    digest.update(first)
    connection.execute("begin immediate")
    migrate(connection, head.schema)
    inserts = {table: _insert(connection, head, table, path) for table in head.tables}
    rows, waiting = dict.fromkeys(inserts, 0), list[list[object]]()
    current, end = "", None
    for number, text in numbered:
        if end is not None:
            raise _damaged(path, number, "there is more after the end")
        line = _decode(text, _Line, path, number)
        if line.end is not None:
            end = line.end
        else:
            digest.update(text)
            if line.table not in inserts or len(line.row) != len(head.tables[line.table]):
                raise _damaged(path, number, "no row of a table that the first line names")
            rows[line.table] += 1
        if line.table != current or len(waiting) >= BATCH:
            _write(connection, inserts.get(current, ""), waiting, path, number)
            current = line.table
        if line.end is None:
            waiting.append([_stored(value, path, number) for value in line.row])
    if end is None:
        raise _damaged(path, sum(rows.values()) + 2, "the text ends before its end")
    if end.rows != sum(rows.values()) or end.sha256 != digest.hexdigest():
        raise _damaged(path, sum(rows.values()) + 2, "the text was changed: its digest is another one")
    migrate(connection, latest_version())
    connection.execute(f"pragma application_id = {APPLICATION_ID}")
    connection.execute("commit")
    return Imported(rows=rows)


def _header(text: bytes, path: Path) -> _Header:
    head = _decode(text, _Header, path, 1)
    if head.obelisk != "database":
        raise _damaged(path, 1, "not an exported database")
    if head.format > FORMAT or head.schema > latest_version() or head.log_format > SCHEMA_VERSION:
        raise refusal(path, "newer_version", "is not made: the text was written by a later version of this program")
    if head.format < 1 or head.schema < 1 or head.log_format < 1:
        raise _damaged(path, 1, "versions count from 1")
    return head


def _insert(connection: sqlite3.Connection, head: _Header, table: str, path: Path) -> str:
    """The statement for a table's rows, which is empty from now on."""
    columns = [name for name, _ in _columns(connection, table)] if table.isidentifier() else []
    if not columns or columns != head.tables[table]:
        raise _damaged(path, 1, f"schema {head.schema} has no such table {table}")
    connection.execute(f"delete from {table}")
    return Insert(table, *columns).one


def _write(connection: sqlite3.Connection, sql: str, rows: list[list[object]], path: Path, number: int) -> None:
    try:
        if rows:
            connection.executemany(sql, rows)
    except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError) as error:
        twice = isinstance(error, sqlite3.Error) and is_taken(error)
        why = "a row with its key is there already" if twice else unstorable(error).message
        raise _damaged(path, number - 1, f"here or before it is a row that cannot be stored: {why}") from None
    rows.clear()


def _stored(shown: msgspec.Raw, path: Path, number: int) -> object:
    try:
        value: Any = msgspec.json.decode(shown)
        if isinstance(value, dict):
            blob = msgspec.json.decode(shown, type=dict[str, msgspec.Raw])
            if set(blob) == {"json"}:
                return bytes(blob["json"])
            if set(blob) == {"base64"}:
                return base64.b64decode(msgspec.json.decode(blob["base64"], type=str), validate=True)
            raise _damaged(path, number, "neither JSON nor base64")
        if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
            return value
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _damaged(path, number, str(error)) from None
    raise _damaged(path, number, "a column holds text, integers or blobs")


def _decode(text: bytes, type_: type[T], path: Path, number: int) -> T:
    try:
        text.decode()
        return msgspec.json.decode(text, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(path, number, str(error)) from None


def _damaged(path: Path, line: int, why: str) -> StoreError:
    return refusal(path, "damaged", f"is not made: line {line}: {why}", line=line)
