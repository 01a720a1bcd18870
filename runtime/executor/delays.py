"""Delays: answered when their instant has come, once, by the process that notices first.

Ten thousand workflows may sleep for a week. So a delay that ends soon is kept here whole, and of one that ends later
only the instant is: when it has come, what is due is read from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.executor.timers import SMALL, Timers
from obelisk.runtime.log.events import DelayFinished, Response
from obelisk.runtime.observe.health import Health
from obelisk.runtime.ports.store import AddDelay, Clock, DropDelay, Respond, Store

logger = logging.getLogger(__name__)
POLLED = 2_048
"""So many are answered in one poll: a server that was away may find ten thousand due."""
SOON_US = 10_000_000
"""For a longer sleep the cost of a read of the store does not matter."""


class Delays:
    """Times the delays of this process; `delivered(execution_id, response)` is called after the commit of an answer."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        timers: Timers,
        delivered: Callable[[str, Response], None],
        health: Health | None = None,
    ) -> None:
        self._store = store
        self._health = health or Health()
        self._clock = clock
        self._timers = timers
        self._delivered = delivered
        self._timed: dict[str, dict[str, int]] = {}
        """Timers by execution and delay."""
        self._firing: set[str] = set()
        self._answered: set[str] = set()
        self._refused: set[str] = set()
        self._more = False
        self._closed = False
        self._due = asyncio.Event()
        self._tell_due = self._due.set

    def time(self, delay: AddDelay) -> None:
        """Answer a delay, which is on record, when its instant comes."""
        at_us, of = delay.expires_at_us, delay.execution_id
        soon = at_us - self._clock.now_us() <= SOON_US
        number = self._timers.at(
            at_us, partial(self.expire, of, delay.join_set, delay.delay) if soon else self._tell_due
        )
        self._timed.setdefault(of, {})[delay.delay] = number

    def committed(self, execution_id: str, new: Sequence[AddDelay], given_up: Sequence[str]) -> None:
        """An execution's delays are on record that are to be timed, and that some of its are to be timed no more."""
        for delay in new:
            self.time(delay)
        for name in given_up:
            self._timers.cancel(self._take(execution_id, name))

    def forget(self, execution_id: str) -> None:
        """An execution has ended, which is on record: time none of its delays."""
        for number in self._timed.pop(execution_id, {}).values():
            self._timers.cancel(number)

    @property
    def timed(self) -> int:
        """How many executions have delays that are timed, or were when another process answered them."""
        return len(self._timed)

    @property
    def entries(self) -> int:
        """How many entries the heap of timers has."""
        return self._timers.entries

    def _take(self, execution_id: str, delay: str) -> int:
        """The timer of a delay, which is timed no more; 0 for none."""
        timed = self._timed.get(execution_id)
        if timed is None:
            return 0
        number = timed.pop(delay, 0)
        if not timed:
            del self._timed[execution_id]
        return number

    def _prune(self) -> None:
        """Forget timers that have called back, of delays that others answered, once they are many."""
        if len(self._timed) > 2 * len(self._timers) + SMALL:
            for execution_id, timed in list(self._timed.items()):
                if not any(number in self._timers for number in timed.values()):
                    del self._timed[execution_id]

    async def watch(self, poll_s: float) -> None:
        """One round: answer what is due on record, then wait for an instant that was left to the store, or `poll_s`."""
        self._due.clear()
        self._prune()
        await self.poll()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll_s):
                await self._due.wait()

    async def poll(self) -> None:
        """Answer what is due on record: delays that no live process has timed."""
        # What is answered while the store reads is among what it finds: a second answer would be refused, and the whole
        # group of transactions that it is part of would be taken one by one.
        self._answered.clear()
        refused = self._refused
        found = await self._store.due_delays(until_us=self._clock.now_us(), limit=POLLED)
        self._more = len(found) == POLLED
        self._refused = refused & {due.delay for due in found}
        for due in found:
            self.expire(due.execution_id, due.join_set, due.delay)

    def expire(self, execution_id: str, join_set: str, delay: str) -> None:
        """Answer a delay whose instant has come, unless that is under way; a lost race with another process is fine.

        While the store takes no writes, what is due is left to the poll after that.
        """
        self._timers.cancel(self._take(execution_id, delay))
        if delay in self._firing or delay in self._answered or self._closed or self._health.trouble:
            return
        self._firing.add(delay)
        response = DelayFinished(join_set=join_set, delay=delay)

        def committed(error: ObeliskError | None) -> None:
            self._firing.discard(delay)
            if isinstance(error, StoreError):
                self._health.failed(error)
            if isinstance(error, Conflict):
                self._lost(execution_id, delay, error)
            if error is None:
                self._answered.add(delay)
                self._delivered(execution_id, response)
                if self._more and not self._firing:
                    self._due.set()

        respond = Respond(execution_id=execution_id, response=response, at_us=self._clock.now_us())
        self._store.enqueue((DropDelay(delay=delay), respond), committed)

    def _lost(self, execution_id: str, delay: str, error: Conflict) -> None:
        """An answer was refused. As a rule another process has given it, and the delay is on record no more; one that
        is found again has no execution, or was answered without being dropped: it would be refused for ever."""
        if delay not in self._refused:
            self._refused.add(delay)
            return
        self._refused.discard(delay)
        self._firing.add(delay)

        def dropped(refused: ObeliskError | None) -> None:
            self._firing.discard(delay)
            if refused is None:
                logger.warning("%s: %s is forgotten, it cannot be answered: %s", execution_id, delay, error.message)

        self._store.enqueue((DropDelay(delay=delay),), dropped)

    def wake(self) -> None:
        """Poll soon."""
        self._due.set()

    def close(self) -> None:
        """Answer no more."""
        self._closed = True
