"""Paused executions that go on by themselves, because what they were paused for is over.

Looked for when an executor starts and whenever something else is deployed. Each goes on at most once for what has
changed: should it fail again in the same way, it is paused with what it failed with by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from obelisk.runtime.completions import commit
from obelisk.runtime.errors import Conflict
from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.log.events import Broken, Paused, Unpaused
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.ports import Append, Query, Store, Summary

PAGE: Final = 200


async def resume(store: Store, engine: str, now_us: Callable[[], int]) -> int:
    """Unpause what can go on with this version of the engine; how many. StoreError."""
    count, cursor = 0, None
    while True:
        page = await store.list(Query(status="paused", cursor=cursor, limit=PAGE))
        held = [summary for summary in page.items if summary.reason]
        count += sum(await asyncio.gather(*(_resume(store, summary, engine, now_us) for summary in held)))
        cursor = page.cursor
        if cursor is None:
            return count


async def _resume(store: Store, summary: Summary, engine: str, now_us: Callable[[], int]) -> bool:
    """Unpause one execution if what it was paused for is over; whether it was."""
    execution_id = summary.execution_id
    try:
        last = await store.events(execution_id, from_version=summary.version - 1, limit=1)
        state = await store.state(execution_id)
    except CorruptLog:
        return False
    if state is None or state.version != summary.version or not isinstance(state.status, PausedState):
        return False
    why = why_over(last[0].event, engine) if last and isinstance(last[0].event, Paused) else ""
    if not why:
        return False
    event = Unpaused(reason=why)
    append = Append(
        execution_id=execution_id,
        version=state.version,
        events=(event,),
        state=fold.apply(state, event),
        at_us=now_us(),
    )
    try:
        await commit(store, (append,))
    except Conflict:
        return False  # somebody else did, or it was cancelled
    return True


def why_over(paused: Paused, engine: str) -> str:
    """Why an execution may go on that was paused with this event; ``""`` when it may not."""
    match paused.cause:
        case Broken(engine=failed) if failed != engine:
            return f"the engine is another version now: {engine}"
        case _:
            return ""
