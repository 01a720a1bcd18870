"""The laws of workers outside the engine that the records alone tell; `sim_claims` has those of what they are told."""

from __future__ import annotations

from obelisk.runtime import ids
from obelisk.runtime.log import events as log
from sim_locks import ENDS_OF_LOCKS, LATE_S
from sim_names import OUTSIDE
from sim_system import OUTER_MS
from sim_world import World


def audit_workers(world: World) -> list[str]:
    """Workers lock what is theirs, and nothing else; an attempt ends soon, by its result, by its time, or because it
    was given to its worker again or to another, whatever the worker does; and soon after the lease of a silent one."""
    problems: list[str] = []
    for execution_id, execution in world.database.everything().items():
        ffqn, lock, began_us = execution.state.ffqn, None, 0
        for logged in execution.events:
            event = logged.event
            if isinstance(event, log.Locked):
                lock, began_us = event, logged.at_us
                if event.executor.startswith(ids.WORKER) is not ffqn.startswith(OUTSIDE):
                    problems.append(f"{execution_id} is locked by {event.executor}")
            elif lock is not None and isinstance(event, ENDS_OF_LOCKS) and ffqn.startswith(OUTSIDE):
                took_s = (logged.at_us - began_us) / 1e6
                if took_s > OUTER_MS / 1e3 + LATE_S:
                    problems.append(f"{execution_id}: {lock.run} of a worker took {took_s} s")
                late_s = (logged.at_us - world.database.workers[lock.executor].expires_at_us) / 1e6
                if late_s > LATE_S:
                    problems.append(f"{execution_id}: {lock.run} ended {late_s} s after the lease of its worker")
                lock = None
    return problems
