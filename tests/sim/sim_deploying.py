"""What operators deploy while the simulated system runs, how they take it back, and what they do for what waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.log.events import Paused, Unfit
from obelisk.runtime.log.state import PausedState, PendingAt
from obelisk.runtime.store.memory.execution import Execution
from sim_builds import BUILDS, BY_DIGEST, FIRST, Build, component, source
from sim_components import KINDS
from sim_faults import Faults
from sim_names import WORKFLOWS
from sim_system import LABEL

if TYPE_CHECKING:
    from sim_world import World

PATIENCE_S = 5.0
HELD_US = 5_000_000
"""What is pending for so long in a kind world is held."""
REMOVABLE = ("loose", "side")
"""What nothing imports."""
SAME: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    ("cold", "flow", "loose", "narrow", "outer", "side", "strait", "work"), ("1", "2")
)
"""Builds that ask for the same and have the same types."""
ASKING: Mapping[str, tuple[str, ...]] = {"cold": ("asks",), "flow": ("asks", "asks-late"), "side": ("asks", "dies")}
TYPED: Mapping[str, tuple[str, ...]] = {"loose": ("text", "bare")}
TOGETHER = ("flow", "narrow", "outer")
"""The others are imported by the first: builds that have other types need one of the first that asks for them."""
TEXT = "text"
CHANGES: Mapping[str, tuple[Mapping[str, object], ...]] = {
    "cold": ({}, {"hot": True}, {"max_concurrent": 1}, {"max_concurrent": 3}),
    "flow": ({}, {"hot": False}, {"begin_early": False}, {"cancellable": False}),
    "loose": ({}, {"begin_early": False}, {"max_retries": 60}, {"max_concurrent": 1}),
    "narrow": (
        {},
        {"max_concurrent": 1},
        {"max_concurrent": 3},
        {"max_retries": 0},
        {"max_pending": 1},
        {"attempt_timeout_ms": 200},
        {"total_timeout_ms": 25_000},
        {"total_timeout_ms": 4_000},
        {"total_timeout_ms": 0},
        {"when_full": "reject"},
    ),
    "outer": ({}, {"max_concurrent": 1}, {"max_concurrent": 3}, {"attempt_timeout_ms": 500}),
    "side": (
        {},
        {"hot": False},
        {"max_concurrent": 2},
        {"begin_early": False},
        {"max_value_bytes": 1024},
        {"labels": [LABEL]},
    ),
    "strait": ({}, {"max_concurrent": 1}, {"max_concurrent": 3}),
    "work": (
        {},
        {"max_backoff_ms": 100},
        {"max_retries": 60},
        {"attempt_timeout_ms": 1_000},
        {"begin_early": False},
        {"labels": [LABEL]},
    ),
}
"""Settings that differ from the usual ones, by component."""


@dataclass(slots=True)
class Wish:
    """What the operators want to be deployed: the build and the settings of each component."""

    builds: dict[str, Build] = field(default_factory=lambda: {name: BUILDS[name, FIRST] for name in sorted(KINDS)})
    settings: dict[str, dict[str, object]] = field(default_factory=lambda: {name: {} for name in KINDS})

    def retype(self, variant: str) -> None:
        """Change the types of functions and of their importer."""
        for name in TOGETHER:
            self.builds[name] = BUILDS[name, variant]

    async def fulfil(self, deployment: Deployment, names: Iterable[str], *, again: bool = False) -> None:
        """Deploy these components together, `again` those that are deployed."""
        sources = [source(self.builds[name], self.settings[name]) for name in names]
        await deployment.add_all(sources, again=again)


def usual(faults: Faults) -> Wish:
    """What is deployed in the beginning and in the end."""
    wish = Wish()
    for name in WORKFLOWS:
        wish.settings[name] = {"upgrade": faults.upgrade}
    return wish


async def deploy(world: World) -> None:
    """Now and then one deployment through some process."""
    while world.faults.deployments:
        await asyncio.sleep(world.dice.expovariate(1 / world.faults.deploy_every_s))
        if world.processes:
            kind = world.dice.choice(world.faults.deployments)
            with contextlib.suppress(ObeliskError, TimeoutError):
                await asyncio.wait_for(_deploy(world, kind, world.api().deployment), PATIENCE_S)


async def _deploy(world: World, kind: str, deployment: Deployment) -> None:
    wish, dice = world.wish, world.dice
    match kind:
        case "rebuild" | "ask" | "retype":
            table = {"rebuild": SAME, "ask": ASKING, "retype": TYPED}[kind]
            name = dice.choice(tuple(table))
            wish.builds[name] = BUILDS[name, dice.choice(table[name])]
        case "retype together":
            wish.retype(TEXT if wish.builds["narrow"].variant != TEXT else dice.choice(SAME["flow"]))
            await wish.fulfil(deployment, TOGETHER)
            return
        case "settings":
            name = dice.choice(tuple(CHANGES))
            wish.settings[name] = {**wish.settings[name], **dice.choice(CHANGES[name])}
        case "policy":
            name = dice.choice(WORKFLOWS)
            wish.settings[name] = {**wish.settings[name], "upgrade": dice.choice(world.faults.policies)}
        case "remove" | "remove by force":
            await deployment.remove(dice.choice(REMOVABLE), force=kind == "remove by force")
            return
        case "roll back":
            world.wish = usual(world.faults)
            await world.wish.fulfil(deployment, sorted(KINDS))
            return
        case _:
            raise AssertionError(kind)
    if kind == "settings":
        world.changed.add(name)
    await wish.fulfil(deployment, (name,))


async def deploy_again(world: World) -> None:
    """Now and then operators deploy again what is deployed, for processes that cannot load it."""
    while world.faults.unloadable:
        await asyncio.sleep(world.dice.expovariate(1 / world.faults.redeploy_every_s))
        if world.processes:
            await _again(world, [world.dice.choice(sorted(KINDS))])


async def heal(world: World) -> None:
    """In a kind world operators deploy again, through any process, what some process cannot load: a component that it
    tells of, or one that something held goes on with."""
    if not world.faults.unloadable or not world.processes:
        return
    names = {name for process in world.processes for name in process.api.registry.faults}
    held = (e for e in world.database.open.values() if is_held(world, e) and needed_build(e) is not None)
    names |= {execution.state.ffqn.removeprefix("sim:world/").partition(".")[0] for execution in held}
    if names:
        await _again(world, sorted(names))


async def _again(world: World, names: Sequence[str]) -> None:
    with contextlib.suppress(ObeliskError, TimeoutError):
        await asyncio.wait_for(world.wish.fulfil(world.api().deployment, names, again=True), PATIENCE_S)


async def roll_back(world: World) -> None:
    """In the end: what was deployed in the beginning is deployed again."""
    world.wish = usual(world.faults)
    await fulfil(world)


async def fulfil(world: World) -> None:
    """Deploy all that is wanted, through whatever process."""
    while True:
        if not world.processes:
            await world.start_process()
        try:
            await asyncio.wait_for(world.wish.fulfil(world.api().deployment, sorted(KINDS)), PATIENCE_S)
            return
        except (ObeliskError, TimeoutError):
            await asyncio.sleep(0.5)


async def deploy_what_is_needed(world: World) -> None:
    """Give what is paused or held one of the builds that it needs, in turn: nothing may need anything else."""
    needed: dict[str, set[str]] = {}
    for execution in world.database.open.values():
        build = needed_build(execution)
        if isinstance(execution.state.status, PausedState) and build is not None:
            needed.setdefault(build.component, set()).add(build.variant)
        elif is_held(world, execution) or is_unfit(execution):
            name = execution.state.ffqn.removeprefix("sim:world/").partition(".")[0]
            needed.setdefault(name, set()).update(variant for of, variant in BUILDS if of == name)
    for name, variants in sorted(needed.items()):
        current = world.wish.builds[name].variant
        later = (variant for variant in sorted(variants) if variant > current)
        world.wish.builds[name] = BUILDS[name, next(later, min(variants))]
    variants_together = {world.wish.builds[name].variant for name in TOGETHER}
    if TEXT in variants_together and len(variants_together) > 1:  # one alone would be refused
        world.wish.retype(TEXT)
    # A deployment that was given up may land after the rollback. What is as it is wanted is not deployed again: that
    # would tell a process of deployments that it has to hear of by itself.
    if not is_fulfilled(world):
        await fulfil(world)


def is_fulfilled(world: World) -> bool:
    """Whether what is on record as deployed is what is wanted."""
    deployed = world.database.components
    wanted = [component(world.wish.builds[name], world.wish.settings[name]) for name in KINDS]
    return all(
        (stored := deployed.get(one.name)) is not None
        and stored.digest == one.digest
        and ComponentSettings.read(stored.settings, one.name, stored=True) == one.settings
        for one in wanted
    )


def is_known(world: World, registry: Registry) -> bool:
    """Whether a process knows what is on record as deployed."""
    return {component.name: component.digest for component in registry.components} == {
        name: stored.digest for name, stored in world.database.components.items()
    }


def is_held(world: World, execution: Execution) -> bool:
    """Whether it has been due for long, but is not run."""
    status = execution.state.status
    return isinstance(status, PendingAt) and status.at_us < world.loop.now_us() - HELD_US


def is_unfit(execution: Execution) -> bool:
    """Whether it is paused because its function has other types than it was begun with."""
    paused = execution.events[-1].event
    return isinstance(paused, Paused) and isinstance(paused.cause, Unfit)


def needed_build(execution: Execution) -> Build | None:
    """The build that the end of a history was made with; None for what has no history yet."""
    return BY_DIGEST.get(last_build([logged.event for logged in execution.events]))
