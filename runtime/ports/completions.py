"""Waiting in this process: for a commit, for an execution to finish."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from obelisk.runtime import ids
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import Outcome, Returned
from obelisk.runtime.ports.store import Committed, Store, Transaction

RECENT = 256
SMALL = 4096
"""So many outcomes of at most so many bytes are kept for who comes for them a moment too late."""
LOOK_EVERY_S = 0.25
LOOK_SHARE = 4
"""Another process may finish an execution, which only the store tells. A waiter that has waited so many times
`LOOK_EVERY_S` looks less often: news is late by a quarter of the time waited at most, and a thousand who wait long cost
little."""


class Completions:
    """Futures of outcomes, by execution. One event loop uses it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Outcome | None]]] = {}
        self._recent: dict[str, Outcome] = {}
        self._given_up = False

    def finished(self, execution_id: str, outcome: Outcome) -> None:
        """Tell the waiters; to be called only after the commit of the Finished event."""
        waiting = self._waiting.pop(execution_id, None)
        if waiting is not None:
            for future in waiting:
                _settle(future, outcome)
        elif isinstance(outcome, Returned) and len(outcome.value) <= SMALL and ids.parent_of(execution_id) is None:
            self._recent[execution_id] = outcome
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]

    def recent(self, execution_id: str) -> Outcome | None:
        """The outcome of an execution that has finished just now, before it had a waiter, if it is remembered."""
        return self._recent.pop(execution_id, None)

    def give_up(self) -> None:
        """End every wait, from now on too, as if its time was up."""
        self._given_up = True
        for futures in self._waiting.values():
            for future in futures:
                _settle(future, None)

    async def wait(
        self, execution_id: str, timeout_s: float, look: Callable[[], Awaitable[Outcome | None]]
    ) -> Outcome | None:
        """The outcome that this process is told or that `look` finds in the store, or None after `timeout_s`.

        Raises what `look` raises.
        """
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while True:
            future: asyncio.Future[Outcome | None] = loop.create_future()
            self._waiting.setdefault(execution_id, []).append(future)  # first, so that nothing comes in between
            timer = None
            try:
                outcome = await look()
                waited_s = loop.time() - start_s
                if outcome is not None or self._given_up or waited_s >= timeout_s:
                    return outcome
                timer = loop.call_later(pause_s(waited_s, timeout_s), _settle, future, None)
                outcome = await future
                if outcome is not None:
                    return outcome
            finally:
                if timer is not None:
                    timer.cancel()
                self._forget(execution_id, future)

    def _forget(self, execution_id: str, future: asyncio.Future[Outcome | None]) -> None:
        waiting = self._waiting.get(execution_id)
        if waiting is not None:
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                del self._waiting[execution_id]


def pause_s(waited_s: float, timeout_s: float) -> float:
    """How long to wait for news before the next look."""
    return min(timeout_s - waited_s, max(LOOK_EVERY_S, waited_s / LOOK_SHARE))


def _settle(future: asyncio.Future[Outcome | None], outcome: Outcome | None) -> None:
    if not future.done():
        future.set_result(outcome)


async def commit(store: Store, transaction: Transaction) -> None:
    """Enqueue and wait for the commit; raises what refused it."""
    await enqueue(store, transaction)


def enqueue(store: Store, transaction: Transaction, told: Committed | None = None) -> asyncio.Future[None]:
    """Enqueue; the future is done with the commit or has what refused it. `told` is called before, whether or not there
    are waiters."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def committed(error: ObeliskError | None) -> None:
        if told is not None:
            told(error)
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    store.enqueue(transaction, committed)
    return done
