"""What ends its process whenever it runs: an activity is given up after its retries, a workflow is paused, and all else
goes on."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine

import pytest

import auditor
import sim_system
import sim_world
from obelisk.runtime.executor.runs import MOST_CUTS
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.usecases.api import Api, Submission
from sim_builds import deployable
from sim_faults import Faults
from sim_guests import Ask, Script, Steps, Wait
from sim_names import FLOW, STUBS, WORK
from sim_system import RETRIES
from sim_time import VirtualLoop
from sim_world import World

POISON, DRINKER = f"{WORK}.double", f"{FLOW}.leaving"
NO_FAULTS = Faults(
    slow_commit=0,
    stalled_commit=0,
    failing_commit=0,
    dying_commit=0,
    lost_claim=0,
    duplicate_claim=0,
    lost_wake=0,
    labelled=1,
    crowded=0,
    deployments=(),
)
PATIENCE_S = 2_000


async def restarted(world: World) -> None:
    """A supervisor: a process is started whenever there is none."""
    while True:
        if not world.processes:
            await world.start_process()
        await asyncio.sleep(0.5)


async def live(world: World, ffqn: str) -> None:
    """Submit a call, and wait until everything has ended."""
    process = await world.start_process()
    supervisor = world.loop.create_task(restarted(world))
    await process.api.submit(Submission(ffqn=ffqn, params=[5]))
    for _ in range(PATIENCE_S):
        if world.unfinished() == 0 and world.processes:
            break
        await asyncio.sleep(1)
    supervisor.cancel()
    await stop(world)


async def stop(world: World) -> None:
    """Stop all processes."""
    for process in list(world.processes):
        await process.executor.stop()
        await process.watchers.stop()


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    """Runs a call in a world where `POISON` crashes its process; `DRINKER` is a workflow that calls it."""

    def run(ffqn: str) -> World:
        loop = VirtualLoop()
        world = World(seed=1, faults=NO_FAULTS, loop=loop, dice=random.Random(1))

        def poison(_: int) -> Steps:
            for process in world.processes:
                loop.call_soon(world.crash, process)
            yield Wait(1_000_000)
            return {"ok": 0}

        def drinker(n: int) -> Steps:
            answer = yield Ask(WORK, "double", [n])
            return {"ok": 1 if "err" in answer else 0}

        right = sim_system.scripts

        def scripts(dice: random.Random) -> dict[str, dict[str, Script]]:
            table = right(dice)
            table["work"][POISON], table["flow"][DRINKER] = poison, drinker
            return table

        def no_replays(_: World) -> list[str]:
            return []  # they know the scripts of other worlds

        monkeypatch.setattr(sim_world, "scripts", scripts)
        monkeypatch.setattr(auditor, "_audit_replays", no_replays)
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(live(world, ffqn))
        finally:
            asyncio.set_event_loop(None)
            loop.close()
        return world

    return run


PAUSED = (f"{FLOW}.random", [1])
INNOCENT = ((f"{FLOW}.sleepy", [6]), (f"{FLOW}.serial", [9]), (f"{FLOW}.approving", [1]))


@pytest.mark.parametrize("hot", [True, False])
def test_a_workflow_that_ends_its_process_again_and_again_is_paused(
    monkeypatch: pytest.MonkeyPatch, *, hot: bool
) -> None:
    """Five of each innocent kind begin with it; one kind waits for something all the time."""
    loop = VirtualLoop()
    world = World(seed=1, faults=NO_FAULTS, loop=loop, dice=random.Random(1))
    world.wish.settings["flow"] = {"hot": hot}
    crashes = 0

    def poison(n: int) -> Steps:
        nonlocal crashes
        yield Ask(WORK, "double", [n])
        if cured:
            return {"ok": n}
        crashes += 1
        for process in world.processes:
            loop.call_soon(world.crash, process)
        yield Wait(1_000_000)  # its process ends before it has asked for anything else
        return {"ok": 0}

    cured: list[bool] = []
    right = sim_system.scripts

    def scripts(dice: random.Random) -> dict[str, dict[str, Script]]:
        table = right(dice)
        table["flow"][PAUSED[0]] = poison
        return table

    async def live() -> None:
        process = await world.start_process()
        supervisor = loop.create_task(restarted(world))
        guilty = (await process.api.submit(Submission(ffqn=PAUSED[0], params=PAUSED[1]))).execution_id
        for ffqn, params in INNOCENT * 5:
            await (await any_api(world)).submit(Submission(ffqn=ffqn, params=params))
        await paused_for_it(world.database.executions[guilty])
        assert crashes <= MOST_CUTS + 1
        others = [e for e in world.database.executions.values() if e.execution_id != guilty]
        assert not [e for e in others if any(isinstance(logged.event, log.Paused) for logged in e.events)]
        await asyncio.sleep(60)
        assert {e.state.ffqn for e in world.database.open.values()} == {
            PAUSED[0],
            f"{FLOW}.approving",
            f"{STUBS}.approve",
        }
        cured.append(True)
        await (await any_api(world)).unpause(guilty)
        assert isinstance(await (await any_api(world)).wait(guilty, 100), log.Returned)
        supervisor.cancel()
        await stop(world)

    monkeypatch.setattr(sim_world, "scripts", scripts)
    run_in(loop, live())


async def paused_for_it(execution: Execution) -> None:
    """Wait until an execution is paused; it was for what it does to its processes."""
    for _ in range(PATIENCE_S):
        if isinstance(execution.state.status, PausedState):
            break
        await asyncio.sleep(1)
    paused = execution.events[-1].event
    assert isinstance(paused, log.Paused)
    assert isinstance(paused.cause, log.CutOff)
    assert paused.cause.count == MOST_CUTS
    assert paused.reason.startswith(f"cut off: {MOST_CUTS} times in a row")


def run_in(loop: VirtualLoop, life: Coroutine[None, None, None]) -> None:
    """Live a life in a loop, to its end."""
    asyncio.set_event_loop(loop)
    try:
        with deployable():
            loop.run_until_complete(life)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def any_api(world: World) -> Api:
    """That of a process, once there is one."""
    while not world.processes:
        await asyncio.sleep(0.1)
    return world.api()


def poison_of(world: World) -> list[log.Event]:
    """The log of the poisonous call."""
    (found,) = (e for e in world.database.executions.values() if e.state.ffqn == POISON)
    return [logged.event for logged in found.events]


@pytest.mark.parametrize("ffqn", [POISON, DRINKER], ids=["top-level", "child"])
def test_what_ends_its_process_again_and_again_is_given_up(poisoned: Callable[[str], World], ffqn: str) -> None:
    world = poisoned(ffqn)
    assert world.unfinished() == 0
    assert auditor.audit(world) == []
    events = poison_of(world)
    cuts = [event.cut_off for event in events if isinstance(event, log.Unlocked)]
    assert cuts == list(range(1, RETRIES + 3))  # the first is free, and so is no attempt after the last retry
    assert fold.fold(events).attempts == RETRIES + 1
    last = events[-1]
    assert isinstance(last, log.Finished)
    assert isinstance(last.outcome, log.Failed)
    assert last.outcome.kind is log.FailureKind.UNCATEGORIZED
    assert last.outcome.reason.startswith(f"cut off: {RETRIES + 2} times in a row")
    assert len([a for a in world.attempts if a.execution_id.startswith("E_")]) <= RETRIES + 2


def test_without_the_count_it_never_ends(poisoned: Callable[[str], World], monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutation: cut-off runs count for nothing."""
    monkeypatch.setattr(fold, "FREE_CUTS", 10**9)
    monkeypatch.setattr(sys.modules[__name__], "PATIENCE_S", 600)
    assert poisoned(POISON).unfinished() == 1
