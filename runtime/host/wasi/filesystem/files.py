"""Folders of the machine as a guest has them: `wasi:filesystem` descriptors that cannot be led out of their folder.

A path is walked by `walk.Walk`. Nothing but folders and regular files can be opened: no device, pipe or socket. Open
files count (`open_files`), and so does what is written into a folder that has only so much room (`folder_room`): all
that changes a folder is done by the methods here.
"""

from __future__ import annotations

import errno
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from obelisk.runtime.host.wasi.filesystem.open_files import close, open_at, refused
from obelisk.runtime.host.wasi.filesystem.walk import OPEN_DIR, Walk
from obelisk.runtime.host.wasi.folder_room import Share
from obelisk.runtime.host.wasi.io.asides import pace
from obelisk.runtime.host.wasi.io.table import Closeable

_SAFE: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class _OnDisk(Closeable, ABC):
    """What is open on a disk, until everybody who holds it has closed it: its number must not mean another file
    meanwhile."""

    def __init__(self, number: int, device: int) -> None:
        """Takes over the file descriptor `number`, which counts already."""
        self.number, self.device = number, device
        self._holders = 1

    @property
    def is_slow(self) -> bool:
        """Whether its disk is (`asides`)."""
        return pace.is_slow(self.device)

    def hold(self) -> None:
        """See `asides.Held`: it has another user."""
        self._holders += 1

    def let_go(self) -> None:
        """See `asides.Held`."""
        self.close()

    def close(self) -> None:
        """See `Closeable`; once for each who holds it."""
        self._holders -= 1
        if not self._holders:
            self._ending()
            close(self.number)

    @abstractmethod
    def _ending(self) -> None:
        """It is about to be closed."""


class Descriptor(_OnDisk):
    """The resource `wasi:filesystem/types.descriptor`: an open folder or file, with what may be done with it."""

    def __init__(self, number: int, *, read: bool, write: bool, share: Share | None = None) -> None:
        found = os.fstat(number)
        super().__init__(number, found.st_dev)
        self.read, self.write, self._share = read, write, share
        self.is_folder = stat.S_ISDIR(found.st_mode)
        if share is not None and not self.is_folder:
            share.room.opened(found)

    @classmethod
    def folder(cls, path: str, *, write: bool, share: Share | None = None) -> Descriptor:
        """A folder of the machine; OSError."""
        number = open_at(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, None)
        return cls(number, read=True, write=write, share=share)

    def _ending(self) -> None:
        if self._share is not None and not self.is_folder:
            self._share.room.closing(os.fstat(self.number))

    def require_write(self) -> None:
        """OSError unless it may change anything."""
        if not self.write:
            raise refused(errno.EROFS)

    @contextmanager
    def place(self, path: str, *, follow: bool) -> Generator[tuple[int, str], None, None]:
        """Where a path leads, as `Walk.to` has it. OSError."""
        if not self.is_folder:
            raise refused(errno.ENOTDIR)
        walk = Walk(self.number)
        try:
            yield walk.to(path, follow=follow)
        finally:
            walk.close()

    def open(self, path: str, *, follow: bool, flags: int, read: bool, write: bool) -> Descriptor:
        """Open what a path leads to; `flags` are O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY. OSError."""
        if write or flags & (os.O_CREAT | os.O_TRUNC):
            self.require_write()
        with self.place(path, follow=follow) as (folder, name):
            present = _present(folder, name)
            if present is not None and not _is_plain(present):
                raise refused(errno.EPERM)  # before it is opened, which may have effects on a device
            access = os.O_RDWR if write and read else os.O_WRONLY if write else os.O_RDONLY
            with self._adding(1 if present is None and flags & os.O_CREAT else 0):
                number = open_at(name, access | _SAFE | flags, folder)
        opened = Descriptor(number, read=read, write=write, share=self._share)
        if opened.is_folder:
            opened.read, opened.write = True, self.write
        elif not stat.S_ISREG(os.fstat(number).st_mode):
            opened.close()
            raise refused(errno.EPERM)
        elif flags & os.O_TRUNC and present is not None and self._share is not None:
            self._share.room.give_back(present.st_size)
        return opened

    def entries(self) -> Entries:
        """What a folder holds. OSError."""
        return Entries(open_at(".", OPEN_DIR, self.number), self.device)

    # --- what is in a file ---------------------------------------------------------------------------------------
    def read_at(self, count: int, offset: int) -> bytes:
        """At most `count` bytes from `offset` on, none at the end. OSError."""
        return os.pread(self.number, count, offset)

    def write_at(self, data: bytes, offset: int | None) -> int:
        """Write at `offset`, or at the end; how many bytes were taken. OSError."""
        if self._share is None:
            return os.pwrite(self.number, data, self._size() if offset is None else offset)
        before = self._size()
        at = before if offset is None else offset
        growth = max(at + len(data) - before, 0) if data else 0
        self._share.take(growth)
        try:
            return os.pwrite(self.number, data, at)
        finally:
            self._share.room.give_back(growth - max(self._size() - before, 0))

    def resize(self, size: int) -> None:
        """Cut it off, or fill it up with zeroes. OSError."""
        if self._share is None:
            os.ftruncate(self.number, size)
            return
        before = self._size()
        self._share.take(max(size - before, 0))
        try:
            os.ftruncate(self.number, size)
        finally:
            self._share.room.give_back(max(size, before) - self._size())

    # --- what is in a folder -------------------------------------------------------------------------------------
    def make_folder(self, path: str) -> None:
        """OSError."""
        with self._changing(path) as (folder, name), self._adding(1):
            os.mkdir(name, dir_fd=folder)

    def make_symlink(self, target: str, path: str) -> None:
        """A link at `path` that says `target`. OSError."""
        with self._changing(path) as (folder, name), self._adding(1):
            os.symlink(target, name, dir_fd=folder)

    def remove_folder(self, path: str) -> None:
        """OSError."""
        with self._changing(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)
        if self._share is not None:
            self._share.room.give_back(0, 1)

    def remove_file(self, path: str) -> None:
        """OSError."""
        with self._changing(path) as (folder, name):
            present = _present(folder, name)
            os.unlink(name, dir_fd=folder)
        self._removed(present)

    def link(self, path: str, target: Descriptor, new: str) -> None:
        """Give what stands at `path` another name, below another descriptor. OSError."""
        with self._changing(path) as (old, name), target._changing(new) as (folder, other):
            self._require_room_of(target)
            with target._adding(1):
                os.link(name, other, src_dir_fd=old, dst_dir_fd=folder, follow_symlinks=False)

    def move(self, path: str, target: Descriptor, new: str) -> None:
        """Move what stands at `path` below another descriptor, in the place of what is there. OSError."""
        with self._changing(path) as (old, name), target._changing(new) as (folder, other):
            self._require_room_of(target)
            moved, replaced = _present(old, name), _present(folder, other)
            os.rename(name, other, src_dir_fd=old, dst_dir_fd=folder)
        is_other = moved is None or replaced is None or not os.path.samestat(moved, replaced)
        if is_other:
            target._removed(replaced)

    @contextmanager
    def _changing(self, path: str) -> Generator[tuple[int, str], None, None]:
        self.require_write()
        with self.place(path, follow=False) as found:
            yield found

    @contextmanager
    def _adding(self, entries: int) -> Generator[None, None, None]:
        """Entries that the block adds; unless it fails."""
        if self._share is None or not entries:
            yield
            return
        self._share.take(0, entries)
        try:
            yield
        except BaseException:
            self._share.room.give_back(0, entries)
            raise

    def _removed(self, gone: os.stat_result | None) -> None:
        if self._share is not None and gone is not None:
            self._share.room.removed(gone)

    def _require_room_of(self, target: Descriptor) -> None:
        """OSError, as between two disks, unless both count as the same folder: what is open, a file or a folder with
        all below it, goes on to count where it was opened, so that it could grow in the other without bound."""
        if target._room is not self._room:
            raise refused(errno.EXDEV)

    @property
    def _room(self) -> object:
        return None if self._share is None else self._share.room

    def _size(self) -> int:
        return os.fstat(self.number).st_size


class Entries(_OnDisk):
    """The resource `directory-entry-stream`."""

    def __init__(self, number: int, device: int) -> None:
        super().__init__(number, device)
        self._entries = os.scandir(number)

    def next(self) -> tuple[str, os.stat_result] | None:
        """The next entry and what it is, without those that have no name in Unicode. OSError."""
        entry = next((entry for entry in self._entries if _is_text(entry.name)), None)
        return None if entry is None else (entry.name, entry.stat(follow_symlinks=False))

    def _ending(self) -> None:
        self._entries.close()


def _present(folder: int, name: str) -> os.stat_result | None:
    """What stands there, which is not followed if it is a link; None for nothing. OSError."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_plain(found: os.stat_result) -> bool:
    """A folder, a file or a link."""
    mode = found.st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
