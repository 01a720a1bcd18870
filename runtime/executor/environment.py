"""What every run may ask of the process it is in: time, ids, randomness, a place for what its guest says."""

from __future__ import annotations

import logging

from obelisk.runtime import ids
from obelisk.runtime.executor.lines import LineKeeper
from obelisk.runtime.lines import LEVELS, SOURCES, Line
from obelisk.runtime.ports import Clock, Entropy, Store

_guest_logger = logging.getLogger("obelisk.guest")


class Environment:
    """The part of an executor that does not depend on what is deployed. `log_bytes`: see `ExecutorSettings`."""

    def __init__(self, clock: Clock, entropy: Entropy, store: Store, log_bytes: int) -> None:
        self.clock = clock
        self._entropy = entropy
        self.lines = LineKeeper(store, keep_bytes=log_bytes)

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self.clock.now_us()

    def ulid(self) -> str:
        """A fresh ULID."""
        return ids.ulid(self.clock.now_us() // 1000, self._entropy.bits(80))

    def bits(self, count: int) -> int:
        """Random bits."""
        return self._entropy.bits(count)

    def guest_line(self, execution_id: str, line: Line) -> None:
        """Keep a line; on any thread. It also goes to the process's log at DEBUG, as `obelisk.guest`."""
        self.lines.add(execution_id, line)
        if _guest_logger.isEnabledFor(logging.DEBUG):
            source, level = SOURCES[line.source], LEVELS[line.level]
            _guest_logger.debug("%s: %s %s: %s", execution_id, source, level, line.text)

    async def flush_lines(self) -> None:
        """Write what guests have said so far to the store."""
        await self.lines.flush()
