"""The writer: everything queued while the previous commit was in flight goes into the next one, in order.

Lives on one event loop. A flush runs at the end of the loop's iteration, so that all that is queued in one go shares a
commit. It takes one of two ways:

- *Inline*: begin, statements and commit on the loop's thread. A hop to another thread and back costs a third of a
  commit on a quick disk, and a workflow that calls one activity after another has nothing else to do meanwhile.
- *Thread*: statements on the loop's thread, the commit on the writer's thread, where it overlaps with guests. Taken
  when the group is large (others have work) or when commits have been slow of late. Not the statements: each of them
  would let go of the interpreter lock and wait for it again, up to 5 ms behind a busy loop.

A large transaction (`queue`) runs on the thread as a whole, and what it wrote is moved out of the write-ahead log while
others commit (`checkpoints`). Another process that holds the write lock is waited for on the thread, where the whole
group runs then. While a commit is in flight the connection is the thread's. Outcomes are told on the loop, in the order
of the commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.observe.metrics import Metrics
from obelisk.runtime.store.sqlite.checkpoints import Checkpoints
from obelisk.runtime.store.sqlite.errors import is_busy, refusal, store_error
from obelisk.runtime.store.sqlite.group import Group, Outcome, Work
from obelisk.runtime.store.sqlite.queue import Queue, Queued, Told
from obelisk.runtime.store.sqlite.schema import retrying

INLINE_GROUP = 8
INLINE_COMMIT_S = 0.001_5
GONE = (
    "was deleted or replaced while it is in use: what is written would be lost with it. Put the file back where it "
    "was, or stop the server and restore a backup"
)
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class _Landed:
    """What became of a group: an outcome each or one error for all; how long the commit took (None: there was none)."""

    outcomes: Sequence[Outcome] | ObeliskError
    commit_s: float | None


class OpenFile:
    """The file that a connection was opened on: whether its name still stands for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)

    def is_there(self) -> bool:
        """Whether what is written reaches the file of that name: it may have been deleted or replaced since."""
        return _identity(self._path) == self._identity


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Writer:
    """Commits on `connection`, which it owns from now on. `inline_group` and `inline_commit_s`: the limits up to which
    a commit runs on the loop's thread."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        busy_timeout_s: float,
        inline_group: int = INLINE_GROUP,
        inline_commit_s: float = INLINE_COMMIT_S,
        metrics: Metrics | None = None,
    ) -> None:
        self._path = path
        self._connection = connection
        self._file = OpenFile(path)
        self._group = Group(connection)
        self._busy_timeout_s = busy_timeout_s
        self._inline_group = inline_group
        self._inline_commit_s = inline_commit_s
        self._metrics = metrics or Metrics()
        self._commit_s = 0.0
        self._queue = Queue()
        self._checkpoints = Checkpoints(path)
        self._resting: asyncio.TimerHandle | None = None
        self._active = False
        self._closed = False
        self._idle: list[asyncio.Future[None]] = []
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def push(self, work: Work, told: Told) -> None:
        """Queue work; `told` hears its outcome on the loop, once it is durable or refused."""
        loop = asyncio.get_running_loop()
        if self._closed:
            loop.call_soon(told, refusal(self._path, "closed", "is closed"))
            return
        self._queue.add(work, told)
        if not self._active:
            self._active = True
            loop.call_soon(self._flush, loop)
        elif self._resting is not None:
            self._rest_no_more(loop)

    def _rest_no_more(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
            loop.call_soon(self._flush, loop)

    async def drain(self) -> None:
        """Take no more work; return when what is queued is committed."""
        self._closed = True
        self._rest_no_more(asyncio.get_running_loop())
        if self._active:
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle

    async def close(self) -> None:
        """After `drain`: close the connection. The last one to do so moves the write-ahead log into the database."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread = None
        await self._checkpoints.close()
        await asyncio.get_running_loop().run_in_executor(None, self._connection.close)

    # --- on the loop ------------------------------------------------------------------------------------------------
    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        self._resting = None
        group, large, wait_s = self._queue.take(math.inf if self._closed else time.monotonic())
        if not group:
            self._resting = loop.call_later(wait_s, self._flush, loop)
            return
        work = [item.work for item in group]
        inline = len(group) <= self._inline_group and self._commit_s <= self._inline_commit_s
        try:
            self._checkpoints.settle(self._connection, large=large)
            if large:
                self._hand_over(loop, group, lambda: self._whole(work), large=True)
                return
            idle = self._group.idle(work)
            if idle is not None:
                self._land(loop, group, _Landed([idle], None))
                return
            outcomes = self._execute(work)
            if inline:
                self._land(loop, group, self._commit(outcomes))
            else:
                self._hand_over(loop, group, lambda: self._commit(outcomes))
        except sqlite3.OperationalError as error:
            if is_busy(error):
                self._hand_over(loop, group, lambda: self._whole(work))
            else:
                self._land(loop, group, self._lost(error))
        except Exception as error:
            self._land(loop, group, self._lost(error))

    def _land_large(self, loop: asyncio.AbstractEventLoop, group: Sequence[Queued], landed: _Landed) -> None:
        if landed.commit_s is not None:
            self._checkpoints.begin(loop)
            self._queue.large_took(landed.commit_s, time.monotonic())
        self._land(loop, group, landed, large=True)

    def _land(
        self, loop: asyncio.AbstractEventLoop, group: Sequence[Queued], landed: _Landed, *, large: bool = False
    ) -> None:
        if landed.commit_s is not None:
            self._metrics.group_sizes.add(len(group))
            self._metrics.commit_seconds.add(landed.commit_s)
        if landed.commit_s is not None and not large:  # what it takes says nothing of small ones
            seconds = min(landed.commit_s, 4 * self._inline_commit_s)  # one stall is no trend
            self._commit_s += (seconds - self._commit_s) * _SMOOTHING
        result = landed.outcomes
        for place, item in enumerate(group):
            try:
                item.told(result if isinstance(result, ObeliskError) else result[place])
            except Exception as exception:
                loop.call_exception_handler({"message": "a commit callback failed", "exception": exception})
        if self._queue:
            loop.call_soon(self._flush, loop)
            return
        self._active = False
        for idle in self._idle:
            if not idle.done():
                idle.set_result(None)

    def _hand_over(
        self,
        loop: asyncio.AbstractEventLoop,
        group: Sequence[Queued],
        action: Callable[[], _Landed],
        *,
        large: bool = False,
    ) -> None:
        land = self._land_large if large else self._land

        def job() -> None:
            landed = action()
            with contextlib.suppress(RuntimeError):  # the loop is gone, and all who could be told with it
                loop.call_soon_threadsafe(land, loop, group, landed)

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="obelisk-store-writer", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    # --- on either thread, one at a time ----------------------------------------------------------------------------
    def _execute(self, work: Sequence[Work]) -> list[Outcome]:
        """Begin and run the statements; the transaction is open after it. Raises what SQLite reports, rolled back."""
        try:
            self._group.begin()
            outcomes = self._group.run(work)
            if outcomes is None:
                self._group.rollback()
                self._group.begin()
                outcomes = self._group.run_carefully(work)
            return outcomes
        except BaseException:
            self._group.rollback()
            raise

    def _commit(self, outcomes: Sequence[Outcome]) -> _Landed:
        start_s = time.perf_counter()
        try:
            self._group.commit()
        except Exception as error:
            return self._lost(error)
        if not self._file.is_there():
            return _Landed(refusal(self._path, "gone", GONE), None)
        return _Landed(outcomes, time.perf_counter() - start_s)

    def _whole(self, work: Sequence[Work]) -> _Landed:
        """All of it, waiting for the write lock as long as is allowed."""
        try:
            outcomes = retrying(lambda: self._execute(work), time.monotonic() + self._busy_timeout_s)
        except Exception as error:
            return self._lost(error)
        return self._commit(outcomes)

    def _lost(self, error: Exception) -> _Landed:
        """The group fails as one; the connection is good for the next."""
        with contextlib.suppress(sqlite3.Error):
            self._group.rollback()
        if isinstance(error, sqlite3.Error):
            return _Landed(store_error(error, self._path), None)
        if isinstance(error, ObeliskError):
            return _Landed(error, None)
        return _Landed(StoreError(f"the database {self._path} failed: {error!r}", reason="failed"), None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
