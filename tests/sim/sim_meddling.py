"""What operators do to the simulated system while it runs: cancel, pause, unpause and retry whatever they find."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.events import Created, Paused
from obelisk.runtime.log.state import PausedState
from obelisk.runtime.store.memory.execution import Execution
from sim_names import STUBS
from sim_system import APPROVED

if TYPE_CHECKING:
    from sim_world import World

PATIENCE_S = 5
STUB = f"{STUBS}.approve"


async def meddle(world: World) -> None:
    """Now and then one intervention in something that has not ended, or in a delay."""
    while world.faults.meddle_every_s:
        await asyncio.sleep(world.dice.expovariate(1 / world.faults.meddle_every_s))
        targets = list(world.database.open) + list(world.database.delays)
        if not targets or not world.processes:
            continue
        target = world.dice.choice(targets)
        deed = world.dice.choice(("cancel", "pause", "unpause", "retry"))
        if target.startswith("Delay_"):
            deed = "cancel"
        if deed == "cancel":
            world.meddled.add(target)
        with contextlib.suppress(ObeliskError, TimeoutError):
            await asyncio.wait_for(getattr(world.api().control, deed)(target), PATIENCE_S)


async def unpause_all(world: World) -> None:
    """What is paused and can be read goes on, but for what ends by itself because its time has a bound, and for what
    the engine paused for a reason after which it goes on by itself: once it has the build that it needs. Operators who
    repair a log look after it."""
    for execution in list(world.database.open.values()):
        execution_id, paused = execution.execution_id, execution.events[-1].event
        has_cause = isinstance(paused, Paused) and paused.cause is not None and execution_id not in world.hurt
        left_alone = has_cause or has_bound(execution) or execution_id in world.database.damaged
        if isinstance(execution.state.status, PausedState) and not left_alone and world.processes:
            with contextlib.suppress(ObeliskError, TimeoutError):
                await asyncio.wait_for(world.api().unpause(execution_id), PATIENCE_S)


def has_bound(execution: Execution) -> bool:
    """Whether it ends by itself, also when it is paused."""
    created = execution.events[0].event
    return isinstance(created, Created) and bool(created.total_timeout_ms)


async def approve(world: World) -> None:
    """Somebody outside gives the results of stubs, sooner or later."""
    while True:
        await asyncio.sleep(world.dice.random())
        waiting = [e.execution_id for e in world.database.executions.values() if e.state.ffqn == STUB]
        if waiting and world.processes:
            with contextlib.suppress(ObeliskError, TimeoutError):
                await asyncio.wait_for(world.api().stub(world.dice.choice(waiting), APPROVED), PATIENCE_S)
