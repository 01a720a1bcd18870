"""A folder that has a bound is not filled past it from another folder."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from obelisk.runtime.host.wasi.capabilities import unheard
from obelisk.runtime.host.wasi.filesystem.files import Descriptor
from obelisk.runtime.host.wasi.folder_room import FolderRoom, Share

BOUND = 10_000


def share(path: Path, bound: int) -> Share | None:
    if not bound:
        return None
    room = FolderRoom(str(path), max_bytes=bound, max_entries=100, key=f"directories.{path.name}")
    room.measure()
    return Share(room, unheard)


@pytest.fixture
def held() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(path: Path, bound: int, held: ExitStack) -> Descriptor:
    folder = Descriptor.folder(str(path), write=True, share=share(path, bound))
    held.callback(folder.close)
    return folder


@pytest.fixture(params=[(BOUND, BOUND), (0, BOUND), (BOUND, 0)], ids=["both", "second", "first"])
def folders(tmp_path: Path, request: pytest.FixtureRequest, held: ExitStack) -> tuple[Descriptor, Descriptor]:
    """Two folders, of which both, or one, has a bound; in the first a file and a folder with files."""
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "deep" / "er").mkdir(parents=True)
    other.mkdir()
    for path in (one / "file", one / "deep" / "a", one / "deep" / "er" / "b"):
        path.write_bytes(bytes(3_000))
    os.symlink("file", one / "link")
    return opened(one, request.param[0], held), opened(other, request.param[1], held)


MOVES: list[Callable[[Descriptor, Descriptor, str], None]] = [
    lambda one, other, name: one.move(name, other, "there"),
    lambda one, other, name: one.link(name, other, "there"),
]


@pytest.mark.parametrize(("change", "name"), list(itertools.product(MOVES, ["deep", "file", "link"])))
def test_nothing_is_taken_from_one_folder_to_another(
    folders: tuple[Descriptor, Descriptor],
    tmp_path: Path,
    change: Callable[[Descriptor, Descriptor, str], None],
    name: str,
) -> None:
    one, other = folders
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        change(one, other, name)
    assert (os.path.lexists(tmp_path / "one" / name), list((tmp_path / "other").iterdir())) == (True, [])


def test_what_is_open_cannot_grow_in_another_folder(
    folders: tuple[Descriptor, Descriptor], tmp_path: Path, held: ExitStack
) -> None:
    """A folder that was opened where there is room, moved, and filled: what it holds counts where it is."""
    one, other = folders
    inside = one.open("deep", follow=False, flags=os.O_DIRECTORY, read=True, write=False)
    held.callback(inside.close)
    with pytest.raises(OSError, match=os.strerror(errno.EXDEV)):
        one.move("deep", other, "there")
    assert not (tmp_path / "other" / "there").exists()


def test_folders_of_one_room_and_without_bounds_are_as_one(tmp_path: Path, held: ExitStack) -> None:
    for bound in (0, BOUND):
        path = tmp_path / str(bound)
        for name in ("one", "other"):
            (path / name).mkdir(parents=True)
        (path / "one" / "deep").mkdir()
        (path / "one" / "deep" / "a").write_bytes(bytes(BOUND - 1_000))
        top = opened(path, bound, held)
        one, other = (
            top.open(name, follow=False, flags=os.O_DIRECTORY, read=True, write=False) for name in ("one", "other")
        )
        held.callback(one.close)
        held.callback(other.close)
        one.move("deep", other, "there")
        one.make_folder("deep")
        other.link("there/a", one, "deep/b")
        assert (path / "one" / "deep" / "b").samefile(path / "other" / "there" / "a")


def test_a_name_that_is_read_only_says_so_first(tmp_path: Path, held: ExitStack) -> None:
    (tmp_path / "file").write_bytes(b"x")
    kept = Descriptor.folder(str(tmp_path), write=False)
    held.callback(kept.close)
    for change in MOVES:
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            change(kept, opened(tmp_path, BOUND, held), "file")
