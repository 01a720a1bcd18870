"""Migrations: whole or not at all, and the schema is what the migrations say."""

from __future__ import annotations

import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from obelisk.runtime.errors import StoreError
from obelisk.runtime.store import rows
from obelisk.runtime.store.sqlite import schema as sqlite_schema


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    folder = resources.files("obelisk.runtime.store") / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert sqlite_schema.latest_version() == len(names)


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    sqlite_schema.open_writer(path, 1).close()
    before = path.read_bytes()
    connection = sqlite_schema.open_writer(path, 1)
    settings = [connection.execute(f"pragma {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert settings == ["wal", 2]
    connection.close()
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_an_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    broken = [(1, "create table one (x);\ncreate table two (x);\n"), (2, "create table two (y);\n")]
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "_migrations", lambda: broken)
        with pytest.raises(StoreError) as error:
            sqlite_schema.open_writer(path, 1)
    assert error.value.fields["reason"] == "failed"
    connection = sqlite3.connect(path)
    assert connection.execute("select count(*) from sqlite_schema").fetchone() == (0,)
    assert connection.execute("pragma user_version").fetchone() == (0,)
    connection.close()
    sqlite_schema.open_writer(path, 1).close()


def test_an_older_database_gets_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    sqlite_schema.open_writer(path, 1).close()
    latest = sqlite_schema.latest_version()
    migrations = [(latest, "never run"), (latest + 1, "create table more (x);\ninsert into more values (';');\n")]
    monkeypatch.setattr(sqlite_schema, "_migrations", lambda: migrations)
    connection = sqlite_schema.open_writer(path, 1)
    assert connection.execute("select x from more").fetchall() == [(";",)]
    assert connection.execute("pragma user_version").fetchone() == (latest + 1,)
    connection.close()


def test_a_program_without_its_schema_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files(_: str) -> Path:
        return tmp_path

    monkeypatch.setattr(resources, "files", files)
    (tmp_path / "schema").mkdir()
    with pytest.raises(StoreError, match="not installed whole"):
        sqlite_schema.latest_version()


def test_the_stored_numbers_of_statuses_never_change() -> None:
    assert rows.STATUS_NAMES == {
        1: "pending_at",
        2: "locked",
        3: "blocked_by_join_set",
        4: "paused",
        5: "cancelling",
        6: "finished",
        7: "awaiting_result",
    }


@pytest.mark.parametrize("sequence", [0, 1, 77, 10**17])
def test_cursors_come_back(sequence: int) -> None:
    assert rows.sequence_before(rows.cursor_before(sequence)) == sequence
