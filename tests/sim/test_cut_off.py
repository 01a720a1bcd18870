"""An activity that ends its process whenever it runs: it is given up after its retries, and all else goes on."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable

import pytest

import auditor
import sim_system
import sim_world
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.usecases.api import Submission
from sim_faults import Faults
from sim_guests import Ask, Script, Steps, Wait
from sim_names import FLOW, WORK
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
