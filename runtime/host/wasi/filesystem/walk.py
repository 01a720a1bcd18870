"""The way from an open folder to where a path leads, which never leaves that folder.

A path is walked part by part, each opened from the folder that was reached (`openat`), never following a link of the
system's own accord. Links are read here and walked in the same way: one that is absolute, or climbs above the folder
that the walk began at, is not permitted, even when files are swapped during the walk.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from obelisk.runtime.host.wasi.filesystem.open_files import close, open_at, refused

MAX_LINKS: Final = 40
MAX_PATH: Final = 4096
OPEN_DIR: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Walk:
    """A way through folders; the last one of `_folders` is where it has come to."""

    def __init__(self, start: int) -> None:
        self._start, self._folders = start, list[int]()
        self._links = 0

    def to(self, path: str, *, follow: bool) -> tuple[int, str]:
        """The open folder that a path's last part stands in, and that part; ``.`` for a folder itself.

        The part is no link if links are to be followed. OSError.
        """
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
                self._folders.append(open_at(part, OPEN_DIR, self._here))
        return self._here, "."

    def close(self) -> None:
        """Let go of the folders on the way."""
        for number in self._folders:
            close(number)

    @property
    def _here(self) -> int:
        return self._folders[-1] if self._folders else self._start

    def _climb(self) -> None:
        if not self._folders:
            raise refused(errno.EPERM)
        close(self._folders.pop())

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
