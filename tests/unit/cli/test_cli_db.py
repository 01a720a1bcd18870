"""`obelisk db … --json`: what was done, for programs; what it does to databases is told in the integration tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from command_line import Ran, obelisk
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.store.sqlite.schema import latest_version
from obelisk.runtime.store.sqlite.store import SqliteStore


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def make() -> None:
        await SqliteStore.open(tmp_path / "store.sqlite").close()

    asyncio.run(make())
    (tmp_path / "obelisk.toml").write_text('[store]\npath = "store.sqlite"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def db(*args: str) -> Ran:
    ran = obelisk("db", *args, "--json")
    assert ran.status == ExitStatus.OK, ran.err
    assert ran.err == ""
    return ran


def test_what_was_done_is_told_as_json(folder: Path) -> None:
    copy, lines = folder / "copy.sqlite", folder / "lines.jsonl"
    assert db("check").json == {"problems": []}
    assert db("upgrade").json == {"schema": latest_version()}
    backup = db("backup", str(copy)).json
    assert backup == {"file": str(copy), "bytes": copy.stat().st_size}
    assert db("export", str(lines)).json == {"file": str(lines), "bytes": lines.stat().st_size}
    assert db("vacuum").json.keys() == {"bytes_before", "bytes_after"}
    assert db("prune", "--older-than", "1d").json == {"deleted": 0}
    for file in folder.glob("store.sqlite*"):
        file.unlink()
    assert db("import", str(lines)).json == {"executions": 0, "rows": 1}


def test_errors_are_json_too(folder: Path) -> None:
    ran = obelisk("db", "backup", str(folder / "store.sqlite"), "--json")
    assert (ran.status, ran.out, ran.error["code"]) == (ExitStatus.STORE, "", "store_unavailable")
