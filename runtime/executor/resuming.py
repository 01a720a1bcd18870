"""Paused executions that go on by themselves, because what they were paused for is over.

Looked for when an executor starts and whenever something else is deployed, and once more for what was paused too late
to be found then: by a run that had begun before, here or in a process that has ended since. Each goes on at most once
for what has changed: should it fail again in the same way, it is paused with what it failed with by then.
"""

from __future__ import annotations

import asyncio
from typing import Final

from obelisk.runtime.catalog.eligibility import pins
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.catalog.settings import MANUAL
from obelisk.runtime.errors import Conflict
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Broken, CutOff, Diverged, Outdated, Paused, Unfit, Unpaused
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Append, Query, Summary

PAGE: Final = 200


async def resume(context: ExecutorContext) -> int:
    """Unpause what can go on with what is deployed and this version of the engine; how many. StoreError."""
    count, cursor = 0, None
    while True:
        page = await context.store.list(Query(status="paused", cursor=cursor, limit=PAGE))
        held = [summary for summary in page.items if summary.reason]
        count += sum(await asyncio.gather(*(_resume(context, summary) for summary in held)))
        cursor = page.cursor
        if cursor is None:
            return count


async def _resume(context: ExecutorContext, summary: Summary) -> bool:
    """Unpause one execution if what it was paused for is over; whether it was."""
    store = context.store
    execution_id = summary.execution_id
    try:
        last = await store.events(execution_id, from_version=summary.version - 1, limit=1)
        state = await store.state(execution_id)
    except CorruptLog:
        return False
    if state is None or state.version != summary.version or not isinstance(state.status, PausedState):
        return False
    paused = last[0].event if last else None
    why = why_over(paused, summary.ffqn, context.registry, context.engine) if isinstance(paused, Paused) else ""
    if not why:
        return False
    event = Unpaused(reason=why)
    append = Append(
        execution_id=execution_id,
        version=state.version,
        events=(event,),
        state=fold.apply(state, event),
        at_us=context.now_us(),
    )
    try:
        await commit(store, (append,))
    except Conflict:
        return False  # another executor did, or it was cancelled
    return True


def why_over(paused: Paused, ffqn: str, registry: Registry, engine: str) -> str:
    """Why an execution of a function that was paused with this event may go on with what is deployed; ``""`` when it
    may not."""
    match paused.cause:
        case Broken(engine=failed):
            return f"the engine is another version now: {engine}" if failed != engine else ""
        case CutOff(engine=failed) if failed != engine:
            return f"the engine is another version now: {engine}"
        case CutOff(digest=failed):
            function = registry.built(ffqn, failed)
            build = "" if function is None else function.component.digest
            return f"{build} is deployed" if build not in ("", failed) else ""
        case Diverged() | Outdated() as cause:
            build = _goes_on_with(cause, ffqn, registry)
            return f"{build} is deployed" if build else ""
        case Unfit(signature=refused):
            function = registry.functions.get(ffqn)
            if function is None or function.signature == refused:
                return ""
            return f"{function.component.digest} is deployed"
        case None:
            return ""


def _goes_on_with(cause: Diverged | Outdated, ffqn: str, registry: Registry) -> str:
    """The build with which an execution would go on that has not failed with it; ``""`` when there is none."""
    function = registry.built(ffqn, cause.before)
    if function is None:
        return ""
    component = function.component
    failed = cause.digest if isinstance(cause, Diverged) else ""
    asks_for_before = pins(component) or component.settings.upgrade == MANUAL
    if component.digest == failed or (asks_for_before and component.digest != cause.before):
        return ""
    return component.digest
