"""Lines of guests on their way to the store: gathered from any thread, written in batches every so often.

Nothing waits for them. What waits of one execution is bounded by what would be kept of it anyway (the oldest go), and
all that waits by `MAX_WAITING_BYTES` (then the newest go); the store is told how many were lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from typing import Final

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.lines import Line, LineStore, Said
from obelisk.runtime.observe.metrics import Counts

logger = logging.getLogger(__name__)
FLUSH_S: Final = 0.2
MAX_WAITING_BYTES: Final = 64 << 20
LINE_BYTES: Final = 192
"""Bytes of memory that a waiting line takes, in addition to the bytes that it counts once it is kept."""
BATCH: Final = 200
"""Lines of one write: what it takes from the loop is a few milliseconds at most."""


class _Waiting:
    """What waits of one execution."""

    __slots__ = ("bytes", "lines", "lost")

    def __init__(self) -> None:
        self.lines: deque[Line] = deque()
        self.bytes = 0
        self.lost = 0


class LineKeeper:
    """`keep_bytes`: how many bytes of one execution's lines are kept. Used on one event loop, except for `add`."""

    def __init__(
        self,
        store: LineStore,
        *,
        keep_bytes: int,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        counts: Counts | None = None,
    ) -> None:
        self._store = store
        self._keep_bytes = keep_bytes
        self._max_waiting_bytes = max_waiting_bytes
        self._counts = counts or Counts()
        self._lock = threading.Lock()
        self._waiting: dict[str, _Waiting] = {}
        self._bytes = 0
        self._flusher: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def start(self) -> None:
        """Begin to write; on the event loop."""
        self._flusher = asyncio.get_running_loop().create_task(self._flush_now_and_then())

    def add(self, execution_id: str, line: Line) -> None:
        """Take a line; on any thread."""
        size = line.size
        with self._lock:
            waiting = self._waiting.get(execution_id)
            if waiting is None:
                waiting = self._waiting[execution_id] = _Waiting()
            if self._bytes + size + LINE_BYTES > self._max_waiting_bytes:
                waiting.lost += 1
                return
            waiting.lines.append(line)
            waiting.bytes += size
            self._bytes += size + LINE_BYTES
            while waiting.bytes > self._keep_bytes:
                oldest = waiting.lines.popleft().size
                waiting.lost += 1
                waiting.bytes -= oldest
                self._bytes -= oldest + LINE_BYTES

    async def flush(self) -> None:
        """Write what waits now. What the store refuses is lost, which the process's log says."""
        async with self._writing:
            while said := self._take():
                count, lost = sum(len(one.lines) for one in said), sum(one.lost for one in said)
                try:
                    await self._store.add_lines(said, keep_bytes=self._keep_bytes)
                    self._counts.add("kept", count=count)
                except ObeliskError as error:
                    lost += count
                    logger.warning("%d lines of guests are lost: %s", count, error.message)
                self._counts.add("lost", count=lost)

    async def close(self) -> None:
        """Write what waits, then write no more."""
        if self._flusher is not None:
            self._flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flusher
        await self.flush()

    async def _flush_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            if self._waiting:
                await self.flush()

    def _take(self) -> list[Said]:
        """At most a batch of lines, with those of each execution in order."""
        said: list[Said] = []
        room = BATCH
        with self._lock:
            while self._waiting and room > 0:
                execution_id = next(iter(self._waiting))
                waiting = self._waiting[execution_id]
                lines = [waiting.lines.popleft() for _ in range(min(room, len(waiting.lines)))]
                size = sum(line.size for line in lines)
                waiting.bytes -= size
                self._bytes -= size + len(lines) * LINE_BYTES
                said.append(Said(execution_id=execution_id, lines=lines, lost=waiting.lost))
                room -= len(lines) + 1
                waiting.lost = 0
                if not waiting.lines:
                    del self._waiting[execution_id]
        return said
