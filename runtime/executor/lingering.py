"""Workflows that are unloaded when they wait (`hot = false`, `max_concurrent`), and how long that is put off.

One that is unloaded replays its whole history when its answer comes. With an answer every millisecond replaying would
be all that it does: the work would grow with the square of its length. So it stays in memory for a moment, `linger_ms`,
while work that it waits for is run in this process, or a delay that it waits for ends in half that time. One under
`max_concurrent`, for whose place others may wait, stays a tenth of that. What is run elsewhere, waits for an executor
or for a result from outside keeps nothing in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final
from weakref import WeakSet

from obelisk.runtime import ids
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.executor.timers import Timers
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import LockedBy
from obelisk.runtime.workers.batch import Batch
from obelisk.runtime.workers.workflow import WorkflowRun

LOOKED_AT: Final = 16
"""So many of the requests that a workflow waits for are looked at: there may be ten thousand."""
SHARE_OF_LIMITED: Final = 10


class Lingering:
    """`advance(run)` is called for a run that has waited long enough, if it has not gone on: it will ask again."""

    def __init__(
        self, context: ExecutorContext, timers: Timers, linger_ms: int, advance: Callable[[WorkflowRun], None]
    ) -> None:
        self._context = context
        self._timers = timers
        self._linger_us = linger_ms * 1000
        self._advance = advance
        self._until_us: dict[str, int] = {}
        self._over = WeakSet[WorkflowRun]()

    def keeps(self, run: WorkflowRun, added: Batch | None) -> bool:
        """Whether a run that has just begun to wait stays in memory, for now at least. `added`: what it has just asked
        for."""
        if run.cuts > fold.FREE_CUTS:
            # It may be what ends its executors. One that does not come so far is guilty, one that does and is unloaded
            # has no part in the next crash.
            return False
        if run.function.stays_hot:
            return True
        if run in self._over:
            self._over.discard(run)
            return False
        limited = run.function.component.settings.max_concurrent
        linger_us = self._linger_us // (SHARE_OF_LIMITED if limited else 1)
        now_us = self._context.now_us()
        begins = {child.execution_id for child in added.children if child.locked is not None} if added else ()
        machine = run.calls.machine
        for request in islice(machine.awaited, LOOKED_AT if linger_us else 0):
            if request.startswith(ids.DELAY):
                answers = machine.facts.expires_at_us(request) <= now_us + linger_us // 2  # and is told after a commit
            else:
                answers = request in begins or self._context.is_running(request)
            if answers:
                until_us = self._until_us[run.execution_id] = now_us + linger_us
                self._timers.at(until_us, partial(self._end, run, until_us))
                return True
        return False

    def _end(self, run: WorkflowRun, until_us: int) -> None:
        if self._until_us.get(run.execution_id) == until_us:  # else it has gone on and waits anew
            del self._until_us[run.execution_id]
            if run.calls.phase.waits_for and isinstance(run.state.status, LockedBy) and not run.lost:
                self._over.add(run)
                self._advance(run)
