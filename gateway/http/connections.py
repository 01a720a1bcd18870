"""The connections that a server holds: how many there may be, in all and of one client, and which one makes room.

At a bound a connection that waits for its next request makes room for a new one, the one that has waited longest; while
all are at work the new one is refused. No client can have all of them, so one that opens connections and leaves them
open does not keep the others out. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

_TRIED: Final = 16
"""So many are asked to make room, those that have waited longest."""


class Connection(Protocol):
    """One of them."""

    def evict(self) -> bool:
        """Close it, which waits for a request. False if it still has something to send: then it is left alone."""
        ...


@dataclass(slots=True)
class _Client:
    """One client's connections; those that wait, the longest waiting first."""

    count: int = 0
    waiting: dict[Connection, None] = field(default_factory=dict["Connection", None])


class Connections:
    """At most `most` at once, and `most_of_one` of one client (0: half of `most`); a client that `is_proxy`, which
    stands for many, may have all."""

    def __init__(
        self, *, most: int, most_of_one: int = 0, is_proxy: Callable[[str], bool] = lambda name: False
    ) -> None:
        self._most, self._is_proxy = most, is_proxy
        self._most_of_one = most_of_one or max(1, most // 2)
        self._open: dict[Connection, str] = {}
        self._waiting: dict[Connection, None] = {}
        self._clients: dict[str, _Client] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waiting(self) -> int:
        """How many wait for a request."""
        return len(self._waiting)

    def enter(self, connection: Connection, name: str) -> bool:
        """A connection of client `name` was made, and waits for a request. False when there is no room for it."""
        client = self._clients.get(name)
        if client is not None and client.count >= self._most_of_one and not self._is_proxy(name):
            if not self._evict(client.waiting):
                return False
        elif len(self._open) >= self._most and not self._evict(self._waiting):
            return False
        client = self._clients.setdefault(name, _Client())
        client.count += 1
        self._open[connection] = name
        self.waits(connection)
        return True

    def waits(self, connection: Connection) -> None:
        """It waits for its next request."""
        name = self._open.get(connection)
        if name is not None:
            self._waiting[connection] = self._clients[name].waiting[connection] = None

    def works(self, connection: Connection) -> None:
        """A request began on it."""
        if connection in self._waiting:
            del self._waiting[connection]
            del self._clients[self._open[connection]].waiting[connection]

    def leave(self, connection: Connection) -> None:
        """It has ended; one that never entered may leave, too."""
        self.works(connection)
        name = self._open.pop(connection, None)
        if name is None:
            return
        client = self._clients[name]
        client.count -= 1
        if not client.count:
            del self._clients[name]

    def _evict(self, waiting: dict[Connection, None]) -> bool:
        """Close the one that has waited longest, if any waits that can be closed."""
        for connection in tuple(islice(waiting, _TRIED)):
            if connection.evict():
                self.leave(connection)
                return True
        return False
