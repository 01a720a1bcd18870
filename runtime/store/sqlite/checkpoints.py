"""Moves what large transactions wrote from the write-ahead log into the database, while commits go on.

SQLite does that inside the commit that makes the log long enough, and all that is queued waits for it: some ten
milliseconds for each of megabytes. After a large commit it is done here instead, on a thread and a connection of its
own; commits that come meanwhile go to the end of the log. Until it is done the writer leaves a longer log alone
(`PATIENT_PAGES`), a bound for disks on which this thread is slower than commits are.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Final

from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite.schema import WAL_PAGES

PATIENT_PAGES: Final = 16 * WAL_PAGES


class Checkpoints:
    """For the writer of the database at `path`. All but the work itself is on its event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_running = self._is_wanted = False
        self._patient = False
        self._thread: threading.Thread | None = None

    def settle(self, connection: sqlite3.Connection, *, large: bool) -> None:
        """Before a group begins on the writer's `connection`: who looks after the log from now on."""
        patient = large or self.is_running
        if patient != self._patient:
            self._patient = patient
            connection.execute(f"pragma wal_autocheckpoint = {PATIENT_PAGES if patient else WAL_PAGES}")

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """A large transaction was committed."""
        self._is_wanted = True
        if not self.is_running:
            self.is_running = True
            self._is_wanted = False
            self._thread = threading.Thread(
                target=self._run, args=(loop,), name="obelisk-store-checkpoint", daemon=True
            )
            self._thread.start()

    async def close(self) -> None:
        """Return when nothing is under way; `begin` comes no more."""
        self._is_wanted = False
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        # What fails here (no room, a lock) is left to the writer, whose next commits say so.
        with (
            contextlib.suppress(sqlite3.Error, OSError),
            contextlib.closing(sqlite_schema.open_checkpointer(self._path)) as connection,
        ):
            connection.execute("pragma wal_checkpoint(passive)").fetchone()
        with contextlib.suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(self._done, loop)

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_running = False
        if self._is_wanted:
            self.begin(loop)
