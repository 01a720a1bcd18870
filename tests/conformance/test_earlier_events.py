"""Events of earlier versions are read as what they say today, from the codec up to the database."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.log import codec, fold
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Create
from obelisk.runtime.store import maintenance
from obelisk.runtime.store.sqlite.store import SqliteStore

KIND = 250
E = "E_01J00000000000000000000000"


class CreatedInSeconds(msgspec.Struct, frozen=True, kw_only=True):
    """As if `created` had once been logged in seconds, its parameters under another name."""

    function: str
    args: msgspec.Raw
    scheduled_at_s: int


def upcast(old: CreatedInSeconds) -> log.Created:
    return log.Created(ffqn=old.function, params=old.args, scheduled_at_us=old.scheduled_at_s * 1_000_000)


@pytest.fixture
def retired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.RETIRED, KIND, codec.Retired(CreatedInSeconds, upcast))


BODY = b'{"function":"a:b/c.d","args":[ 1 ],"scheduled_at_s":7}'
TODAY = log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[ 1 ]"), scheduled_at_us=7_000_000)


@pytest.mark.usefixtures("retired")
def test_an_earlier_version_is_read_as_todays_event() -> None:
    assert codec.decode_event(KIND, BODY) == TODAY
    assert codec.encode_event(TODAY)[0] == codec.EVENT_KINDS[log.Created]


@pytest.mark.usefixtures("retired")
@pytest.mark.parametrize("body", [b"{}", b"", b'{"function":1,"args":[],"scheduled_at_s":7}', BODY[:-1] + b"\xff}"])
def test_a_damaged_body_of_an_earlier_version_is_refused(body: bytes) -> None:
    with pytest.raises(codec.CorruptLog):
        codec.decode_event(KIND, body)


def test_a_kind_that_nobody_ever_had_is_refused() -> None:
    with pytest.raises(codec.CorruptLog, match="unknown kind 250"):
        codec.decode_event(KIND, BODY)


def test_no_kind_means_two_things() -> None:
    assert codec.RETIRED.keys().isdisjoint(codec.EVENT_KINDS.values())


@pytest.mark.usefixtures("retired")
def test_a_database_with_an_earlier_version_works(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    async def write() -> None:
        store = SqliteStore.open(path)
        create = Create(execution_id=E, created=TODAY, locked=None, state=fold.start(TODAY, None), at_us=5)
        done = asyncio.Event()
        store.enqueue((create,), lambda _: done.set())
        await done.wait()
        await store.close()

    asyncio.run(write())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("update log set kind = ?, body = ?", (KIND, BODY))
        connection.commit()
    assert list(maintenance.check(path)) == []

    async def read() -> None:
        store = SqliteStore.open(path)
        stored = await store.load(E)
        assert stored is not None
        assert stored.events == (TODAY,)
        await store.close()

    asyncio.run(read())
    copy = tmp_path / "copy.sqlite"
    maintenance.restore(maintenance.export(path), copy)
    assert list(maintenance.export(copy)) == list(maintenance.export(path))
