"""What bounds the time of an execution is on record with it: a deployment judges none that exists."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import LoggedEvent
from obelisk.runtime.usecases.api import Submission
from sim_builds import BUILDS, FIRST, source
from sim_faults import Faults
from sim_names import NARROW
from sim_system import NARROW_S
from sim_time import VirtualLoop
from sim_world import Process, World

STEP = Submission(ffqn=f"{NARROW}.step", params=[1])


def lived(live: Callable[[World, Process], Coroutine[None, None, None]]) -> None:
    """One process without faults."""

    async def whole(world: World) -> None:
        process = await world.start_process()
        await live(world, process)
        await process.executor.stop()
        await process.watchers.stop()

    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(whole(World(seed=1, faults=Faults(), loop=loop, dice=random.Random(1), kind=True)))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def deploy(process: Process, total_timeout_ms: int) -> None:
    await process.api.deployment.add_all(
        [source(BUILDS["narrow", FIRST], {"total_timeout_ms": total_timeout_ms, "max_concurrent": 1})]
    )


async def ended(world: World, execution_id: str) -> LoggedEvent:
    """The end of an execution that times out."""
    execution = world.database.everything()[execution_id]
    while not isinstance(execution.events[-1].event, log.Finished):
        await asyncio.sleep(0.1)
    end = execution.events[-1]
    assert isinstance(end.event, log.Finished)
    assert isinstance(end.event.outcome, log.Failed)
    assert end.event.outcome.kind is log.FailureKind.TIMED_OUT
    return end


@pytest.mark.parametrize("total_timeout_ms", [0, 2_000, 90_000])
def test_another_bound_judges_no_execution_that_exists(total_timeout_ms: int) -> None:
    async def live(world: World, process: Process) -> None:
        await deploy(process, NARROW_S * 1_000)
        first = (await process.api.submit(STEP)).execution_id
        await process.api.pause(first)
        begin_us = world.loop.now_us()
        await deploy(process, total_timeout_ms)
        end = await ended(world, first)
        assert NARROW_S - 1 <= (end.at_us - begin_us) / 1e6 <= NARROW_S + 3
        assert f"took longer than {NARROW_S * 1_000} ms; it was paused" in str(end.event)

    lived(live)


def test_one_that_had_no_bound_gets_none() -> None:
    async def live(world: World, process: Process) -> None:
        await deploy(process, 0)
        first = (await process.api.submit(STEP)).execution_id
        await process.api.pause(first)
        await deploy(process, 2_000)
        second = (await process.api.submit(STEP)).execution_id
        await process.api.pause(second)
        await ended(world, second)
        await asyncio.sleep(60)
        assert isinstance(world.database.executions[first].events[-1].event, log.Paused)

    lived(live)


def test_a_record_that_does_not_say_has_the_bound_of_today() -> None:
    async def live(world: World, process: Process) -> None:
        await deploy(process, 0)
        first = (await process.api.submit(STEP)).execution_id
        await process.api.pause(first)
        events = world.database.executions[first].events
        created = events[0].event
        assert isinstance(created, log.Created)
        assert created.total_timeout_ms == 0
        old = msgspec.structs.replace(created, total_timeout_ms=None)
        assert b"total_timeout_ms" not in msgspec.json.encode(old)
        events[0] = msgspec.structs.replace(events[0], event=old)
        begin_us = world.loop.now_us()
        await deploy(process, 30_000)
        end = await ended(world, first)
        assert 29 <= (end.at_us - begin_us) / 1e6 <= 33

    lived(live)
