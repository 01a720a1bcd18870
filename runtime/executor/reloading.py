"""What becomes of a run whose commit was refused: it is read again, or its result is recorded again.

Nothing is done while the store takes no writes: an attempt that has ended keeps its result until there is room for it,
so that a full disk makes no activity run twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.executor.runs import holds
from obelisk.runtime.executor.taken import Taken
from obelisk.runtime.health import Health
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Locked, Paused
from obelisk.runtime.ports import Clock, Committed, Intervene, Store, Stored, Write

logger = logging.getLogger(__name__)
DELAY_S = 0.5


class Reloading:
    """`adopt(stored)` is called with an execution that still is under the lock it was dropped under."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        health: Health,
        spawn: Callable[[Coroutine[None, None, None]], None],
        adopt: Callable[[Stored], None],
        taken: Taken,
    ) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._spawn = spawn
        self._adopt = adopt
        self._taken = taken

    def read(self, execution_id: str, locked: Locked) -> None:
        """Read an execution whose run was dropped, soon."""
        self._spawn(self._read(execution_id, locked))

    def record(self, writes: Sequence[Write], committed: Committed) -> None:
        """Enqueue a transaction once more that failed for a reason of the store's."""
        self._spawn(self._record(writes, committed))

    def set_aside(self, execution_id: str, reason: str) -> None:
        """Pause an execution that cannot be read. Its log stays as it is: who repairs it, or brings a program that can
        read it, lets it go on; who cannot cancels it."""
        logger.error("%s: its log cannot be read, it is paused: %s", execution_id, reason)
        self.pause(execution_id, Paused(reason=f"its log cannot be read: {reason}"))

    def pause(self, execution_id: str, event: Paused) -> None:
        """Pause an execution that cannot be run, now or as soon as the store takes writes."""
        write = Intervene(execution_id=execution_id, event=event, at_us=self._clock.now_us())

        def committed(error: ObeliskError | None) -> None:
            if isinstance(error, StoreError):
                self._health.failed(error)
                self.record((write,), committed)

        self._store.enqueue((write,), committed)

    async def _read(self, execution_id: str, locked: Locked) -> None:
        while True:
            await self._soon()
            try:
                await self._taken.look(execution_id)
                stored = await self._store.load(execution_id)
            except StoreError as error:
                self._health.failed(error)
                continue
            except CorruptLog as error:
                self.set_aside(execution_id, error.message)
                return
            if stored is not None and holds(stored.state, locked):
                self._adopt(stored)
            return

    async def _record(self, writes: Sequence[Write], committed: Committed) -> None:
        await self._soon()
        self._store.enqueue(writes, committed)

    async def _soon(self) -> None:
        """A moment later, or once the store takes writes again."""
        if self._health.trouble:
            await self._health.wait()
        else:
            await asyncio.sleep(DELAY_S)
