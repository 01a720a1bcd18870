"""The file under a SQLite store: deleted, replaced, read for long; and what those hear who come too late."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from obelisk.runtime.errors import Conflict, StoreError
from obelisk.runtime.log.events import JoinSetCreate
from obelisk.runtime.ports.store import AddDelay, StoredComponent
from obelisk.runtime.store import maintenance
from obelisk.runtime.store.sqlite.schema import WAL_BYTES
from obelisk.runtime.store.sqlite.store import SqliteStore
from store_bed import OTHER, E, Log, answer, create, in_our_words, number_id, send

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


# --- races ----------------------------------------------------------------------------------------------------------
async def test_a_lost_race_is_told_in_our_words(path: Path) -> None:
    store = SqliteStore.open(path)
    first = Log(create())
    await send(store, create(key="k"), answer(f"{E}.o:1_1"))
    twice = first.append(JoinSetCreate(join_set="g:1"))
    await send(store, twice)
    delay = AddDelay(execution_id=E, join_set="o:1", delay="Delay_1", expires_at_us=9)
    await send(store, delay)
    for write, text in (
        (create(), "an execution with its id exists already"),
        (create(OTHER, key="k"), "its idempotency key is taken"),
        (twice, "its log has grown since"),
        (answer(f"{E}.o:1_1"), "it was answered already"),
        (delay, "the delay exists already"),
    ):
        with pytest.raises(Conflict, match=text) as lost:
            await send(store, write)
        assert in_our_words(lost.value.message)
    await store.close()


# --- the file under the store ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("inline_group", [0, 8])
async def test_no_write_to_a_deleted_file_is_told_as_done(path: Path, inline_group: int) -> None:
    store = SqliteStore.open(path, inline_group=inline_group)
    await send(store, create(number_id(0)))
    aside = path.rename(path.with_name("aside"))
    for replaced in (False, True):
        if replaced:
            path.touch()
        for number in range(1, 3):
            with pytest.raises(StoreError, match="was deleted or replaced while it is in use") as error:
                await send(store, create(number_id(number)))
            assert error.value.fields["reason"] == "gone"
    aside.replace(path)
    await send(store, create(number_id(9)))
    assert await store.state(number_id(9)) is not None
    await store.close()


def wal_bytes(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


async def test_the_log_gives_its_room_back_once_a_long_read_has_ended(path: Path) -> None:
    store = SqliteStore.open(path)
    large = StoredComponent(name="c", digest="d", kind="k", settings="{}", added_at_us=1)
    await send(store, create())
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from execution").fetchone()
    for number in range(4):
        await store.put_components([(replace(large, digest=str(number)), b"x" * WAL_BYTES)])
    assert wal_bytes(path) > 3 * WAL_BYTES
    reader.close()
    for number in range(3):
        await send(store, create(number_id(10 + number)))
    assert wal_bytes(path) <= WAL_BYTES
    await store.close()


async def test_an_export_that_is_not_read_to_its_end_holds_up_nothing(path: Path) -> None:
    store = SqliteStore.open(path)
    await send(store, create())
    lines = maintenance.export(path)
    first = next(lines)
    await send(store, create(OTHER))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        busy, in_log, moved = other.execute("pragma wal_checkpoint(truncate)").fetchone()
    assert (busy, in_log, moved) == (0, 0, 0)
    assert wal_bytes(path) == 0
    assert [file.name for file in path.parent.iterdir() if "export" in file.name] == []
    text = b"".join((first, *lines))
    assert E.encode() in text
    assert OTHER.encode() not in text, "it is of one moment"
    await store.close()


async def test_a_check_holds_up_nothing_while_its_problems_are_read(path: Path) -> None:
    store = SqliteStore.open(path)
    log = Log(create())
    await send(store, create(), *(log.append(JoinSetCreate(join_set=f"g:{number}")) for number in range(20)))
    await store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("delete from log where version in (7, 9)")
        problems = maintenance.check(path)
        assert "its log" in next(problems)
        writer.execute("delete from log where version = 11")
        assert writer.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0
