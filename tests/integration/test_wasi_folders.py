"""Folders that an activity is given: all that files can do, and no way out, whatever the guest tries."""

from __future__ import annotations

import ast
import asyncio
import json
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from obelisk.runtime.errors import ComponentError, ConfigError
from obelisk.runtime.host.wasi import folder_room
from obelisk.runtime.host.wasi.filesystem import files, open_files
from obelisk.runtime.host.wasi.filesystem import streams as file_streams
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime
from wasi_runs import CACHE, python_guest

LOOK = "test:wasi/probe@1.0.0.look"
GIVEN = """
[directories.data]
path = "data"
write = true
[directories.kept]
path = "kept"
"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "probe.wasm"
    path.write_bytes(python_guest("probe", "probing"))
    return path


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with what is given and, beside it, what is not."""
    data = tmp_path / "data"
    (data / "dir").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "kept.txt").write_text("kept")
    (tmp_path / "outside.txt").write_text("secret")
    (data / "inside.txt").write_text("inside")
    for name, target in {
        "absolute": str(tmp_path / "outside.txt"),
        "up": "../outside.txt",
        "dir/chain": "../up",
        "dir/back": "../inside.txt",
        "loop": "loop",
        "parent": "..",
        "new": "../new.txt",
    }.items():
        os.symlink(target, data / name)
    os.mkfifo(data / "pipe")
    return tmp_path


def config_of(world: Path, probe: Path, keys: str, text: str = GIVEN) -> configuration.Config:
    head = f'[cache]\npath = "{CACHE / "compiled"}"\n[component.probe]\npath = "{probe}"\nmax_retries = 0\n{keys}\n'
    return configuration.parse(head + text, file=world / "obelisk.toml")


def looked(world: Path, probe: Path, what: str, text: str = GIVEN) -> Any:
    async def work() -> Any:
        config = config_of(world, probe, 'directories = { "/data" = "data", "/ro" = "kept" }', text)
        async with open_runtime(config, execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=LOOK, params=[what]))
            outcome = await runtime.api.wait(submitted.execution_id, 300)
            assert isinstance(outcome, log.Returned), outcome
            return ast.literal_eval(json.loads(bytes(outcome.value)))

    return run(work())


def test_files_can_do_what_files_do(world: Path, probe: Path) -> None:
    for path in (world / "data").rglob("*"):
        path.unlink() if path.is_symlink() or not path.is_dir() else None
    (world / "data" / "dir").rmdir()
    written = [4, 4, "oNe\ntw", 6, 2, ["b.txt", "c.txt", "here"], "oNe\ntw", "b.txt", True]
    assert looked(world, probe, "files") == [*written, True, ["large"]]
    assert (world / "data" / "large").stat().st_size == 300_000


def test_there_is_no_way_out(world: Path, probe: Path) -> None:
    before = sorted(str(path) for path in world.rglob("*") if ".obelisk" not in str(path))
    found = looked(world, probe, "escapes")
    assert (found.pop("inside"), found.pop("kept")) == ("inside", "kept")
    assert {name: code for name, code in found.items() if name.startswith("read-only")} == {
        name: "EROFS" for name in found if name.startswith("read-only")
    }
    refused = {name: code for name, code in found.items() if not name.startswith("read-only")}
    assert refused.pop("link-loop") == "ELOOP"
    assert refused.pop("absolute") in ("ENOENT", "EBADF"), "no folder of the guest's is there"
    assert set(refused.values()) <= {"EPERM", "ENOENT"}, refused
    assert {name for name, code in refused.items() if code == "ENOENT"} <= {"up", "up-deep"}
    assert sorted(str(path) for path in world.rglob("*") if ".obelisk" not in str(path)) == before


def test_one_guest_cannot_take_all_files(world: Path, probe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files.budget, "_left", 50)
    count, code = looked(world, probe, "hoard")
    assert (40 <= count <= 50, code) == (True, "ENOMEM")
    assert open_files.budget._left == 50, "all were given back"  # pyright: ignore[reportPrivateUsage]


def test_a_folder_takes_only_so_much(world: Path, probe: Path) -> None:
    """There are ten entries and six bytes in it, and guests may fill it up to 100 KiB and 30 entries."""
    text = GIVEN.replace("write = true", "write = true\nmax_bytes = 102400\nmax_entries = 30")
    one, other, again, hole, folders, links, symlinks, (hidden, after, _) = looked(world, probe, "fill", text)
    # wasi-libc has EIO for whatever a stream fails with.
    assert one == (24, "EIO"), "24 times 4,096 bytes and the six that were there"
    assert other == (0, "EIO")
    assert again == (24, "EIO"), "what was removed made room"
    assert hole == (3, "EDQUOT"), "1,000, 10,000, 100,000 bytes, and no million of zeroes"
    assert folders == (30 - 10, "EDQUOT")
    assert links == (0, "EDQUOT")
    assert symlinks == (30 - 10, "EDQUOT")
    assert hidden == (6, "EIO"), "what has no name any more counts as long as it is open"
    assert after == 50_000
    names = {path.name for path in (world / "data").iterdir()}
    assert names == {"absolute", "dir", "inside.txt", "loop", "new", "parent", "pipe", "up"}


def test_the_log_names_the_key_that_refused_a_write(world: Path, probe: Path) -> None:
    text = GIVEN.replace("write = true", "write = true\nmax_bytes = 10")

    async def work() -> tuple[log.Outcome, list[str]]:
        config = config_of(world, probe, 'directories = { "/data" = "data" }', text)
        async with open_runtime(config, execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=LOOK, params=["files"]))
            outcome = await runtime.api.wait(submitted.execution_id, 300)
            assert outcome is not None
            lines = await runtime.api.lines(submitted.execution_id, level="warn")
            return outcome, [item.line.text for item in lines.items]

    outcome, said = run(work())
    assert isinstance(outcome, log.Returned)
    assert said.count("a write was refused: directories.data.max_bytes does not allow more") == 1


def test_other_processes_are_noticed(tmp_path: Path) -> None:
    room = folder_room.FolderRoom(str(tmp_path), max_bytes=10, max_entries=2, key="directories.d")
    room.measure()
    room.take(8, 1)
    (tmp_path / "theirs").write_bytes(bytes(10))
    with pytest.raises(folder_room.RoomExceeded, match=r"directories\.d\.max_bytes does not allow more"):
        room.take(3)
    with pytest.raises(folder_room.RoomExceeded, match="max_entries"):
        room.take(0, 2)
    assert not room.is_due(), "not looked at again at once, or a guest could keep the server looking"
    room._due_s = 0.0  # pyright: ignore[reportPrivateUsage]
    room.measure()
    with pytest.raises(folder_room.RoomExceeded):
        room.take(1)


def test_a_dropped_file_is_no_other_file(tmp_path: Path) -> None:
    """A stream outlives its descriptor's handle: the number must not come to mean what is opened next."""
    (tmp_path / "a").write_text("mine")
    (tmp_path / "b").write_text("other")
    folder = files.Descriptor.folder(str(tmp_path), write=False)
    file = folder.open("a", follow=True, flags=0, read=True, write=False)
    stream = file_streams.FileInput(file, 0)
    file.close()
    other = folder.open("b", follow=True, flags=0, read=True, write=False)
    assert stream.read(10) == b"mine"
    stream.close()
    other.close()
    folder.close()


@pytest.mark.parametrize(
    ("keys", "text", "error"),
    [
        (
            'directories = { "/d" = "nothing" }',
            GIVEN,
            r'component\.probe\.directories\."/d": .*\[directories\.nothing\]',
        ),
        (
            'directories = { "/d" = "data" }',
            GIVEN.replace('"data"', '"gone"'),
            r"directories\.data\.path: .*gone is no",
        ),
        ('kind = "workflow"\ndirectories = { "/d" = "data" }', GIVEN, r"component\.probe\.directories: a workflow"),
    ],
)
def test_what_cannot_be_given_is_named(world: Path, probe: Path, keys: str, text: str, error: str) -> None:
    async def opened() -> None:
        async with open_runtime(config_of(world, probe, keys, text), execute=True):
            pass

    with pytest.raises((ComponentError, ConfigError), match=error):
        run(opened())
