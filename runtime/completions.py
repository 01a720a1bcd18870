"""Waiting in this process: for a commit, for an execution to finish."""

from __future__ import annotations

import asyncio

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import Outcome
from obelisk.runtime.ports import Store, Transaction


class Completions:
    """Futures of outcomes, by execution. One event loop uses it."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[asyncio.Future[Outcome]]] = {}

    def finished(self, execution_id: str, outcome: Outcome) -> None:
        """Tell the waiters; to be called only after the commit of the Finished event."""
        for future in self._waiting.pop(execution_id, ()):
            if not future.done():
                future.set_result(outcome)

    def expect(self, execution_id: str) -> asyncio.Future[Outcome]:
        """A future of the outcome; hand it to `forget` when it is no longer wanted."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(execution_id, []).append(future)
        return future

    def forget(self, execution_id: str, future: asyncio.Future[Outcome]) -> None:
        """Stop waiting."""
        waiting = self._waiting.get(execution_id)
        if waiting is not None:
            if future in waiting:
                waiting.remove(future)
            if not waiting:
                del self._waiting[execution_id]


async def commit(store: Store, transaction: Transaction) -> None:
    """Enqueue and wait for the commit; raises what refused it."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def committed(error: ObeliskError | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    store.enqueue(transaction, committed)
    await done
