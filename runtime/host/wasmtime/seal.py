"""The seal of compiled code: that it is whole, and that who could write it knew the key.

The key is a file next to the folder, `FOLDER.key`, for its owner alone: who may write into the folder, and no more,
cannot seal what they put there, nor give a file the name of another component. Where that place cannot be written, or
others may know the key, a seal tells damage alone, and the rights of the folder and its files are what counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import logging
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from obelisk.runtime import private

_log = logging.getLogger(__name__)
_MARK: Final = b"obelisk2"
_KEY_BYTES: Final = 32
SIZE: Final = len(_MARK) + hashlib.sha256().digest_size


def sealed(path: Path, code: bytes) -> bytes:
    """The seal of a file's content, which follows it."""
    return _MARK + _digest(path, code)


def is_sealed(path: Path, data: bytes) -> bool:
    """Whether a file is whole, and has the name under which it was written."""
    code, seal = memoryview(data)[:-SIZE], data[-SIZE:]
    return hmac.compare_digest(seal, _MARK + _digest(path, code))


def key_path(folder: Path) -> Path:
    """Where the key of a cache is."""
    real = Path(os.path.realpath(folder))
    return real.with_name(f"{real.name}.key")


def _digest(path: Path, code: bytes | memoryview) -> bytes:
    key = _key(key_path(path.parent))
    if not key:
        return hashlib.sha256(code).digest()
    made = hmac.new(key, path.name.encode() + b"\0", hashlib.sha256)
    made.update(code)
    return made.digest()


@functools.cache
def _key(path: Path) -> bytes:
    """The key in a file, which is made unless it is there; none where that cannot be, which is logged once."""
    try:
        if not path.exists():
            _make(path)
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            reason = private.why_not_ours(found, path)
            if not reason and found.st_mode & (stat.S_IRGRP | stat.S_IROTH):
                reason = "may be read by other users: remove it"
            key = file.read(_KEY_BYTES + 1)
    except OSError as error:
        reason, key = f"cannot be used: {error.strerror}", b""
    if not reason and len(key) != _KEY_BYTES:
        reason = f"has not {_KEY_BYTES} bytes: remove it"
    if reason:
        _log.warning("the key of compiled components %s %s; a seal tells damage, not who made the file", path, reason)
        return b""
    return key


def _make(path: Path) -> None:
    """Whole or not at all, and of several processes one makes it."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def forget() -> None:
    """Read keys again."""
    _key.cache_clear()
