"""Paused executions that go on by themselves, because what they were paused for is over.

Looked for when an executor starts and whenever something else is deployed. Each goes on at most once for what has
changed: should it fail again in the same way, it is paused with what it failed with by then.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from obelisk.runtime.completions import commit
from obelisk.runtime.errors import Conflict
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Broken, Diverged, Outdated, Paused, Unfit, Unpaused
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.ports import Append, Query, Store, Summary
from obelisk.runtime.registry import MANUAL, DeployedFunction, Registry

PAGE: Final = 200


class Surroundings(Protocol):
    """What this needs from the executor."""

    @property
    def store(self) -> Store:
        """Where the executions are."""
        ...

    @property
    def registry(self) -> Registry:
        """What is deployed now."""
        ...

    @property
    def engine(self) -> str:
        """The version of the engine."""
        ...

    def now_us(self) -> int:
        """Microseconds since 1970."""
        ...


async def resume(around: Surroundings) -> int:
    """Unpause what can go on with what is deployed and this version of the engine; how many. StoreError."""
    count, cursor = 0, None
    while True:
        page = await around.store.list(Query(status="paused", cursor=cursor, limit=PAGE))
        held = [summary for summary in page.items if summary.reason]
        count += sum(await asyncio.gather(*(_resume(around, summary) for summary in held)))
        cursor = page.cursor
        if cursor is None:
            return count


async def _resume(around: Surroundings, summary: Summary) -> bool:
    """Unpause one execution if what it was paused for is over; whether it was."""
    store = around.store
    execution_id = summary.execution_id
    try:
        last = await store.events(execution_id, from_version=summary.version - 1, limit=1)
        state = await store.state(execution_id)
    except CorruptLog:
        return False
    if state is None or state.version != summary.version or not isinstance(state.status, PausedState):
        return False
    function = around.registry.functions.get(summary.ffqn)
    why = why_over(last[0].event, function, around.engine) if last and isinstance(last[0].event, Paused) else ""
    if not why:
        return False
    event = Unpaused(reason=why)
    append = Append(
        execution_id=execution_id,
        version=state.version,
        events=(event,),
        state=fold.apply(state, event),
        at_us=around.now_us(),
    )
    try:
        await commit(store, (append,))
    except Conflict:
        return False  # somebody else did, or it was cancelled
    return True


def why_over(paused: Paused, function: DeployedFunction | None, engine: str) -> str:
    """Why an execution of `function`, as it is deployed now, may go on that was paused with this event; ``""`` when it
    may not."""
    component = None if function is None else function.component
    match paused.cause:
        case Diverged(before=before, digest=digest) if component is not None and component.digest != digest:
            goes_on = component.settings.upgrade != MANUAL or component.digest == before
            return f"{component.digest} is deployed" if goes_on else ""
        case Outdated(before=before) if component is not None:
            goes_on = component.settings.upgrade != MANUAL or component.digest == before
            return f"{component.digest} is deployed" if goes_on else ""
        case Unfit(signature=refused) if function is not None and function.signature != refused:
            return f"{function.component.digest} is deployed"
        case Broken(engine=failed) if failed != engine:
            return f"the engine is another version now: {engine}"
        case _:
            return ""
