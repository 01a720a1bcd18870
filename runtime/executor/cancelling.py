"""Driving cancellations to their end: an execution that is being cancelled finishes once its children have.

An execution whose cancellation was requested has no run and gets none: only its cancellation drivers write to its log,
and all that may follow is its end. So any number of executors may do so, at any time, again and again: one of them wins
each write, and the others find it done. The children that have not finished are cancelled, the newest first, unless
their function is not cancellable; then they are only waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.executor.endings import ending
from obelisk.runtime.executor.pauses import Pauses
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import Cancelling as CancellingState
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import DropDelays, Intervene, Respond, Store

logger = logging.getLogger(__name__)
FIRST_S, MOST_S = 0.5, 30.0
AT_ONCE = 64


class Cancelling:
    """`revoke(execution)` is called when a lock was taken away; `ended` after the commit of an end, with the response
    that its parent got."""

    def __init__(
        self,
        store: Store,
        context: ExecutorContext,
        revoke: Callable[[str], None],
        ended: Callable[[str, log.Outcome, Respond | None], None],
    ) -> None:
        self._store = store
        self._context = context
        self._revoke = revoke
        self._ended = ended
        self._driven: set[str] = set()
        self._again: set[str] = set()
        self._waiting: dict[str, int] = {}
        self._turn = 0

    def settle(self, execution_id: str) -> None:
        """Do what can be done now for an execution that is perhaps being cancelled."""
        if execution_id in self._driven:
            self._again.add(execution_id)
            return
        self._driven.add(execution_id)
        self._context.spawn(self._drive(execution_id))

    def answered(self, execution_id: str) -> None:
        """A child of an execution that is not hot has answered."""
        if execution_id in self._driven:
            self._again.add(execution_id)
        elif execution_id in self._waiting:
            self._waiting[execution_id] -= 1
            if self._waiting[execution_id] <= 0:
                self.settle(execution_id)

    async def poll(self) -> None:
        """Look after cancellations that this process has not heard of, or that wait for what happens elsewhere."""
        found = await self._store.cancelling()
        if found:
            start = self._turn % len(found)
            self._turn = start + AT_ONCE
            for execution_id in (found[start:] + found[:start])[:AT_ONCE]:
                self.settle(execution_id)

    async def _drive(self, execution_id: str) -> None:
        again, pauses = True, Pauses(FIRST_S, MOST_S)
        try:
            while again:
                self._again.discard(execution_id)
                try:
                    await self._step(execution_id)
                except Conflict:
                    pass  # another executor did it
                except ObeliskError as error:
                    if isinstance(error, StoreError):
                        self._context.health.failed(error)
                    logger.warning("cancelling %s: %s", execution_id, error.message)
                    self._context.metrics.retries.add("cancellation")
                    await asyncio.sleep(pauses.next_s())
                    await self._context.health.wait()
                    continue
                again = execution_id in self._again
        finally:
            self._driven.discard(execution_id)

    async def _step(self, execution_id: str) -> None:
        self._waiting.pop(execution_id, None)
        state = await self._store.state(execution_id)
        if state is None or not isinstance(state.status, CancellingState):
            return
        children = await self._store.open_children(execution_id)
        if not children:
            await self._finish(execution_id, state)
            return
        self._waiting[execution_id] = len(children)
        under_way = [child for child, of_child in children if isinstance(of_child.status, CancellingState)]
        new = [child for child, of_child in children if child not in under_way and self._may_cancel(of_child)]
        at_us = self._context.now_us()
        event = log.CancellationRequested()
        await commit(self._store, [Intervene(execution_id=child, event=event, at_us=at_us) for child in new])
        for child in new:
            self._revoke(child)
        for child in (*new, *under_way):
            self.settle(child)

    def _may_cancel(self, child: ExecutionState) -> bool:
        function = self._context.registry.functions.get(child.ffqn)
        return function is None or function.cancellable

    async def _finish(self, execution_id: str, state: ExecutionState) -> None:
        at_us = self._context.now_us()
        outcome = log.Failed(
            kind=log.FailureKind.CANCELLED, error_id=f"Err_{self._context.ulid()}", reason="the execution was cancelled"
        )
        end = ending(execution_id, state, outcome, at_us)
        await commit(self._store, [*end.writes, DropDelays(execution_id=execution_id)])
        self._ended(execution_id, outcome, end.respond)
