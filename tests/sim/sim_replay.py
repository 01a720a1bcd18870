"""Every log replays, whole and from any of its prefixes, as far as it goes: with the build that made its end, whatever
is deployed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from typing import cast

from obelisk.runtime.catalog.registry import DeployedFunction, Registry, deployed
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.ports.guest import Host, Prepared
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.workers.verification import verify
from sim_builds import BUILDS, BY_DIGEST, FIRST, Build, SimHost, component, registry
from sim_guests import Told
from sim_names import WORKFLOWS
from sim_system import scripts
from sim_time import START_US, VirtualLoop

LOOSE = ("loose", "side")
DEPLOYED = {
    "what it began with": (registry(), False),
    "nothing": (Registry(), True),
    "other types": (
        Registry((component(BUILDS["loose", "bare"], {}), *(c for c in registry().components if c.name not in LOOSE))),
        False,
    ),
}
"""What may be deployed when a log is replayed, and whether limits were lowered."""
LOWERED = {"max_value_bytes": 1024, "max_output_bytes": 0, "cancellable": False}
"""Settings that judge what is new and nothing else."""
_heard: list[Told] = [[]]


def nothing(_: object) -> None:
    """A replay has no effect."""


@cache
def prepared(build: Build) -> Prepared:
    """A build that puts its answers into `_heard`."""
    host = SimHost(scripts(random.Random(0)), nothing, lambda _: _heard[0])
    deployed_then = registry()
    one = component(build, {})
    return prepare(cast("Host", host), one, deployed_then, build.binary, is_deployed=one in deployed_then.components)


@cache
def function_of(build: Build, ffqn: str, *, lowered: bool) -> DeployedFunction:
    """A function of a build, with the usual settings or others."""
    found = deployed(component(build, LOWERED if lowered else {}))
    return next(function for function in found if function.ffqn == ffqn)


def workflows(executions: Iterable[Execution]) -> list[Execution]:
    """Those that a replay can be made of."""
    return [e for e in executions if component_of(e) in WORKFLOWS]


def component_of(execution: Execution) -> str:
    """The component that an execution is of."""
    return execution.state.ffqn.removeprefix("sim:world/").partition(".")[0]


def audit_replay(execution: Execution, lengths: Sequence[int], told: Told | None = None) -> list[str]:
    """What is wrong with the replays of the log's first so many events; `told` are the answers that the guest got in
    the run that ended it."""
    loop = VirtualLoop()
    try:
        return [text for length in lengths for text in loop.run_until_complete(_replays(execution, length, told))]
    finally:
        loop.close()


def _build_of(events: Sequence[log.Event]) -> str:
    """The digest of the build that ended an execution, or else that made the end of its history."""
    last = events[-1]
    if isinstance(last, log.Finished) and log.CancellationRequested() not in events:
        return next((e.digest for e in reversed(events) if isinstance(e, log.Locked)), "")
    return last_build(events)


def stored_of(execution: Execution, length: int) -> Stored:
    """The execution as if its first so many events were all."""
    events = tuple(logged.event for logged in execution.events[:length])
    return Stored(
        execution_id=execution.execution_id,
        state=fold.fold(events),
        events=events,
        responses=tuple(logged.response for logged in execution.responses),
        times=tuple(logged.at_us for logged in execution.events[:length]),
    )


async def _replays(execution: Execution, length: int, told: Told | None) -> list[str]:
    """One replay for each of what may be deployed."""
    stored = stored_of(execution, length)
    build = BY_DIGEST.get(_build_of(stored.events), BUILDS[component_of(execution), FIRST])
    problems: list[str] = []
    for name, (deployed_now, lowered) in DEPLOYED.items():
        _heard[0] = []
        verdict = await verify(
            stored,
            digest=build.digest,
            function=function_of(build, execution.state.ffqn, lowered=lowered),
            prepared=prepared(build),
            registry=deployed_now,
            now_us=START_US,
        )
        where = f"its first {length} events, replayed where {name} is deployed"
        if not verdict.ok:
            problems.append(f"{where}: {verdict.reason} {verdict.divergence}")
        if length < len(execution.events) and _heard[0] and str(_heard[0][-1]).startswith("size limit: "):
            _heard[0].pop()  # that came behind the end, where limits count
        told = _heard[0] if told is None else told
        same = min(len(told), len(_heard[0]))
        if told[:same] != _heard[0][:same]:
            at = next(n for n in range(same) if told[n] != _heard[0][n])
            problems.append(f"{where}: answer {at} is {_heard[0][at]}, it was {told[at]}")
    return problems
