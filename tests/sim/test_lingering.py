"""Workflows that are unloaded when they wait stay in memory for work of their own that is under way, and no longer."""

from __future__ import annotations

import asyncio
import random

import pytest

import sim_system
import sim_world
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from sim_faults import Faults
from sim_guests import Ask, Script, Steps, Wait
from sim_names import COLD, EXT, STUBS, SUPPORT, WORK
from sim_time import VirtualLoop
from sim_world import World

CALLS = 100
COLDER = f"{COLD}.serial"
"""Under `max_concurrent`: it lingers for a tenth of what others do."""


def locks_of(script: Script, linger_ms: int, work: Script | None = None) -> int:
    """How often a workflow is locked until it has returned; `work` is what its activity `double` does."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed=1, faults=Faults(linger_ms=(linger_ms,)), loop=loop, dice=random.Random(1), kind=True)
    right = sim_system.scripts

    def scripts(dice: random.Random) -> dict[str, dict[str, Script]]:
        table = right(dice)
        table["cold"][COLDER] = script
        if work is not None:
            table["work"][f"{WORK}.double"] = work
        return table

    async def live() -> int:
        process = await world.start_process()
        execution_id = (await process.api.submit(Submission(ffqn=COLDER, params=[5]))).execution_id
        for _ in range(1_000):
            for child, execution in list(world.database.open.items()):
                if execution.state.ffqn == f"{STUBS}.approve":
                    await process.api.stub(child, {"ok": 7})
            if await process.api.wait(execution_id, 1) is not None:
                break
        events = [logged.event for logged in world.database.executions[execution_id].events]
        await process.executor.stop()
        await process.watchers.stop()
        assert isinstance(events[-1], log.Finished)
        assert isinstance(events[-1].outcome, log.Returned), events[-1]
        return sum(isinstance(event, log.Locked) for event in events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sim_world, "scripts", scripts)
        try:
            return loop.run_until_complete(live())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def calls(_: int) -> Steps:
    for n in range(CALLS):
        yield Ask(WORK, "double", [n])
    return None


def taking(seconds: float) -> Script:
    """An activity that waits for something outside."""

    def work(n: int) -> Steps:
        yield Wait(seconds)
        return {"ok": 2 * n}

    return work


def test_a_series_of_short_calls_is_replayed_never() -> None:
    assert locks_of(calls, 250) == 1
    assert locks_of(calls, 250, taking(0.02)) == 1


def test_without_it_each_answer_is_a_replay() -> None:
    assert locks_of(calls, 0) == CALLS + 1


def test_calls_that_take_longer_are_replayed() -> None:
    assert locks_of(calls, 250, taking(0.03)) == CALLS + 1, "it waits for a tenth of 250 ms"
    assert locks_of(calls, 1_000, taking(0.03)) == 1


def sleeps(milliseconds: int) -> Script:
    def script(_: int) -> Steps:
        for _ in range(5):
            yield Ask(SUPPORT, "sleep", [{"in": {"milliseconds": milliseconds}}, None])
        return None

    return script


def test_a_delay_that_ends_soon_is_waited_for() -> None:
    assert locks_of(sleeps(12), 250) == 1
    assert locks_of(sleeps(13), 250) == 6


def test_of_many_children_the_answers_are_taken_as_they_come() -> None:
    def script(_: int) -> Steps:
        join_set = yield Ask(SUPPORT, "join-set-create", [])
        for n in range(CALLS):
            yield Ask(EXT, "double-submit", [join_set, n])
        for _ in range(CALLS):
            yield Ask(EXT, "double-await-next", [join_set])
        return None

    assert locks_of(script, 1_000, taking(0.05)) < 5


def test_people_keep_nothing_in_memory() -> None:
    def script(_: int) -> Steps:
        yield Ask(STUBS, "approve", [1])
        yield Ask(STUBS, "approve", [2])
        return None

    assert locks_of(script, 60_000) == 3
