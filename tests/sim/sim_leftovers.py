"""What must be gone when all executions of a simulated world have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from obelisk.runtime.catalog.settings import RUNNABLE
from sim_deploying import is_known

if TYPE_CHECKING:
    from sim_world import World


def leftovers(world: World) -> list[str]:
    """What some process still holds, does not know, or cannot load, in words."""
    found: list[str] = []
    for process in world.processes:
        executor, registry = process.executor, process.api.deployment.registry
        for kind in RUNNABLE:
            if held := executor.places.held(kind):
                found.append(f"{executor.id} holds {held} places for {kind}")
        if not is_known(world, registry):
            found.append(f"{executor.id} does not know what is deployed")
        if registry.faults:
            found.append(f"{executor.id} cannot load {' and '.join(registry.faults)}")
        for attempt in executor.workers.ends.held:
            found.append(f"{executor.id} keeps the attempt {attempt.locked.run} of a worker")
    return found
