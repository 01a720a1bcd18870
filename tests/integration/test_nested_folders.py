"""Folders of the configuration that lie in one another: the bound of the outer one holds for what is written inside."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from obelisk.runtime.host.wasi.capabilities import Directory, unheard
from obelisk.runtime.host.wasi.folder_room import RoomExceeded, Share
from obelisk.runtime.ports.access import Access
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.guest_environment import Outside

NAMES = ("outer", "inner", "alias", "deep", "free", "apart")
CONFIG = """
[directories.outer]
path = "data"
write = true
max_bytes = 10000
[directories.inner]
path = "data/inner"
write = true
max_bytes = 8000
[directories.alias]
path = "link"
write = true
max_bytes = 20000
[directories.deep]
path = "data/inner/deep"
write = true
max_bytes = 0
max_entries = 0
[directories.free]
path = "data-apart"
write = true
max_bytes = 0
max_entries = 0
[directories.apart]
path = "apart"
write = true
max_bytes = 5000
"""


def folders(root: Path) -> dict[str, Directory]:
    for path in ("data/inner/deep", "data-apart", "apart"):
        (root / path).mkdir(parents=True)
    (root / "link").symlink_to(root / "data")
    config = configuration.parse(CONFIG, file=root / "obelisk.toml")

    async def given() -> dict[str, Directory]:
        outside = Outside(config.ceiling, execute=True)
        access = Access(where="component.x", directories={f"/{name}": name for name in NAMES})
        found = outside._directories(access)  # pyright: ignore[reportPrivateUsage]
        return {directory.name[1:]: directory for directory in found}

    return asyncio.run(given())


def written(directory: Directory, name: str, size: int) -> bool:
    """Whether a guest may write a file of that size there."""
    if directory.room is None:
        return True
    directory.room.measure()
    try:
        Share(directory.room, unheard).take(size)
    except RoomExceeded:
        return False
    with (Path(directory.path) / name).open("wb") as file:
        file.truncate(size)
    return True


def test_what_is_written_inside_counts_outside(tmp_path: Path) -> None:
    found = folders(tmp_path)
    assert written(found["inner"], "a", 7_000)
    assert not written(found["inner"], "b", 2_000), "its own bound"
    assert not written(found["outer"], "c", 4_000), "the outer bound, of which 7,000 bytes are used inside"
    assert written(found["outer"], "c", 2_000)
    assert not written(found["inner"], "d", 1_000 + 1), "what was written outside counts too"
    assert written(found["apart"], "e", 5_000)


def test_a_folder_without_a_bound_has_that_of_the_one_around(tmp_path: Path) -> None:
    found = folders(tmp_path)
    assert written(found["deep"], "a", 8_000)
    assert not written(found["deep"], "b", 1_000)
    assert not written(found["outer"], "b", 3_000)
    assert found["free"].room is None, "its name only begins as that of the other"


def test_one_folder_under_two_names_has_one_bound(tmp_path: Path) -> None:
    found = folders(tmp_path)
    assert written(found["alias"], "a", 9_000)
    assert not written(found["outer"], "b", 2_000)
    assert not written(found["alias"], "b", 2_000)


@pytest.mark.parametrize("name", ["inner", "alias", "deep"])
def test_what_is_refused_in_one_is_taken_in_none(tmp_path: Path, name: str) -> None:
    found = folders(tmp_path)
    for _ in range(5):
        assert not written(found[name], "a", 30_000)
    assert written(found[name], "a", 8_000)
