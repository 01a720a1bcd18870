"""Read-only connections: one for the loop's thread, a few on threads of their own.

A read of a few indexed rows takes 10 µs and a hop to a thread and back 100: those run on the loop. What may be long (a
listing, a whole log) runs away from it. In WAL mode readers and the writer do not wait for each other; every read sees
all that was committed when it began.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from obelisk.runtime.store.sqlite.errors import refusal, store_error
from obelisk.runtime.store.sqlite.schema import open_reader

T = TypeVar("T")
THREADS = 2


class Readers:
    """See the module's text. `close` from the loop that reads."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._here = open_reader(path, busy_timeout_s)
        self._all = [self._here]
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="obelisk-store-reader")
        self._closed = False

    def here(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """`read` on the caller's thread, which must be the loop's. For few rows only."""
        if self._closed:
            raise refusal(self._path, "closed", "is closed")
        return self._read(self._here, read)

    async def away(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """`read` on a reader's thread."""
        if self._closed:
            raise refusal(self._path, "closed", "is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._read(self._mine(), read))

    async def close(self) -> None:
        """Let reads under way finish, then close the connections."""
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        while self._all:
            self._all.pop().close()

    def _mine(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = open_reader(self._path, self._busy_timeout_s)
            self._all.append(connection)
        return connection

    def _read(self, connection: sqlite3.Connection, read: Callable[[sqlite3.Connection], T]) -> T:
        """In one read transaction, so that several statements see the same state."""
        try:
            connection.execute("begin")
            try:
                return read(connection)
            finally:
                connection.execute("rollback")
        except sqlite3.Error as error:
            raise store_error(error, self._path) from error
