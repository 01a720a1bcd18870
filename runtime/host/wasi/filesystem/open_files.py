"""Opening what guests may open, counted: all guests together hold a share of the process's files.

Also the errors of the system as WASI names them.
"""

from __future__ import annotations

import errno
import os
import resource
import threading
from typing import Final

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
    """A failure that no call of the system's had."""
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


budget: Final = _Budget(resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


def open_at(name: str, flags: int, folder: int | None) -> int:
    """A file descriptor of `name` in an open folder, counted. OSError."""
    budget.take()
    try:
        return os.open(name, flags, 0o666, dir_fd=folder)
    except BaseException:
        budget.give_back()
        raise


def close(number: int) -> None:
    """Close a descriptor that counted."""
    os.close(number)
    budget.give_back()
