"""The runtime of one test: the real one, on a store in memory and a clock that skips."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from obelisk.cli.building.natively import Buildable
from obelisk.codegen.model.items import World, WorldInterface
from obelisk.codegen.model.names import InterfaceName
from obelisk.native.host import NativeHost
from obelisk.native.prepared import Program
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.catalog.wit_text import canonical
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.executor.watchers import Watchers
from obelisk.runtime.log.state import PendingAt
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.completions import Completions
from obelisk.runtime.ports.guest import Host
from obelisk.runtime.ports.store import Committed, Stored, Transaction
from obelisk.runtime.store.memory.store import CommitGate, MemoryStore, Proceed
from obelisk.runtime.usecases.api import Api
from obelisk.runtime.wiring import wit_folders
from obelisk.runtime.wiring.config import Config
from obelisk.testing.project import Project
from obelisk.testing.virtual_time import VirtualLoop

HOT: Final = 500
"""So many workflows have their threads at once; others are unloaded and replayed, as in production."""
LEASE_MS: Final = 100 * 365 * 86_400_000
"""No other process could take it over."""


class Entropy:
    """Random bits from a seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311  # to be the same in each run

    def bits(self, count: int) -> int:
        """See `ports.store.Entropy`."""
        return self._dice.getrandbits(count)


class Noting(MemoryStore):
    """Tells the loop when something is written that changes an execution: a claim that finds nothing does not."""

    def __init__(self, loop: VirtualLoop, gate: CommitGate) -> None:
        super().__init__(commit_gate=gate)
        self._loop = loop

    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """See `Store.enqueue`."""
        self._loop.happened()
        super().enqueue(transaction, committed)

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """See `Store.claim`."""
        taken = await super().claim(claim)
        if taken:
            self._loop.happened()
        return taken


class LoopClock:
    """The loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.now_us = loop.now_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Its parts, running."""

    store: MemoryStore
    executor: Executor
    watchers: Watchers
    deployment: Deployment
    api: Api

    async def stop(self) -> None:
        """End all runs."""
        await self.watchers.stop()
        await self.executor.stop()
        await self.executor.lines.close()

    def due_s(self, loop: VirtualLoop) -> float | None:
        """The next instant at which an execution is due that no timer stands for."""
        now_us = loop.now_us()
        instants = [
            at_us
            for execution in self.store.database.open.values()
            for at_us in (
                execution.deadline_us,
                execution.state.status.at_us if isinstance(execution.state.status, PendingAt) else None,
            )
            if at_us is not None and at_us > now_us
        ]
        instants += [d.expires_at_us for d in self.store.database.delays.values() if d.expires_at_us > now_us]
        return (min(instants) - loop.start_us) / 1e6 if instants else None


async def start(
    *,
    loop: VirtualLoop,
    config: Config,
    host: Host,
    native: NativeHost,
    seed: int,
    committed: Callable[[], None],
    failed: Callable[[str], None],
) -> Engine:
    """A runtime without components."""

    def gate(proceed: Proceed) -> None:
        proceed(None)
        committed()

    store, clock, completions = Noting(loop, gate), LoopClock(loop), Completions()
    chosen = config.executor
    settings = ExecutorSettings(
        hot_workflows=min(HOT, chosen.hot_workflows),
        activities=chosen.activities,
        labels=frozenset(chosen.labels),
        max_depth=chosen.max_depth,
        max_family=chosen.max_family,
        lease_ms=LEASE_MS,
    )
    executor = Executor(
        store=store,
        clock=clock,
        entropy=Entropy(seed),
        completions=completions,
        settings=settings,
    )
    deployment = Deployment(store=store, host=host, clock=clock, changed=executor.serve, describe=native.describe)
    api = Api(
        store=store,
        deployment=deployment,
        clock=clock,
        entropy=Entropy(seed + 1),
        completions=completions,
        placement=executor,
    )
    watchers = Watchers(executor, deployment, on_failed=failed, life=lambda: ("test", ""))
    with loop.background():
        await watchers.start()
        executor.lines.start()
    return Engine(store=store, executor=executor, watchers=watchers, deployment=deployment, api=api)


def sources(
    project: Project, native: NativeHost, built: dict[str, Path], settings: dict[str, dict[str, Any]]
) -> list[Source]:
    """What is deployed: components in Python natively, those of `built` from their files, others without code."""
    known = {component.name: component for component in project.config.components}
    unknown = [*(built.keys() - known.keys()), *(settings.keys() - known.keys())]
    if unknown:
        raise ObeliskError(f"the project has no component {unknown[0]}; it has {', '.join(known)}")
    buildables = {one.name: one for one in project.buildables}
    made: list[Source] = []
    for name, component in known.items():
        chosen = {**component.settings, **settings.get(name, {})}
        if component.is_wit and chosen.get("kind") == ComponentKind.EXTERNAL.value:
            chosen["kind"] = ComponentKind.ACTIVITY.value  # functions of the test stand for its workers
            content = _outside(native, name, wit_folders.read(component.path))
        elif component.is_wit:
            content = wit_folders.read(component.path)
        elif name in built:
            content = built[name].read_bytes()
        elif name in buildables:
            content = _offered(native, buildables[name], chosen)
        else:
            content = component.path.read_bytes()
        made.append(Source(name=name, content=content, settings=_within(chosen)))
    return made


def _within(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without what a component reaches outside, which does not exist here."""
    return {key: value for key, value in settings.items() if key not in ("http", "secrets", "directories")}


def _outside(native: NativeHost, name: str, wit: bytes) -> bytes:
    """A component that workers run, as one without code."""
    exports = tuple(WorldInterface(interface=one) for one in describe(canonical(wit), stub=True).exports)
    world = World(name=InterfaceName.parse("obelisk-test:worlds/workers"), exports=exports)
    return native.offer(name, world, (), None)


def _offered(native: NativeHost, one: Buildable, settings: dict[str, Any]) -> bytes:
    if one.guest is None:
        return native.offer(one.name, one.world, [one.source], None)
    program = Program(
        name=one.name,
        entry=one.source.stem,
        folders=(one.source.parent,),
        guest=one.guest,
        wasi=one.build.wasi,
        environment=settings.get("env", {}),
    )
    return native.offer(one.name, one.world, one.files, program)
