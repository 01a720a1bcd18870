"""Large transactions commit alone, and small ones of other trees pass them: no law depends on that order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from auditor import audit
from obelisk.runtime.ports.store import Transaction
from obelisk.runtime.store.sqlite import queue
from obelisk.runtime.store.sqlite.group import Operation
from obelisk.runtime.store.sqlite.queue import Queue, Queued
from sim_bugs import is_caught
from sim_faults import Faults
from sim_world import simulate

SEEDS = 100
Patch = pytest.MonkeyPatch
OFTEN = Faults(large=0.3, slow_commit=0.6, hot_workflows=100)
CALM = replace(
    OFTEN,
    stalled_commit=0,
    failing_commit=0,
    dying_commit=0,
    lost_claim=0,
    duplicate_claim=0,
    lost_wake=0,
    jump_every_s=0,
    crash_every_s=0,
    crashing_turn=0,
    meddle_every_s=0,
    damage_every_s=0,
    deployments=(),
    processes=1,
    labelled=1,
    crowded=0,
    workers=0,
    submitted=tuple(function for function in OFTEN.submitted if function != "hauling"),
)
"""Nothing else goes wrong: other faults hide what a wrong order does, since work is begun anew after them."""


def small_work_of_one_tree_passes(patch: Patch) -> None:
    """What an execution does may be recorded before what it, or its parent, did before."""

    def touched(_: Transaction) -> Iterator[str]:
        return iter(())

    patch.setattr(queue, "_touched", touched)


BUGS = (small_work_of_one_tree_passes,)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.__name__ for bug in BUGS])
def test_the_auditor_finds_a_bug(bug: Callable[[Patch], None], monkeypatch: Patch) -> None:
    bug(monkeypatch)
    assert any(is_caught(seed, CALM) for seed in range(SEEDS)), bug.__doc__


@pytest.mark.parametrize("faults", [OFTEN, CALM], ids=["often", "calm"])
def test_without_a_bug_it_finds_nothing(faults: Faults, monkeypatch: Patch) -> None:
    """And much is passed."""
    passed: list[int] = []
    right = Queue._passing  # pyright: ignore[reportPrivateUsage]

    def passing(waiting: Queue) -> list[Queued]:
        found = right(waiting)
        passed.append(sum(not isinstance(item.work, Operation) for item in found))
        return found

    monkeypatch.setattr(Queue, "_passing", passing)
    assert [seed for seed in range(20) if audit(simulate(seed, faults=faults))] == []
    assert sum(passed) > 20
