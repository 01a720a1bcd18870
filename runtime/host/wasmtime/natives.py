"""What wasmtime has allocated for us, deleted when its owner is closed and not when the garbage collector comes by.

    core of an engine ◀─ engine ◀─ compiled component ◀─ prepared component ◀─ guests

Each is a user of what it is made from. A guest may still run on a thread when its owner is closed, and wasmtime reads
what it was started from by address: so an owner that is closed takes no new users at once, and is deleted when the
last user has left.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, Protocol

from obelisk.runtime.host.errors import Stopped

_tokens: Final = itertools.count(1)


class Closable(Protocol):
    """Something that is deleted by `close`, which is idempotent."""

    def close(self) -> None:
        """Delete it."""
        ...


class Natives:
    """Owns what it is given and uses `parent`. Safe from any thread."""

    def __init__(self, what: str, *owned: Closable, parent: Natives | None = None) -> None:
        """`what` it belongs to, for messages. Stopped when the parent is closed; then nothing is owned."""
        self.is_closed = False
        self._what, self._owned, self._parent = what, list(owned), parent
        self._users: set[int] = set()
        self._token = next(_tokens)
        if parent is not None:
            parent.enter(-self._token)

    def enter(self, token: int) -> None:
        """The guest `token` (users that are no guests have negative ones) uses it from now on. Stopped."""
        self._users.add(token)
        if self.is_closed:  # seen by one side at least: `close` says so before it looks for users
            self.leave(token)
            raise Stopped(f"the {self._what} was closed")

    def leave(self, token: int) -> None:
        """The user is through with it. Idempotent."""
        self._users.discard(token)
        if self.is_closed:
            self._delete_unless_used()

    @contextmanager
    def used(self) -> Generator[None]:
        """Use it for a while. Stopped."""
        token = -next(_tokens)
        self.enter(token)
        try:
            yield
        finally:
            self.leave(token)

    def close(self) -> None:
        """Take no more users, and delete what is owned once there is none. Idempotent."""
        self.is_closed = True
        self._delete_unless_used()

    def _delete_unless_used(self) -> None:
        if self._users:
            return
        while self._owned:  # perhaps on two threads: each pops its own
            self._owned.pop().close()
        if self._parent is not None:
            self._parent.leave(-self._token)

    def __del__(self) -> None:
        """Dropped without having been closed: what it owns deletes itself, and its parent must not wait for it."""
        if self._parent is not None:
            self._parent.leave(-self._token)
