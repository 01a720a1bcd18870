"""What was locked for a build that is replaced before its run begins is run with the types of that build."""

from __future__ import annotations

import asyncio
import random

from sim_builds import BUILDS, FIRST, deployable, source
from sim_faults import Faults
from sim_names import LOOSE
from sim_time import VirtualLoop
from sim_world import World

ECHO = f"{LOOSE}.echo"


def test_a_build_is_run_with_its_own_types() -> None:
    first, bare = BUILDS["loose", FIRST], BUILDS["loose", "bare"]

    async def live(world: World) -> None:
        process = await world.start_process()
        await process.api.deployment.add_all([source(bare, {})])
        of_first, of_bare = (process.executor.function_of(ECHO, build.digest) for build in (first, bare))
        assert of_first is not None
        assert of_bare is not None
        assert (of_first.component.digest, of_bare.component.digest) == (first.digest, bare.digest)
        assert (of_first.shape, of_bare.shape) == ("vf", "v")
        await process.api.deployment.remove("loose", force=True)
        assert process.executor.function_of(ECHO, first.digest) is None
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
