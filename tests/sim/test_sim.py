"""Seeded runs of the whole runtime under faults, audited; `make sim SEED=n` runs one seed, loudly."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from auditor import audit
from sim_time import START_US
from sim_world import Faults, fingerprint, simulate

from obelisk.runtime.log.events import Finished, TemporarilyFailed, TemporarilyTimedOut

ENDS = Finished | TemporarilyFailed | TemporarilyTimedOut
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


def test_a_full_disk_makes_no_activity_run_twice() -> None:
    """What ended while nothing could be written is recorded later, not done again."""
    faults = Faults(
        slow_commit=0,
        stalled_commit=0,
        failing_commit=0,
        dying_commit=0,
        lost_claim=0,
        duplicate_claim=0,
        crash_every_s=0,
        meddle_every_s=0,
        jump_every_s=0,
        processes=1,
        full_at_s=1.5,
        full_for_s=4,
    )
    recorded_late = 0
    for seed in range(8):
        world = simulate(seed, faults=faults)
        assert audit(world) == []
        ends = Counter(e.execution_id for e in world.database.order if isinstance(e.event, ENDS))
        began = Counter(attempt.execution_id for attempt in world.attempts)
        assert [e for e in began if began[e] > ends[e]] == []
        recorded_late += sum(
            e.at_us - START_US > 5_500_000
            for execution in world.database.everything().values()
            for e in execution.events
            if isinstance(e.event, ENDS)
        )
    assert recorded_late > 0


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
    world = simulate(1, faults=Faults(slow_commit=0, failing_commit=0, crash_every_s=0, processes=1))
    assert audit(world) == []
    assert all(attempt.covered for attempt in world.attempts)
