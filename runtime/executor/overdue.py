"""Executions whose total time is over while none runs them: those that no executor claims, and those that are paused.

An attempt minds the deadline itself. Of what has none the store is asked now and then: each executor asks for all
executions, whether it may run them or not, because it may be that none may. One of them wins the write that ends an
execution. What bounds an execution is on record with it; older records are found by what is deployed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.catalog.settings import ATTEMPTED, ComponentKind
from obelisk.runtime.errors import Conflict
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.executor.endings import ending
from obelisk.runtime.log import events as log
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.deadlines import deadline_us, total_ms
from obelisk.runtime.log.state import PausedState, PendingAt
from obelisk.runtime.ports.claims import Idle
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Respond, Store

AT_ONCE = 256
LOOK_EVERY_S = 1.0
LOOK_SHARE = 20
"""Looking takes no more than one in so many seconds: a long queue is not looked through without end."""


class Overdue:
    """`ended` is called after the commit of an end, with the response that its parent got."""

    def __init__(
        self, store: Store, context: ExecutorContext, ended: Callable[[str, log.Outcome, Respond | None], None]
    ) -> None:
        self._store = store
        self._context = context
        self._ended = ended

    async def watch(self) -> None:
        """One round: end what is overdue, then wait."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        await self.poll()
        await asyncio.sleep(max(LOOK_EVERY_S, LOOK_SHARE * (loop.time() - begin_s)))

    async def poll(self) -> None:
        """End what is overdue."""
        after: int | None = 0
        while after is not None:
            found, after = await self._store.overdue(self._context.now_us(), after=after, limit=AT_ONCE)
            for execution_id in found:
                await self._judge(execution_id, 0)
        for function in self._context.registry.functions.values():
            if function.kind in ATTEMPTED and function.component.settings.total_timeout_ms:
                await self._poll(function)

    async def _poll(self, function: DeployedFunction) -> None:
        """Those whose records do not say what bounds them."""
        today_ms = function.component.settings.total_timeout_ms
        after: int | None = 0
        while after is not None:
            now_us = self._context.now_us()
            wanted = Idle(ffqn=function.ffqn, created_until_us=now_us - today_ms * 1000, due_until_us=now_us)
            found, after = await self._store.idle(wanted, after=after, limit=AT_ONCE)
            for execution_id in found:
                await self._judge(execution_id, today_ms)

    async def _judge(self, execution_id: str, today_ms: int) -> None:
        try:
            first = await self._store.events(execution_id, from_version=0, limit=1)
        except CorruptLog:
            return  # it is unknown when it was to begin; the executor that claims it pauses it
        state, now_us = await self._store.state(execution_id), self._context.now_us()
        created = first[0].event if first else None
        if state is None or not isinstance(created, log.Created):
            return
        until_us = deadline_us(created, today_ms)
        if until_us is None or until_us > now_us:
            return
        if isinstance(state.status, PausedState):
            doing = "paused"
        elif isinstance(state.status, PendingAt):
            function = self._context.registry.functions.get(created.ffqn)
            is_external = function is not None and function.kind is ComponentKind.EXTERNAL
            doing = f"waiting for {'a worker' if is_external else 'an executor'}"
        else:
            return
        outcome = log.Failed(
            kind=log.FailureKind.TIMED_OUT,
            error_id=f"Err_{self._context.ulid()}",
            reason=f"the execution took longer than {total_ms(created, today_ms)} ms; it was {doing}",
        )
        end = ending(execution_id, state, outcome, now_us)
        try:
            await commit(self._store, end.writes)
        except Conflict:
            return  # another has ended, claimed or changed it: if need be, the next round sees it
        self._ended(execution_id, outcome, end.respond)
