"""Folders of the machine as a guest has them: `wasi:filesystem` descriptors that cannot be led out of their folder.

A path is walked part by part, each opened from the folder that was reached (`openat`), never following a link of the
system's own accord. Links are read here and walked in the same way: one that is absolute, or climbs above the
descriptor that the walk began at, is not permitted, whoever swaps files meanwhile. Nothing but folders and regular
files can be opened: no device, pipe or socket. Open files count against a number for the whole process, so that guests
leave enough for everybody else.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from obelisk.runtime.host.wasi.pollables import READY, Pollable
from obelisk.runtime.host.wasi.streams import CHUNK, InputStream, OutputStream, StreamEnd, StreamError
from obelisk.runtime.host.wasi.table import Closeable

MAX_LINKS: Final = 40
MAX_PATH: Final = 4096
_OPEN_DIR: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CODES: Final = {
    errno.EACCES: "access",
    errno.EAGAIN: "would_block",
    errno.EBADF: "bad_descriptor",
    errno.EBUSY: "busy",
    errno.EDQUOT: "quota",
    errno.EEXIST: "exist",
    errno.EFBIG: "file_too_large",
    errno.EINVAL: "invalid",
    errno.EISDIR: "is_directory",
    errno.ELOOP: "loop",
    errno.EMFILE: "insufficient_memory",
    errno.EMLINK: "too_many_links",
    errno.ENAMETOOLONG: "name_too_long",
    errno.ENFILE: "insufficient_memory",
    errno.ENOENT: "no_entry",
    errno.ENOSPC: "insufficient_space",
    errno.ENOTDIR: "not_directory",
    errno.ENOTEMPTY: "not_empty",
    errno.ENOTSUP: "unsupported",
    errno.EPERM: "not_permitted",
    errno.EROFS: "read_only",
    errno.EXDEV: "cross_device",
}


def code_of(error: OSError) -> str:
    """The `error-code` of a failure, in its JSON form."""
    return _CODES.get(error.errno or 0, "io")


def refused(number: int) -> OSError:
    """A failure of this module's own."""
    return OSError(number, os.strerror(number))


class _Budget:
    """How many files guests may have open at once, in this process."""

    def __init__(self, limit: int) -> None:
        self._left, self._lock = limit, threading.Lock()

    def take(self) -> None:
        """One more; OSError (EMFILE) when there are too many."""
        with self._lock:
            if self._left <= 0:
                raise refused(errno.EMFILE)
            self._left -= 1

    def give_back(self) -> None:
        """One fewer."""
        with self._lock:
            self._left += 1


open_files: Final = _Budget(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


class Descriptor(Closeable):
    """The resource `wasi:filesystem/types.descriptor`: an open folder or file, with what may be done with it."""

    def __init__(self, number: int, *, read: bool, write: bool) -> None:
        """Takes over the file descriptor `number`, which counts already."""
        self.number, self.read, self.write = number, read, write
        self._holders = 1
        self.is_folder = stat.S_ISDIR(os.fstat(number).st_mode)

    @classmethod
    def folder(cls, path: str, *, write: bool) -> Descriptor:
        """A folder of the machine; OSError."""
        return cls(_opened(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, None), read=True, write=write)

    def hold(self) -> None:
        """Somebody else uses it too, until they close it: its number must not mean another file meanwhile."""
        self._holders += 1

    def close(self) -> None:
        """See `Closeable`; once for each who holds it."""
        self._holders -= 1
        if not self._holders:
            _close(self.number)

    def require_write(self) -> None:
        """OSError unless it may change anything."""
        if not self.write:
            raise refused(errno.EROFS)

    @contextmanager
    def place(self, path: str, *, follow: bool) -> Generator[tuple[int, str], None, None]:
        """Where a path leads: the open folder that its last part stands in, and that part, which is no link that
        `follow` would follow; ``.`` for a folder itself. OSError."""
        if not self.is_folder:
            raise refused(errno.ENOTDIR)
        walk = _Walk(self.number)
        try:
            yield walk.to(path, follow=follow)
        finally:
            walk.close()

    def open(self, path: str, *, follow: bool, flags: int, read: bool, write: bool) -> Descriptor:
        """Open what a path leads to; `flags` are O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY. OSError."""
        if write or flags & (os.O_CREAT | os.O_TRUNC):
            self.require_write()
        with self.place(path, follow=follow) as (folder, name):
            _require_plain(folder, name)
            access = os.O_RDWR if write and read else os.O_WRONLY if write else os.O_RDONLY
            safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
            number = _opened(name, access | safe | flags, folder)
        opened = Descriptor(number, read=read, write=write)
        if opened.is_folder:
            opened.read, opened.write = True, self.write
        elif not stat.S_ISREG(os.fstat(number).st_mode):
            opened.close()
            raise refused(errno.EPERM)
        return opened

    def entries(self) -> Entries:
        """What a folder holds. OSError."""
        return Entries(_opened(".", _OPEN_DIR, self.number))


class Entries(Closeable):
    """The resource `directory-entry-stream`."""

    def __init__(self, number: int) -> None:
        self._number, self._entries = number, os.scandir(number)

    def next(self) -> os.DirEntry[str] | None:
        """The next entry, without those that have no name in Unicode."""
        return next((entry for entry in self._entries if _is_text(entry.name)), None)

    def close(self) -> None:
        """See `Closeable`."""
        self._entries.close()
        _close(self._number)


class _Walk:
    """A way through folders; the last one of `_folders` is where it has come to."""

    def __init__(self, start: int) -> None:
        self._start, self._folders = start, list[int]()
        self._links = 0

    def to(self, path: str, *, follow: bool) -> tuple[int, str]:
        """See `Descriptor.place`."""
        parts = self._parts(path)
        while parts:
            part = parts.pop(0)
            if part == "..":
                self._climb()
            elif target := self._link(part) if parts or follow else None:
                parts[:0] = self._parts(target)
            elif not parts:
                return self._here, part
            else:
                self._folders.append(_opened(part, _OPEN_DIR, self._here))
        return self._here, "."

    def close(self) -> None:
        """Let go of the folders on the way."""
        for number in self._folders:
            _close(number)

    @property
    def _here(self) -> int:
        return self._folders[-1] if self._folders else self._start

    def _climb(self) -> None:
        if not self._folders:
            raise refused(errno.EPERM)
        _close(self._folders.pop())

    def _link(self, name: str) -> str | None:
        """Where a link leads; None for what is no link, or is not there."""
        try:
            target = os.readlink(name, dir_fd=self._here)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise
        self._links += 1
        if self._links > MAX_LINKS:
            raise refused(errno.ELOOP)
        return target

    def _parts(self, path: str) -> list[str]:
        if path.startswith("/"):
            raise refused(errno.EPERM)
        if not path or "\0" in path:
            raise refused(errno.EINVAL if path else errno.ENOENT)
        if len(path.encode(errors="surrogateescape")) > MAX_PATH:
            raise refused(errno.ENAMETOOLONG)
        return [part for part in path.split("/") if part not in ("", ".")]


def _require_plain(folder: int, name: str) -> None:
    """Before it is opened, which may have effects on a device: a folder, a file, a link, or nothing yet."""
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
        raise refused(errno.EPERM)


def _opened(name: str, flags: int, folder: int | None) -> int:
    open_files.take()
    try:
        return os.open(name, flags, 0o666, dir_fd=folder)
    except BaseException:
        open_files.give_back()
        raise


def _close(number: int) -> None:
    os.close(number)
    open_files.give_back()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class FileInput(InputStream, Closeable):
    """A file that is read from an offset on."""

    def __init__(self, file: Descriptor, offset: int) -> None:
        file.hold()
        self._file, self._offset = file, offset

    def close(self) -> None:
        """See `Closeable`."""
        self._file.close()

    def pollable(self) -> Pollable:
        """There is always something to tell."""
        return READY

    def read(self, limit: int) -> bytes:
        """See `InputStream`."""
        try:
            data = os.pread(self._file.number, min(limit, CHUNK), self._offset)
        except OSError as error:
            raise StreamEnd(StreamError(str(error), file_code=code_of(error))) from None
        if not data:
            raise StreamEnd()
        self._offset += len(data)
        return data


class FileOutput(OutputStream, Closeable):
    """A file that is written from an offset on; at its end with None."""

    def __init__(self, file: Descriptor, offset: int | None) -> None:
        file.hold()
        self._file, self._offset = file, offset

    def close(self) -> None:
        """See `Closeable`."""
        self._file.close()

    def pollable(self, count: int = 1) -> Pollable:
        """There is always room."""
        return READY

    def flushed(self) -> Pollable:
        """What was written is the system's."""
        return READY

    def room(self) -> int:
        """One chunk."""
        return CHUNK

    def write(self, data: bytes) -> None:
        """See `OutputStream`."""
        try:
            written = 0
            while written < len(data):
                at = os.fstat(self._file.number).st_size if self._offset is None else self._offset
                count = os.pwrite(self._file.number, data[written:], at)
                written += count
                self._offset = None if self._offset is None else self._offset + count
        except OSError as error:
            raise StreamEnd(StreamError(str(error), file_code=code_of(error))) from None
