"""Check, backup, export, import, vacuum, retention and the way up from version 1, on databases of the real runtime."""

from __future__ import annotations

import asyncio
import importlib
import random
import shutil
import sqlite3
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.store import maintenance
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite import transfer as sqlite_transfer
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import bootstrap
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

command_line = importlib.import_module("command_line")
TESTS = Path(__file__).parents[1]
VERSION_1 = TESTS / "histories" / "version_1.sqlite"
FIBO = TESTS.parent / "examples" / "fibo"
FIBOA = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 10, "iterations": 3}, key="first", tags=("order=7",))
FAILING = Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 99})
LATER = Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 10**8})
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(path: Path, more: str = "") -> configuration.Config:
    text = f"""
[store]
path = "{path}"
{more}
[component.fibo-activity]
path = "{FIBO}/activity.wat"
[component.fibo-workflow]
path = "{FIBO}/workflow.wat"
"""
    (path.parent / "obelisk.toml").write_text(text)
    return configuration.parse(text, file=path.parent / "obelisk.toml")


async def work_on(config: configuration.Config) -> None:
    """Something finished, something paused, something that waits."""
    async with open_runtime(config, execute=True) as runtime:
        api = runtime.api
        for submission in (FIBOA, FAILING, Submission(ffqn=FIBOA.ffqn, params=FIBOA.params)):
            await api.wait((await api.submit(submission)).execution_id, 300)
        sleepers = [(await api.submit(LATER)).execution_id for _ in range(2)]
        for execution_id in sleepers:
            while (await api.get(execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
        await api.pause(sleepers[0])


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "store.sqlite"
    run(work_on(config_of(path)))
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    maintenance.backup(original, tmp_path / "store.sqlite")
    config_of(tmp_path / "store.sqlite")
    return tmp_path / "store.sqlite"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        connection.commit()


def cli(path: Path, *args: str) -> Any:
    return command_line.obelisk("db", *args, "--config", str(path.parent / "obelisk.toml"))


def content(path: Path) -> dict[str, list[Any]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_schema where type = 'table'")]
        return {table: sorted(connection.execute(f"select * from {table}"), key=repr) for table in tables}


# --- check ----------------------------------------------------------------------------------------------------------
def test_a_whole_database_has_no_problem(path: Path) -> None:
    assert list(maintenance.check(path)) == []
    assert cli(path, "check").status == ExitStatus.OK
    assert cli(path, "check", "--json").json == {"problems": []}


DAMAGE = {
    "a gap in a log": ("delete from log where version = 1 and execution = 1", "its log has"),
    "an event that cannot follow": ("update log set kind = 7 where version = 2", "stored event of kind 7"),
    "a foreign event": ("update log set kind = 77 where version = 3 and execution = 1", "unknown kind 77"),
    "a row that is ahead of its log": ("update execution set version = 4 where number = 1", "its row"),
    "a row of another status": (
        "update execution set status = 1, pending_at_us = 5 where number = 1",
        "its row pending_at at version 9",
    ),
    "attempts": ("update execution set attempts = 3 where number = 1", "its row"),
    "a lost child": ("delete from execution where number = 2", "events belong to executions that do not exist"),
    "a lost answer": ("delete from response where number = 2", "has finished and not answered"),
    "another answer": (
        """update response set body = cast(replace(cast(body as text), ':55', ':56') as blob) where number = 2""",
        "has ended otherwise than it answered",
    ),
    "a lost tag": ("delete from tag where execution = 1", "its tags are ['order=7'], it is found by []"),
    "an orphaned tag": ("update tag set execution = 999", "1 tags belong to executions that do not exist"),
    "an orphaned delay": ("update delay set execution_id = 'E_01J00000000000000000000000'", "not open"),
    "a component without a binary": ("delete from component_binary", "has no binary"),
    "another binary": ("update component_binary set wasm = x'00'", "has another digest"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_kind_of_damage_is_found(path: Path, damage: str) -> None:
    statement, said = DAMAGE[damage]
    change(path, statement)
    problems = list(maintenance.check(path))
    assert any(said in problem for problem in problems), problems
    shown = cli(path, "check")
    assert shown.status == ExitStatus.INPUT
    assert shown.out.splitlines() == problems


def test_damage_that_sqlite_itself_sees(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for place in range(4 * 2048, len(content), 2048):
        content[place : place + 64] = bytes(64)
    path.write_bytes(content)
    shown = cli(path, "check")
    assert shown.status in (ExitStatus.INPUT, ExitStatus.STORE)
    assert shown.out or "is damaged" in shown.err


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    config_of(tmp_path / "none.sqlite")
    for verb in (["check"], ["export", "-"], ["vacuum"], ["upgrade"], ["prune", "--older-than", "1d"], ["backup", "x"]):
        assert cli(tmp_path / "none.sqlite", *verb).status == ExitStatus.STORE, verb
    assert [entry.name for entry in tmp_path.iterdir()] == ["obelisk.toml"]


# --- export and import ----------------------------------------------------------------------------------------------
def test_odd_text_and_blobs_come_through(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        odd = (
            b"\xff\x00",
            b'{ "a":\n1 }',
            b' {"a":1}',
            b"",
            b'{"a":1.0e3, "b" : [ ]}',
            b'"\\ud800"',
            b"[[[",
            "é".encode(),
        )
        connection.executemany("insert into component_binary values (?, ?)", [(f"odd {blob!r}", blob) for blob in odd])
        connection.execute("insert into component values (?, 'a', 'b', 'c', ?)", ('é \n"\0', -(2**63)))
        connection.commit()
    lines = list(maintenance.export(path))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("delete from component where digest = 'a'")
        connection.execute("delete from component_binary where digest like 'odd%'")
        connection.commit()
    with pytest.raises(StoreError, match="what the text describes is not whole"):
        maintenance.restore(lines, path.with_name("refused.sqlite"))
    assert not path.with_name("refused.sqlite").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_transfer, "check", nothing_wrong)
        maintenance.restore(lines, path.with_name("copy.sqlite"))
    assert list(maintenance.export(path.with_name("copy.sqlite"))) == lines


def nothing_wrong(_: Path) -> Iterator[str]:
    return iter(())


def test_import_is_the_inverse_of_export(path: Path) -> None:
    text = path.with_name("text.jsonl")
    assert cli(path, "export", str(text)).status == ExitStatus.OK
    assert text.read_bytes() == b"".join(maintenance.export(path))
    copy = path.with_name("copy") / "store.sqlite"
    copy.parent.mkdir()
    config_of(copy)
    imported = cli(copy, "import", str(text))
    assert (imported.status, "executions" in imported.err) == (ExitStatus.OK, True)
    assert content(copy) == content(path)
    assert b"".join(maintenance.export(copy)) == text.read_bytes()
    assert sorted(entry.name for entry in copy.parent.iterdir()) == ["obelisk.toml", "store.sqlite"]
    run(work_on(config_of(copy)))
    assert list(maintenance.check(copy)) == []
    assert cli(copy, "import", str(text)).status == ExitStatus.STORE
    assert cli(path, "export", str(text)).status == ExitStatus.STORE


def test_an_export_of_version_1_is_imported_and_brought_up(tmp_path: Path) -> None:
    lines = list(maintenance.export(VERSION_1))
    assert b'"schema":1' in lines[0]
    copy = tmp_path / "copy.sqlite"
    maintenance.restore(lines, copy)
    straight = tmp_path / "straight.sqlite"
    shutil.copy(VERSION_1, straight)
    maintenance.upgrade(straight)
    assert content(copy) == content(straight)


def damaged(lines: list[bytes]) -> Iterator[list[bytes]]:
    dice = random.Random(1)
    for length in range(len(lines)):
        yield lines[:length]
    for _ in range(120):
        number = dice.randrange(len(lines))
        line = bytearray(lines[number])
        place = dice.randrange(len(line))
        before, line[place] = line[place], dice.randrange(256)
        if line[place] != before:
            yield [*lines[:number], bytes(line), *lines[number + 1 :]]
    for number in range(len(lines)):
        yield [*lines[:number], *lines[number + 1 :]]
        yield [*lines[:number], lines[number], *lines[number:]]
    yield [*lines, b'{"table":"log","row":[]}\n']
    yield [b"\xff\n", *lines]


def test_no_damaged_text_is_imported(path: Path) -> None:
    copy = path.with_name("copy.sqlite")
    lines = [line for line in maintenance.export(path) if b'"component_binary","row"' not in line]
    count = 0
    for text in damaged(lines):
        count += 1
        with pytest.raises(StoreError) as refused:
            maintenance.restore(text, copy)
        assert refused.value.fields["reason"] in ("damaged", "newer_version")
    assert count > 250
    assert not [entry.name for entry in path.parent.iterdir() if entry.name.startswith("copy")]


@pytest.mark.parametrize("key", ["format", "schema", "log_format"])
def test_a_text_of_a_later_version_is_refused(path: Path, key: str) -> None:
    head, *rest = maintenance.export(path)
    value = {"format": 1, "schema": sqlite_schema.latest_version(), "log_format": 1}[key]
    later = head.replace(f'"{key}":{value}'.encode(), f'"{key}":{value + 1}'.encode())
    assert later != head
    with pytest.raises(StoreError, match="later version"):
        maintenance.restore([later, *rest], path.with_name("copy.sqlite"))


# --- beside a server ------------------------------------------------------------------------------------------------
def test_what_is_safe_beside_a_server_and_what_is_refused(path: Path) -> None:
    async def work() -> None:
        config = config_of(path, "keep_finished_hours = 0")
        async with open_runtime(config, execute=True) as runtime:
            busy = asyncio.create_task(busily(runtime.api))
            for number in range(3):
                copy = path.with_name(f"backup-{number}.sqlite")
                await asyncio.to_thread(maintenance.backup, path, copy)
                assert await asyncio.to_thread(lambda: list(maintenance.check(path))) == []
                assert list(maintenance.check(copy)) == []
                lines = await asyncio.to_thread(lambda: list(maintenance.export(path)))
                maintenance.restore(lines, path.with_name(f"import-{number}.sqlite"))
            with pytest.raises(StoreError) as refused:
                maintenance.vacuum(path)
            assert refused.value.fields["reason"] == "in_use"
            deleted = await asyncio.to_thread(maintenance.prune, path, time.time_ns() // 1000)
            assert deleted > 4
            busy.cancel()
        assert list(maintenance.check(path)) == []
        assert maintenance.vacuum(path).bytes_after > 0

    run(work())


async def busily(api: Any) -> None:
    while True:
        await api.wait((await api.submit(Submission(ffqn=FIBOA.ffqn, params=FIBOA.params))).execution_id, 300)


def test_vacuum_gives_room_back(path: Path) -> None:
    change(path, "update execution set key = null where number = 1")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("insert into component_binary values ('x', zeroblob(1000000))")
        connection.execute("delete from component_binary where digest = 'x'")
        connection.commit()
    done = cli(path, "vacuum")
    assert done.status == ExitStatus.OK
    assert "1.1 MB before" in done.err
    assert path.stat().st_size < 200_000


def test_backups_and_exports_replace_nothing(path: Path) -> None:
    other = path.with_name("other")
    other.write_text("mine")
    assert cli(path, "backup", str(other)).status == ExitStatus.STORE
    assert cli(path, "export", str(other)).status == ExitStatus.STORE
    assert other.read_text() == "mine"
    assert cli(path, "import", str(path.with_name("none"))).status == ExitStatus.NOT_FOUND


# --- retention ------------------------------------------------------------------------------------------------------
def test_old_trees_are_deleted_by_command(path: Path) -> None:
    assert cli(path, "prune", "--older-than", "1d").err == "0 executions deleted\n"
    assert cli(path, "prune", "--older-than", "soon").status == ExitStatus.CONFIG
    assert cli(path, "prune", "--older-than", "0s").err == "5 executions deleted\n"
    assert list(maintenance.check(path)) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("select count(*) from execution where key = 'first'").fetchone() == (0,)


def test_a_server_deletes_old_trees_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ExecutorSettings", partial(ExecutorSettings, prune_ms=100))

    async def work() -> None:
        config = config_of(path, "keep_finished_hours = 0.00014")
        async with open_runtime(config, execute=True) as runtime:
            first = (await runtime.api.submit(FIBOA)).execution_id
            await runtime.api.wait(first, 300)
            other = (await runtime.api.submit(Submission(ffqn=FIBOA.ffqn, params=FIBOA.params))).execution_id
            left = [first]
            while first in left or len(left) > 3:  # the newest stays, as it has the newest rows, and what waits
                await asyncio.sleep(0.05)
                left = [s.execution_id for s in (await runtime.api.list(Query(top_level_only=True))).items]
            assert first not in left
            assert other in left
            assert len(left) == 3
            again = await runtime.api.submit(FIBOA)
            assert again.created

    run(work())


# --- the way up -----------------------------------------------------------------------------------------------------
def test_a_version_1_database_goes_on_with_todays_program(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    shutil.copy(VERSION_1, path)
    assert cli_of(tmp_path, path, "check").error["reason"] == "older_version"

    async def work() -> list[log.Outcome | None]:
        async with open_runtime(config_of(path), execute=True) as runtime:
            again = await runtime.api.submit(FIBOA)
            assert not again.created
            top = (await runtime.api.list(Query(top_level_only=True))).items
            return [await runtime.api.wait(summary.execution_id, 300) for summary in top]

    outcomes = run(work())
    assert [bytes(o.value) for o in outcomes if isinstance(o, log.Returned)] == [b'{"ok":55}'] * 3
    assert list(maintenance.check(path)) == []
    kept = path.with_name(f"store.sqlite.before-v{sqlite_schema.latest_version()}")
    assert content(kept) == content(VERSION_1)


def cli_of(folder: Path, path: Path, *args: str) -> Any:
    config_of(path)
    return command_line.obelisk("db", *args, "--json", "--config", str(folder / "obelisk.toml"))


def test_a_database_in_use_by_an_earlier_version_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    shutil.copy(VERSION_1, path)
    change(path, f"update lease set expires_at_us = {2**61}")
    before = content(path)
    with pytest.raises(StoreError) as refused:
        maintenance.upgrade(path)
    assert refused.value.fields["reason"] == "in_use"
    assert content(path) == before
    assert [entry.name for entry in tmp_path.iterdir() if "before" in entry.name] == []


def test_without_room_for_the_copy_nothing_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.sqlite"
    shutil.copy(VERSION_1, path)

    def full(*_: object) -> None:
        raise StoreError("no room", reason="full")

    monkeypatch.setattr(sqlite_schema, "copy", full)
    with pytest.raises(StoreError, match="no room"):
        maintenance.upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("pragma user_version").fetchone() == (1,)
