"""Files for their owner alone: what executions were given and returned is for no other user, whatever the umask says.

A file that exists keeps its mode, since its owner may have chosen it; it is warned about once.
"""

from __future__ import annotations

import functools
import logging
import os
import pwd
import stat
from pathlib import Path
from typing import BinaryIO, Final

_log = logging.getLogger(__name__)
_FOLDER: Final = 0o700
_FILE: Final = 0o600
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH


def make_folder(path: Path) -> None:
    """Make a folder and those above it, as far as they are missing. OSError."""
    for folder in reversed([path, *path.parents]):
        try:
            folder.mkdir(mode=_FOLDER)
        except FileExistsError:
            if not folder.is_dir():
                raise
        except OSError:
            if not folder.is_dir():  # a root that is read-only says so of folders that are there, too
                raise


def new_file(path: Path) -> BinaryIO:
    """A new file, open for writing. FileExistsError, OSError."""
    return open(path, "xb", opener=_open)  # its caller closes it


def make_file(path: Path) -> None:
    """Make an empty file unless there is one, for a library that writes into it; OSError.

    One that is there is not opened: closing it would end the locks that this process has on it.
    """
    real = Path(os.path.realpath(path))
    if real.exists():
        return
    try:
        new_file(real).close()
    except FileExistsError:
        return  # another process was as quick


def warn_if_open(*paths: Path) -> None:
    """Log, once for each file, that others than its owner may read or write it; those that are not there are not."""
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & (_OTHERS_READ | _OTHERS_WRITE):
            _warn(path.absolute(), mode)


@functools.cache
def _warn(path: Path, mode: int) -> None:
    may = "write" if mode & _OTHERS_WRITE else "read"
    _log.warning("%s: other users of this machine may %s it (mode %04o): chmod 600 %s", path, may, mode, path)


def why_not_ours(found: os.stat_result, path: Path) -> str:
    """Why an open file may have been written by a user other than this one and root, with the remedy; ``""``: it may
    not."""
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file: replace it with one"
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to {_name(found.st_uid)}, not to {_name(os.geteuid())}: chown {os.geteuid()} {path}"
    if found.st_mode & _OTHERS_WRITE:
        return f"may be changed by other users (mode {stat.S_IMODE(found.st_mode):04o}): chmod 600 {path}"
    return ""


def _name(user: int) -> str:
    try:
        return f"the user {pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"the user {user}"


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, _FILE)
