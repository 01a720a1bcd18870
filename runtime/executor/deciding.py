"""Guests that supply results of stubs: the store is asked, then the guest goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.executor.pauses import Pauses
from obelisk.runtime.ports.store import Store
from obelisk.runtime.workers.batch import Supply
from obelisk.runtime.workers.stubs import decide
from obelisk.runtime.workers.workflow import WorkflowRun

logger = logging.getLogger(__name__)
FIRST_S, MOST_S = 0.5, 30.0
LONG_BYTES = 64 << 10
"""A longer result is parsed on a thread."""


def _decode(text: msgspec.Raw) -> object:
    value: object = msgspec.json.decode(text)
    return value


async def decide_for(
    store: Store, context: ExecutorContext, run: WorkflowRun, supply: Supply, decided: Callable[[WorkflowRun], None]
) -> None:
    """Decide on what `run` supplies, all that it did before being on record; `decided(run)` when it can go on."""
    text = supply.result
    result = _decode(text) if len(text) <= LONG_BYTES else await asyncio.to_thread(_decode, text)
    pauses = Pauses(FIRST_S, MOST_S)
    while not run.lost:
        try:
            decision = await decide(store, context.registry, supply.execution_id, supply.ffqn, result, context.now_us())
        except StoreError as error:
            context.health.failed(error)
            logger.warning("%s: %s", run.execution_id, error.message)
            context.metrics.retries.add("stub")
            await asyncio.sleep(pauses.next_s())
            await context.health.wait()
            continue
        except Exception as error:  # a bug: the run breaks with it
            run.decided(error)
        else:
            run.decided(decision)
        decided(run)
        return
