"""Reading an execution again whose run was dropped because a commit was refused."""

from __future__ import annotations

import asyncio
import logging

from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.runs import holds
from obelisk.runtime.log.events import Locked
from obelisk.runtime.ports import Store, Stored

logger = logging.getLogger(__name__)
RELOAD_DELAY_S = 0.5


async def read_again(store: Store, execution_id: str, locked: Locked) -> Stored | None:
    """The execution, once the store gives it; None when it is not under that lock any more."""
    while True:
        await asyncio.sleep(RELOAD_DELAY_S)
        try:
            stored = await store.load(execution_id)
        except StoreError as error:
            logger.warning("%s: %s", execution_id, error.message)
            continue
        return stored if stored is not None and holds(stored.state, locked) else None
