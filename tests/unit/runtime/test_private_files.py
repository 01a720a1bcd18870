"""Files for their owner alone, and files of others that are not believed."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import wasmtime
from wasmtime.component import Component

from command_line import obelisk
from obelisk.gateway.auth import token_file, tokens
from obelisk.runtime import private
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasmtime import seal
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.store import maintenance
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_store

BINARY = bytes(wasmtime.wat2wasm("(component)"))
OTHER = bytes(wasmtime.wat2wasm('(component (core module (func (export "f"))))'))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def masked(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    with masked(request.param):
        yield


# --- what is made ---------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("umask")
def test_a_database_and_what_is_beside_it(tmp_path: Path) -> None:
    config = configuration.parse('[store]\npath = "a/b/obelisk.sqlite"\n', file=tmp_path / "obelisk.toml")
    store = open_store(config)
    try:
        modes = {path.name: mode(path) for path in (tmp_path / "a" / "b").iterdir()}
        assert modes == dict.fromkeys(("obelisk.sqlite", "obelisk.sqlite-wal", "obelisk.sqlite-shm"), 0o600)
        assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    finally:
        asyncio.run(store.close())


@pytest.mark.usefixtures("umask")
def test_a_name_that_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "there.sqlite")
    sqlite_schema.open_writer(tmp_path / "link.sqlite", 1).close()
    assert mode(tmp_path / "there.sqlite") == 0o600


@pytest.mark.usefixtures("umask")
def test_copies_and_texts_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "db.sqlite"
    Path("obelisk.toml").write_text('[store]\npath = "db.sqlite"\n')
    sqlite_schema.open_writer(path, 1).close()
    maintenance.backup(path, tmp_path / "backup.sqlite")
    ran = obelisk("db", "export", "export.jsonl")
    assert ran.status == 0, ran.err
    with Path("export.jsonl").open("rb") as lines:
        maintenance.restore(lines, tmp_path / "new" / "er" / "db.sqlite")
    made = ("db.sqlite", "backup.sqlite", "export.jsonl", "new/er/db.sqlite")
    assert {name: mode(tmp_path / name) for name in made} == dict.fromkeys(made, 0o600)
    assert (mode(tmp_path / "new"), mode(tmp_path / "new" / "er")) == (0o700, 0o700)


@pytest.mark.usefixtures("umask")
def test_the_file_of_tokens_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tokens.json"
    token_file.write(path, tokens.Tokens())
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_what_exists_keeps_its_mode_and_is_warned_about_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "db.sqlite"
    sqlite_schema.open_writer(path, 1).close()
    assert caplog.text == ""
    path.chmod(0o644)
    for _ in range(2):
        with closing(sqlite_schema.open_writer(path, 1)):
            assert mode(path) == 0o644
    said = f"{path}: other users of this machine may read it (mode 0644): chmod 600 {path}"
    assert caplog.text.count(said) == 1
    path.chmod(0o660)
    sqlite_schema.open_writer(path, 1).close()
    assert f"may write it (mode 0660): chmod 600 {path}" in caplog.text


def test_nothing_is_replaced_and_no_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError):
        private.new_file(tmp_path / "file")
    private.make_file(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(OSError, match="file"):
        private.make_folder(tmp_path / "file" / "below")


# --- what is not believed -------------------------------------------------------------------------------------------
NOT_OURS: dict[str, Callable[[Path], None]] = {
    "writable for all": lambda path: path.chmod(0o666),
    "writable for the group": lambda path: path.chmod(0o620),
    "of another user": lambda path: os.chown(path, os.geteuid() + 4711, -1),
}


def planted(spoil: Callable[[Path], None], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a file somebody else's. Who may not give files away is itself taken for another."""
    try:
        spoil(path)
    except PermissionError:
        other = os.geteuid() + 4711
        monkeypatch.setattr(os, "geteuid", lambda: other)


@pytest.mark.parametrize("spoil", NOT_OURS.values(), ids=NOT_OURS)
def test_tokens_that_others_may_have_given(
    tmp_path: Path, spoil: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tokens.json"
    issued = tokens.issue("ada", tokens.Scope.ADMIN, random=bytes(tokens.RANDOM_BYTES), now_us=0)
    token_file.write(path, tokens.Tokens().with_token(issued.token))
    now = [0.0]
    live = token_file.LiveTokens(path, clock=lambda: now[0])
    assert len(live.current().items) == 1
    planted(spoil, path, monkeypatch)
    with pytest.raises(token_file.TokenFileInvalid) as caught:
        token_file.read(path)
    assert str(path) in caught.value.message
    assert "chmod 600 " in caught.value.message or "chown " in caught.value.message
    now[0] += 10
    assert live.current().items == (), "also of a server that runs"
    assert "its tokens are refused" in caplog.text


def test_tokens_of_ours_that_others_may_read_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token_file.write(path, tokens.Tokens())
    path.chmod(0o644)
    assert token_file.read(path).items == ()


@pytest.mark.parametrize("spoil", [*NOT_OURS.values(), "link"], ids=[*NOT_OURS, "a link"])
def test_native_code_that_others_may_have_planted(
    tmp_path: Path,
    spoil: Callable[[Path], None] | str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "cache"
    with Engine(activity_settings()) as engine:
        ComponentCache(engine, folder).compile(BINARY)
        (path,) = folder.iterdir()
        code = Component(engine.raw, OTHER).serialize()
        foreign = bytes(code) + seal.sealed(path, bytes(code))
        path.write_bytes(foreign)
        if isinstance(spoil, str):
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
        else:
            planted(spoil, path, monkeypatch)
        ComponentCache(engine, folder).compile(BINARY)
        assert "building it again" in caplog.text
        if os.geteuid() == path.lstat().st_uid:
            assert path.read_bytes() != foreign
            assert (mode(path), path.is_symlink()) == (0o600, False)
