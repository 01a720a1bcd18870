"""Delays that were given up, or whose execution has ended in whatever way, are timed no more."""

from __future__ import annotations

import asyncio
import random

import pytest

from obelisk.runtime.executor.timers import SMALL
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from sim_faults import Faults
from sim_names import COLD, FLOW
from sim_time import VirtualLoop
from sim_world import World

COUNT = 100
FUNCTIONS = (f"{FLOW}.fan-out", f"{FLOW}.closing", f"{FLOW}.trapping", f"{COLD}.closing")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_finished_execution_leaves_no_timer(function: str) -> None:
    """Each has a delay of 300 days that it does not wait for."""

    async def live(world: World) -> None:
        process = await world.start_process()
        for _ in range(COUNT):
            submitted = await process.api.submit(Submission(ffqn=function, params=[2]))
            assert await process.api.wait(submitted.execution_id, 5_000) is not None
        delays = [
            e for x in world.database.everything().values() for e in x.events if isinstance(e.event, log.DelayRequest)
        ]
        assert len(delays) >= COUNT
        assert process.executor.delays.timed == 0
        assert process.executor.delays.entries <= SMALL
        await process.executor.stop()
        await process.watchers.stop()

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(
            live(World(seed=1, faults=Faults(hot_workflows=100), loop=loop, dice=random.Random(1), kind=True))
        )
    finally:
        asyncio.set_event_loop(None)
        loop.close()
