"""Who waits in this process for which execution to finish."""

from __future__ import annotations

import asyncio

from obelisk.runtime.log.events import Outcome


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
