"""How much a folder that guests write into may hold: bytes and entries, of all guests of this process together.

What is in it is counted once by looking (`measure`), then by what guests change; looked at again now and then, since
others may change it too: people, other processes. A file that has no name any more counts until it is closed
everywhere. The size of a file is what it says of itself: a hole counts like what was written. Entries are files,
folders and links.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

_LOOK_AGAIN_S: Final = 10.0
_LOOK_SHARE: Final = 50
"""Looking takes at most one part in so many of the time."""
_AFTER_REFUSAL_S: Final = 1.0


class RoomExceeded(OSError):
    """There is no room for what a guest wants to write."""

    def __init__(self, key: str) -> None:
        super().__init__(errno.EDQUOT, f"{key} does not allow more")
        self.key = key


class FolderRoom:
    """The room of one folder. Its methods may be called on any thread."""

    def __init__(self, path: str, *, max_bytes: int, max_entries: int, key: str) -> None:
        """`max_bytes` and `max_entries` 0: no bound. `key` names the folder's table of the configuration."""
        self._path, self._key = path, key
        self._max_bytes, self._max_entries = max_bytes, max_entries
        self._bytes, self._entries = 0, 0
        self._open: dict[tuple[int, int], int] = {}
        self._lock, self._looking = threading.Lock(), threading.Lock()
        self._due_s = 0.0

    def is_due(self) -> bool:
        """Whether it should be measured before it is used."""
        return time.monotonic() >= self._due_s

    def measure(self) -> None:
        """Look what the folder holds, unless that is known well enough. Takes a while in a large one."""
        with self._looking:
            if not self.is_due():
                return
            begin_s = time.monotonic()
            with self._lock:
                before = self._bytes, self._entries
            size, entries = self._look()
            with self._lock:  # what changed meanwhile may be counted twice, until the next look
                self._bytes, self._entries = size + self._bytes - before[0], entries + self._entries - before[1]
            now_s = time.monotonic()
            self._due_s = now_s + max(_LOOK_AGAIN_S, (now_s - begin_s) * _LOOK_SHARE)

    def take(self, size: int, entries: int = 0) -> None:
        """So many more bytes and entries; RoomExceeded, which counts nothing."""
        with self._lock:
            for name, limit, held, more in (
                ("max_bytes", self._max_bytes, self._bytes, size),
                ("max_entries", self._max_entries, self._entries, entries),
            ):
                if limit and more > 0 and held + more > limit:
                    self._due_s = min(self._due_s, time.monotonic() + _AFTER_REFUSAL_S)
                    raise RoomExceeded(f"{self._key}.{name}")
            self._bytes += size
            self._entries += entries

    def give_back(self, size: int, entries: int = 0) -> None:
        """So many fewer."""
        with self._lock:
            self._bytes -= size
            self._entries -= entries

    def opened(self, found: os.stat_result) -> None:
        """A guest has a file open."""
        file = found.st_dev, found.st_ino
        with self._lock:
            self._open[file] = self._open.get(file, 0) + 1

    def closing(self, found: os.stat_result) -> None:
        """It is about to close it."""
        file = found.st_dev, found.st_ino
        with self._lock:
            left = self._open.pop(file) - 1
            if left:
                self._open[file] = left
            elif not found.st_nlink:
                self._bytes -= found.st_size

    def removed(self, found: os.stat_result) -> None:
        """An entry is gone, which was `found` before."""
        with self._lock:
            self._entries -= 1
            is_last = stat.S_ISREG(found.st_mode) and found.st_nlink <= 1
            if is_last and (found.st_dev, found.st_ino) not in self._open:
                self._bytes -= found.st_size

    def _look(self) -> tuple[int, int]:
        size, entries, seen = 0, 0, set[tuple[int, int]]()
        for found in _below(self._path):
            entries += 1
            file = found.st_dev, found.st_ino
            if stat.S_ISREG(found.st_mode) and file not in seen:
                size += found.st_size
                if found.st_nlink > 1:
                    seen.add(file)
            if self._max_entries and entries > self._max_entries:
                break  # it is full: how full does not matter
        return size, entries


class NestedRoom:
    """The room of a folder that lies in others which have bounds, too: what is written into it counts in all of them.

    `rooms`: its own, if it has a bound, and theirs. As `FolderRoom`.
    """

    def __init__(self, rooms: Sequence[FolderRoom]) -> None:
        self._rooms = tuple(rooms)

    def is_due(self) -> bool:
        """See `FolderRoom`."""
        return any(room.is_due() for room in self._rooms)

    def measure(self) -> None:
        """See `FolderRoom`."""
        for room in self._rooms:
            room.measure()

    def take(self, size: int, entries: int = 0) -> None:
        """See `FolderRoom`; one that refuses leaves the others as they were."""
        for count, room in enumerate(self._rooms):
            try:
                room.take(size, entries)
            except RoomExceeded:
                for taken in self._rooms[:count]:
                    taken.give_back(size, entries)
                raise

    def give_back(self, size: int, entries: int = 0) -> None:
        """See `FolderRoom`."""
        for room in self._rooms:
            room.give_back(size, entries)

    def opened(self, found: os.stat_result) -> None:
        """See `FolderRoom`."""
        for room in self._rooms:
            room.opened(found)

    def closing(self, found: os.stat_result) -> None:
        """See `FolderRoom`."""
        for room in self._rooms:
            room.closing(found)

    def removed(self, found: os.stat_result) -> None:
        """See `FolderRoom`."""
        for room in self._rooms:
            room.removed(found)


Room: TypeAlias = "FolderRoom | NestedRoom"


class Share:
    """One guest's use of a room; `tell` is told once, which key refused it."""

    def __init__(self, room: Room, tell: Callable[[str], None]) -> None:
        self.room = room
        self._tell: Callable[[str], None] | None = tell

    def take(self, size: int, entries: int = 0) -> None:
        """See `FolderRoom.take`."""
        try:
            self.room.take(size, entries)
        except RoomExceeded as error:
            tell, self._tell = self._tell, None
            if tell is not None:
                tell(f"a write was refused: {error.strerror}")
            raise


def _below(path: str) -> Iterator[os.stat_result]:
    """All that is in a folder, links not followed; what cannot be looked at is passed over."""
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        yield entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue
