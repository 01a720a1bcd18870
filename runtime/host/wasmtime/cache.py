"""Compiled components on disk: native code that is loaded and run, so a file is used only if it is whole and ours.

A file is named by the digest of the component and the fingerprint of the engine, ends in a seal over its name and its
content (`seal`), and appears by renaming, so that a half-written file is never seen. What is damaged, not sealed by us,
or made by another wasmtime, is built again. A folder that others may write to is not used, nor a file that others may
have written, which a folder may hold that was open to them before. A process that compiles holds a lock, so that
several processes (or threads) that need the same component at the same time compile it once.

A file that is used tells so by its time of change, once an hour. What was not used for long goes (`prune`), and of the
rest what was not used the longest, while there is too much. A process that has such a file in use keeps it: it only
loses its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import stat
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import wasmtime
from wasmtime.component import Component

from obelisk.runtime import private
from obelisk.runtime.host.wasmtime import seal

_log = logging.getLogger(__name__)
SUFFIX: Final = ".cwasm"
"""How the name of a compiled component ends."""
_LOCK: Final = ".lock"
_OURS: Final = re.compile(r"[0-9a-f]{64}-[0-9a-z]+(?:\.cwasm\w*|\.lock)\Z")
_FRESH_S: Final = 3600.0
_ABANDONED_S: Final = 86_400.0


def usable(folder: Path | None) -> Path | None:
    """The folder, made if need be, or None when it cannot be one or others may write to it, which is logged."""
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        _log.warning(
            "[cache] path: %s cannot be used: %s; components are compiled at each start", folder, error.strerror
        )
        return None
    if found.st_uid not in (os.geteuid(), 0) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        _log.warning("the cache of compiled components is not used: others may write to %s", folder)
        return None
    return folder


class _NotOurs(OSError):
    """A file is there that another user may have written."""


class CompiledFile:
    """The compiled form of one component for one kind of engine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, engine: wasmtime.Engine, *, quietly: bool = False) -> Component | None:
        """The component, or None when there is none that can be used, which is logged unless it is not there."""
        try:
            with self._opened() as file:
                if not seal.is_sealed(self._path, file.read()):
                    if not quietly:
                        _log.warning("compiled component %s is damaged; building it again", self._path.name)
                    return None
                component = _mapped(engine, file)
            self._mark_used()
            return component
        except _NotOurs as error:
            if not quietly:
                _log.warning("compiled component %s is not used: it %s; building it again", self._path, error)
            return None
        except FileNotFoundError:
            return None
        except (OSError, wasmtime.WasmtimeError) as error:
            if not quietly:
                text = " ".join(str(error).split())
                _log.warning("compiled component %s cannot be used (%s); building it again", self._path.name, text)
            return None

    def _mark_used(self) -> None:
        with contextlib.suppress(OSError):  # it is gone, or on a disk that cannot be written
            if time.time() - self._path.stat().st_mtime > _FRESH_S:
                os.utime(self._path)

    def map(self, engine: wasmtime.Engine) -> Component:
        """The component of a file that was seen to be whole. OSError, also when others may have written it;
        WasmtimeError."""
        with self._opened() as file:
            return _mapped(engine, file)

    @contextmanager
    def _opened(self) -> Generator[BinaryIO]:
        handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as file:
            reason = private.why_not_ours(os.fstat(handle), self._path)
            if reason:
                raise _NotOurs(reason)
            yield file

    def save(self, code: bytes) -> bool:
        """Write the file whole or not at all; a failure is logged. Whether it is there."""
        try:
            handle, name = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
        except OSError as error:
            _log.warning("the component cache cannot be written: %s", error)
            return False
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(code)
                file.write(seal.sealed(self._path, code))
            os.replace(name, self._path)
        except OSError as error:
            Path(name).unlink(missing_ok=True)
            _log.warning("the component cache cannot be written: %s", error)
            return False
        return True

    @contextmanager
    def alone(self) -> Generator[None]:
        """Hold the right to compile it, waiting for its holder. Where files cannot be locked, all compile."""
        lock = self._path.with_suffix(_LOCK)
        handle = _locked(lock)
        try:
            yield
        finally:
            if handle is not None:
                with contextlib.suppress(OSError):
                    lock.unlink()  # while it is held: a waiter sees that it is gone and makes a new one
                os.close(handle)


def prune(folder: Path, *, max_bytes: int, unused_s: float) -> int:
    """Remove what was not used for `unused_s` seconds, and the oldest of the rest beyond `max_bytes`; how many files.

    What was used within the last hour stays, and what is being written. Safe with other processes and threads at work.
    """
    now_s, held, removed = time.time(), 0, 0
    for path, found in sorted(_entries(folder), key=lambda entry: -entry[1].st_mtime):
        age_s = now_s - found.st_mtime
        if path.suffix == _LOCK:
            _remove_lock(path)
            continue
        if path.suffix != SUFFIX:  # of a process that died while it wrote
            is_wanted = age_s < _ABANDONED_S
        else:
            held += found.st_size
            is_wanted = age_s < _FRESH_S or (age_s < unused_s and held <= max_bytes)
        if not is_wanted:
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
                held -= found.st_size if path.suffix == SUFFIX else 0
    return removed


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files of a cache; files of other programs are passed over."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return
    for path in paths:
        if _OURS.match(path.name):
            with contextlib.suppress(OSError):
                yield path, path.stat()


def _remove_lock(path: Path) -> None:
    """Of a process that died: it has no holder."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()  # while it is held, as in `alone`
        finally:
            os.close(handle)


def _locked(path: Path) -> int | None:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except FileNotFoundError:
            pass
        except OSError:
            os.close(handle)
            return None
        os.close(handle)


def _mapped(engine: wasmtime.Engine, file: BinaryIO) -> Component:
    """The code of the very file that was looked at, even if another has its name by now."""
    return Component.deserialize_file(engine, f"/dev/fd/{file.fileno()}")
