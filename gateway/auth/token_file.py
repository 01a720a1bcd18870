"""The file of token hashes. It is replaced as a whole and readable by its owner alone; a server notices the change.

Who can write it can give tokens: one that belongs to another user, or that others may change, is refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from obelisk.gateway.auth import tokens
from obelisk.gateway.auth.tokens import Token, Tokens
from obelisk.runtime import private
from obelisk.runtime.errors import ConfigError

logger = logging.getLogger("obelisk.gateway")

LOOK_EVERY_S: Final = 0.5


class TokenFileInvalid(ConfigError):
    """The file of tokens cannot be read, is none, or another user can write it; `fields["path"]`."""

    code = "token_file_invalid"


def read(path: Path) -> Tokens:
    """The tokens of a file; none when there is no file. TokenFileInvalid."""
    try:
        with path.open("rb") as file:
            reason = private.why_not_ours(os.fstat(file.fileno()), path)
            if reason:
                raise TokenFileInvalid(f"{path}: {reason}, or make new tokens", path=str(path))
            return tokens.decode(file.read())
    except FileNotFoundError:
        return Tokens()
    except OSError as error:
        raise TokenFileInvalid(f"{path}: {error.strerror}", path=str(path)) from None
    except ValueError as error:
        raise TokenFileInvalid(f"{path}: not a file of tokens: {error}", path=str(path)) from None


def write(path: Path, kept: Tokens) -> None:
    """Replace the file, which is made if need be; it is never there by half. TokenFileInvalid."""
    try:
        private.make_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # for its owner alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(tokens.encode(kept.items))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise TokenFileInvalid(
            f"[server] token_file: {path.absolute()} cannot be written: {error.strerror}; "
            "name a place that can be, as /var/lib/obelisk/tokens.json",
            path=str(path),
        ) from None


class LiveTokens:
    """The tokens of a file as it is now, and `extra` ones that stand in no file.

    The file is looked at every `LOOK_EVERY_S` at most. One that has become unreadable admits no token.
    """

    def __init__(self, path: Path, *extra: Token, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._extra = extra
        self._clock = clock
        self._looked_at = -LOOK_EVERY_S
        self._seen: tuple[int, ...] | None = None
        self._tokens = Tokens(extra)

    def current(self) -> Tokens:
        """All tokens that count now."""
        now = self._clock()
        if now - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = now
            seen = self._stamp()
            if seen != self._seen:
                self._seen = seen
                self._tokens = self._read()
        return self._tokens

    def _read(self) -> Tokens:
        try:
            return Tokens((*read(self._path).items, *self._extra))
        except TokenFileInvalid as error:
            logger.error("%s; its tokens are refused until it is whole", error.message)
            return Tokens(self._extra)

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode, found.st_uid
