"""Attempts whose time is over and that no process here minds: their server is gone, their worker perhaps not.

The process that hands an attempt out ends it to the millisecond. So that an attempt ends whichever process dies, each
looks now and then through what workers hold, and ends what is overdue a while after its time. It also forgets what it
handed out and what ended through another process: while a worker waits, its lease is renewed only if it has no attempt.
"""

from __future__ import annotations

from typing import Final

from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.context import WorkersContext
from obelisk.runtime.external.ends import Ends

LOOK_EVERY_S: Final = 1.0
MAX_LOADED: Final = 256
"""So many attempts are read in one look, at most."""


class Overlooked:
    """See the module's text. `_seen`: attempts that were found running, by run, with their deadlines."""

    def __init__(self, context: WorkersContext, ends: Ends) -> None:
        self._context = context
        self._ends = ends
        self._seen: dict[str, tuple[str, str, int]] = {}

    async def look(self) -> None:
        """One round. StoreError, also while no end could be recorded."""
        self._context.health.check()
        store, seen, loaded = self._context.store, dict[str, tuple[str, str, int]](), 0
        held = {attempt.locked.run: attempt for attempt in self._ends.held}
        for lease in await store.leases():
            if lease.worker is None:
                continue
            for execution_id, run in await store.held(lease.executor):
                if held.pop(run, None) is not None or self._ends.held.get(run) is not None:
                    continue
                known = self._seen.get(run)
                if known is None and loaded < MAX_LOADED:
                    loaded += 1
                    attempt = await self._ends.load(lease.executor, execution_id, run)
                    known = None if attempt is None else (lease.executor, execution_id, attempt.deadline_us)
                    self._forget(attempt)
                if known is not None:
                    seen[run] = known
        self._seen = seen
        for attempt in held.values():
            await self._ends.look(attempt)
        await self._end()

    def _forget(self, attempt: ExternalAttempt | None) -> None:
        """It is not held here: the server that handed it out watches its time first."""
        if attempt is not None:
            self._ends.held.drop(attempt.locked.run)

    async def _end(self) -> None:
        late_us = self._context.now_us() - round(LOOK_EVERY_S * 1e6)
        for run, (worker, execution_id, deadline_us) in tuple(self._seen.items()):
            if deadline_us > late_us:
                continue
            del self._seen[run]
            attempt = await self._ends.load(worker, execution_id, run)
            if attempt is not None:
                self._ends.expire(attempt)
