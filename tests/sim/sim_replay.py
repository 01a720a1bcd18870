"""Every log replays, whole and from any of its prefixes, as far as it goes: checked with the scripts that made it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from obelisk.runtime.log import fold
from obelisk.runtime.ports import Stored
from obelisk.runtime.registry import ComponentKind
from obelisk.runtime.store.memory_execution import Execution
from obelisk.runtime.workers.verification import verify
from sim_guests import ScriptedComponent
from sim_system import WORKFLOWS, linked, registry, scripts
from sim_time import START_US, VirtualLoop


def nothing(_: object) -> None:
    """A replay has no effect."""


PREPARED = {
    name: ScriptedComponent(scripts_of_it, linked(), nothing)
    for name, scripts_of_it in scripts(random.Random(0)).items()
    if name in WORKFLOWS
}


def workflows(executions: Iterable[Execution]) -> list[Execution]:
    """Those that a replay can be made of."""
    return [e for e in executions if registry().function(e.state.ffqn).kind is ComponentKind.WORKFLOW]


def audit_replay(execution: Execution, lengths: Sequence[int]) -> list[str]:
    """What is wrong with the replays of the log's first so many events."""
    loop = VirtualLoop()
    try:
        return [text for length in lengths for text in loop.run_until_complete(_replayed(execution, length))]
    finally:
        loop.close()


async def _replayed(execution: Execution, length: int) -> list[str]:
    function = registry().function(execution.state.ffqn)
    events = tuple(logged.event for logged in execution.events[:length])
    stored = Stored(
        execution_id=execution.execution_id,
        state=fold.fold(events),
        events=events,
        responses=tuple(logged.response for logged in execution.responses),
        times=tuple(logged.at_us for logged in execution.events[:length]),
    )
    verdict = await verify(
        stored,
        digest=function.component.digest,
        function=function,
        prepared=PREPARED[function.component.name],
        registry=registry(),
        now_us=START_US,
    )
    return [] if verdict.ok else [f"its first {length} events do not replay: {verdict.reason} {verdict.divergence}"]
