"""Builds that one process cannot load for a while: nothing ends because of it, others run the work, it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import replace

import pytest

from auditor import audit
from obelisk.runtime.catalog import eligibility
from obelisk.runtime.catalog.eligibility import Eligible
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.deployment import deployment as deploying
from obelisk.runtime.deployment import reading
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.executor import serving
from obelisk.runtime.ports.store import StoredComponent
from sim_bugs import is_caught
from sim_faults import PINNED, Faults
from sim_world import simulate

SEEDS = 100
Patch = pytest.MonkeyPatch
OFTEN = Faults(unloadable=0.3, deploy_every_s=1.5)


def deploying_the_same_changes_nothing(patch: Patch) -> None:
    """A component that could not be loaded is not tried again because an operator deploys it again."""
    right = Deployment.add_all

    async def add_all(deployment: Deployment, sources: Sequence[Source], *, again: bool = False) -> tuple[str, ...]:
        del again
        return await right(deployment, sources)

    patch.setattr(Deployment, "add_all", add_all)


def other_processes_do_not_hear_of_it(patch: Patch) -> None:
    """What is deployed again is recorded as it was."""

    def as_stored(component: Component, _: int) -> StoredComponent:
        return reading.as_stored(component, 0)

    patch.setattr(deploying, "as_stored", as_stored)


def what_cannot_be_loaded_is_claimed(patch: Patch) -> None:
    """A process takes executions of components that it cannot run."""
    right = eligibility.eligible

    def eligible(registry: Registry, labels: Set[str], prepared: Iterable[str]) -> Eligible:
        return right(registry, labels, {*prepared, *(component.digest for component in registry.components)})

    patch.setattr(serving, "eligible", eligible)


BUGS = (
    deploying_the_same_changes_nothing,
    other_processes_do_not_hear_of_it,
    what_cannot_be_loaded_is_claimed,
)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.__name__ for bug in BUGS])
def test_the_auditor_finds_a_bug(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    bug(monkeypatch)
    assert any(is_caught(seed, OFTEN) for seed in range(SEEDS)), bug.__doc__


@pytest.mark.parametrize("faults", [OFTEN, replace(PINNED, unloadable=0.3)], ids=["usual", "pinned"])
def test_nothing_ends_because_of_it(faults: Faults) -> None:
    unloadable = 0
    for seed in range(20):
        world = simulate(seed, faults=faults)
        assert audit(world) == [], seed
        unloadable += world.happened["unloadable build"]
    assert unloadable > 50
