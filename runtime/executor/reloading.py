"""What becomes of a run whose commit was refused: it is read again, or its result is recorded again.

Nothing is done while the store takes no writes: an attempt that has ended keeps its result until there is room for it,
so that a full disk makes no activity run twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence

from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.executor.pauses import MOST_REMEMBERED, PausesOf
from obelisk.runtime.executor.runs import holds
from obelisk.runtime.executor.taken import Taken
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Locked, Paused
from obelisk.runtime.observe.health import Health
from obelisk.runtime.observe.metrics import Counts
from obelisk.runtime.ports.store import Clock, Committed, Intervene, Store, Stored, Write

logger = logging.getLogger(__name__)
FIRST_S, MOST_S = 0.5, 30.0
MOST_REFUSALS = 12
"""What is refused so often without getting on, over two minutes, will be refused again: a bug, which must not end the
execution nor keep it running."""


class Reloading:
    """`adopt(stored)` is called with an execution that still is under the lock it was dropped under; `retries` counts
    what is tried again; `paused(ffqn, event)` is told of a pause that is on record.

    A transaction that failed may be on record all the same: its answer alone was lost.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        health: Health,
        spawn: Callable[[Coroutine[None, None, None]], None],
        adopt: Callable[[Stored], None],
        taken: Taken,
        retries: Counts,
        paused: Callable[[str, Paused], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._health = health
        self._spawn = spawn
        self._adopt = adopt
        self._taken = taken
        self._retries = retries
        self._paused = paused
        self._reads = PausesOf(FIRST_S, MOST_S)
        self._records = PausesOf(FIRST_S, MOST_S)
        self._reading: dict[str, int] = {}
        self._refusals: dict[str, tuple[Locked, int, int]] = {}

    def is_reading(self, execution_id: str) -> bool:
        """Whether an execution is going to be read, perhaps in a while."""
        return execution_id in self._reading

    def read(self, execution_id: str, locked: Locked, refused: ObeliskError | None = None) -> None:
        """Read an execution whose run was dropped, soon; `refused`: what it wanted to record was."""
        self._reading[execution_id] = self._reading.get(execution_id, 0) + 1
        self._spawn(self._read_later(execution_id, locked, refused))

    def record(self, execution_id: str, writes: Sequence[Write], committed: Committed) -> None:
        """Enqueue a transaction about an execution once more that failed for a reason of the store's."""
        self._spawn(self._record(execution_id, writes, committed))

    def set_aside(self, execution_id: str, reason: str) -> None:
        """Pause an execution that cannot be read. Its log stays as it is: who repairs it, or brings a program that can
        read it, lets it go on; who cannot cancels it."""
        reason = f"its log cannot be read: {reason}"
        logger.error("%s is paused: %s", execution_id, reason)
        self.pause(execution_id, Paused(reason=reason))

    def pause(self, execution_id: str, event: Paused, ffqn: str = "") -> None:
        """Pause an execution that cannot be run, now or as soon as the store takes writes. `ffqn`: its function, if
        it may go on with another build."""
        write = Intervene(execution_id=execution_id, event=event, at_us=self._clock.now_us())

        def committed(error: ObeliskError | None) -> None:
            if isinstance(error, StoreError):
                self._health.failed(error)
                self.record(execution_id, (write,), committed)
            elif ffqn:
                self._paused(ffqn, event)  # also when it is refused, since it may have been recorded before

        self._store.enqueue((write,), committed)

    async def _read_later(self, execution_id: str, locked: Locked, refused: ObeliskError | None) -> None:
        try:
            await self._read(execution_id, locked, refused)
        finally:
            self._reading[execution_id] -= 1
            if not self._reading[execution_id]:
                del self._reading[execution_id]

    async def _read(self, execution_id: str, locked: Locked, refused: ObeliskError | None) -> None:
        while True:
            self._retries.add("read")
            await self._soon(self._reads.next_s(execution_id))
            try:
                await self._taken.look(execution_id)
                stored = await self._store.load(execution_id)
                break
            except StoreError as error:
                self._health.failed(error)
            except CorruptLog as error:
                self._forget(execution_id)
                self.set_aside(execution_id, error.message)
                return
        if refused is None:
            self._reads.forget(execution_id)  # nothing failed: it is read because others wrote, however often they do
        if stored is None or not holds(stored.state, locked):
            self._forget(execution_id)
            if stored is not None and isinstance(last := stored.events[-1], Paused):
                self._paused(stored.state.ffqn, last)
        elif refused is not None and self._is_hopeless(stored, locked, refused):
            self._forget(execution_id)
            text = f"what it records was refused {MOST_REFUSALS} times in a row: {refused.message}"
            logger.error("%s is paused: %s", execution_id, text)
            self.pause(execution_id, Paused(reason=text))
        else:
            self._adopt(stored)

    def _is_hopeless(self, stored: Stored, locked: Locked, refused: ObeliskError) -> bool:
        """Whether an execution was refused again and again at the same place, by no failure of the store as a whole."""
        execution_id, version = stored.execution_id, stored.state.version
        lock, at, count = self._refusals.pop(execution_id, (locked, version, 0))
        if (lock, at) != (locked, version):
            self._reads.forget(execution_id)
            count = 0
        if not isinstance(refused, StoreError) or refused.fields.get("reason") == "unstorable":
            count += 1
        if len(self._refusals) >= MOST_REMEMBERED:
            del self._refusals[next(iter(self._refusals))]
        self._refusals[execution_id] = (locked, version, count)
        return count >= MOST_REFUSALS

    def _forget(self, execution_id: str) -> None:
        self._reads.forget(execution_id)
        self._refusals.pop(execution_id, None)

    async def _record(self, execution_id: str, writes: Sequence[Write], committed: Committed) -> None:
        def told(error: ObeliskError | None) -> None:
            if not isinstance(error, StoreError):
                self._records.forget(execution_id)
            committed(error)

        self._retries.add("record")
        await self._soon(self._records.next_s(execution_id))
        self._store.enqueue(writes, told)

    async def _soon(self, pause_s: float) -> None:
        """A moment later, or once the store takes writes again."""
        if self._health.trouble:
            await self._health.wait()
        else:
            await asyncio.sleep(pause_s)
