"""Seeded runs of the whole runtime under faults, audited; `make sim SEED=n` runs one seed, loudly."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from auditor import audit
from obelisk.runtime import ids
from sim_faults import Faults
from sim_replay import audit_replay, workflows
from sim_world import fingerprint, simulate

COUNT = int(os.environ.get("OBELISK_SEEDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("OBELISK_SEED", "").split()] or list(range(COUNT))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_law_holds(seed: int) -> None:
    world = simulate(seed)
    assert len(world.expected) >= 12
    assert audit(world) == []


def test_a_seed_reproduces_its_run() -> None:
    assert fingerprint(simulate(3)) == fingerprint(simulate(3))
    assert fingerprint(simulate(3)) != fingerprint(simulate(4))


@pytest.mark.parametrize("seed", range(6))
def test_every_log_replays_from_every_prefix(seed: int) -> None:
    world = simulate(seed)
    found = workflows(world.database.everything().values())
    assert sum(len(execution.events) for execution in found) > 50
    for execution in found:
        assert audit_replay(execution, range(1, len(execution.events) + 1)) == []


def test_of_two_executors_that_got_one_execution_one_loses() -> None:
    duplicates = refused = 0
    for seed in range(10):
        world = simulate(seed, faults=Faults(duplicate_claim=0.5))
        assert audit(world) == []
        duplicates += len(world.database.duplicates)
        refused += world.database.refused
    assert duplicates > 50
    assert refused > 20


def test_a_kind_world_needs_one_attempt_each_at_most_but_for_retries() -> None:
    world = simulate(
        1,
        faults=Faults(
            slow_commit=0,
            failing_commit=0,
            dying_commit=0,
            crash_every_s=0,
            crashing_turn=0,
            damage_every_s=0,
            processes=1,
        ),
    )
    assert audit(world) == []
    assert all(attempt.covered for attempt in world.attempts)


def test_who_loses_a_lease_goes_on_as_another_executor() -> None:
    """Commits stall for longer than a lease lasts; no process ends by that, and nobody restarts one."""
    lost = 0
    for seed in range(6):
        faults = Faults(stalled_commit=0.03, dying_commit=0, crash_every_s=0, crashing_turn=0, damage_every_s=0)
        world = simulate(seed, faults=faults)
        assert audit(world) == []
        losses = [sum(p.executor.metrics.leases_lost.by_labels.values()) for p in world.processes]
        assert len(world.database.labels) == len(world.processes) + sum(losses)
        executors = {released for released in world.database.released if released.startswith(ids.EXECUTOR)}
        released = executors - {p.executor.id for p in world.processes}
        assert len(released) == sum(losses)
        lost += sum(losses)
    assert lost > 10


def test_a_world_leaves_nothing_behind() -> None:
    """A night of seeds in one process needs no more memory than one seed."""
    worlds = [weakref.ref(simulate(seed)) for seed in range(3)]
    gc.collect()
    assert [world for world in worlds if world() is not None] == []
