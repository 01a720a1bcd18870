"""An upgrade of a workflow that goes on all the time comes to an end, and one that is paused is upgraded."""

from __future__ import annotations

import asyncio
import random

import pytest

from obelisk.runtime.errors import Conflict
from obelisk.runtime.log.events import ComponentUpgraded
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Store, Transaction
from obelisk.runtime.usecases import replaying
from obelisk.runtime.usecases.api import Submission
from sim_builds import BUILDS, deployable, source
from sim_faults import Faults
from sim_names import FLOW
from sim_time import VirtualLoop
from sim_world import World


def test_what_goes_on_all_the_time_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    async def too_late(store: Store, transaction: Transaction) -> None:
        nonlocal tries
        tries += 1
        raise Conflict("the log is longer by now")

    async def live(world: World) -> None:
        process = await world.start_process()
        execution_id = (await process.api.submit(Submission(ffqn=f"{FLOW}.sleepy", params=[9]))).execution_id
        await asyncio.sleep(5)
        await process.api.deployment.add_all([source(BUILDS["flow", "2"], {})])
        monkeypatch.setattr(replaying, "commit", too_late)
        with pytest.raises(Conflict, match="went on 10 times while its log was replayed: pause it, then upgrade it"):
            await process.api.upgrade(execution_id)
        assert tries == replaying.MAX_TRIES
        monkeypatch.setattr(replaying, "commit", commit)
        await process.api.pause(execution_id)
        await process.api.upgrade(execution_id)
        events = [logged.event for logged in world.database.executions[execution_id].events]
        assert ComponentUpgraded(digest=BUILDS["flow", "2"].digest) in events
        await process.executor.stop()
        await process.watchers.stop()

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        with deployable():
            loop.run_until_complete(live(World(seed=1, faults=Faults(), loop=loop, dice=random.Random(1), kind=True)))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
