"""Runs scripts as workflows over the whole runtime: hot, and unloaded and replayed whenever they wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Generator
from typing import Any

import msgspec
import pytest

import sim_system
import sim_world
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from sim_builds import deployable
from sim_guests import Script
from sim_names import COLD, FLOW
from sim_time import VirtualLoop
from sim_world import Faults, World

HOT, UNLOADED = f"{FLOW}.leaving", f"{COLD}.serial"  # no other script calls these


@pytest.fixture(autouse=True)
def builds() -> Generator[None]:
    """Every simulated world can deploy."""
    with deployable():
        yield


@pytest.fixture(params=[HOT, UNLOADED], ids=["hot", "unloaded"])
def outcome_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], log.Outcome]:
    """Runs a script as a workflow."""
    ffqn: str = request.param

    def outcome(script: Script) -> log.Outcome:
        right = sim_system.scripts

        def scripts(dice: random.Random) -> dict[str, dict[str, Script]]:
            table = right(dice)
            table["flow"][HOT] = table["cold"][UNLOADED] = script
            return table

        monkeypatch.setattr(sim_world, "scripts", scripts)
        loop = VirtualLoop()
        asyncio.set_event_loop(loop)
        world = World(
            seed=1, faults=Faults(hot_workflows=100, linger_ms=(0,)), loop=loop, dice=random.Random(1), kind=True
        )
        try:
            return loop.run_until_complete(live(world, ffqn))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    return outcome


async def live(world: World, ffqn: str) -> log.Outcome:
    process = await world.start_process()
    execution_id = (await process.api.submit(Submission(ffqn=ffqn, params=[5]))).execution_id
    outcome = await process.api.wait(execution_id, 5_000)
    assert outcome is not None
    unloads = [e for e in world.database.executions[execution_id].events if isinstance(e.event, log.Unlocked)]
    assert not unloads or ffqn == UNLOADED
    await process.executor.stop()
    await process.watchers.stop()
    return outcome


@pytest.fixture
def returned(outcome_of: Callable[[Script], log.Outcome]) -> Callable[[Script], Any]:
    """What a script returns."""

    def value(script: Script) -> Any:
        outcome = outcome_of(script)
        assert isinstance(outcome, log.Returned), outcome
        return msgspec.json.decode(outcome.value)

    return value
