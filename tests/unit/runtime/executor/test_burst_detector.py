"""A burst has subsided when half of its runs are gone, once for each burst."""

from __future__ import annotations

from obelisk.runtime.executor.burst_detector import MANY, BurstDetector


def test_an_ebb_is_told_once() -> None:
    bursts = BurstDetector()
    told = [bursts.has_subsided(held) for held in (10, MANY, MANY // 2 + 1, MANY // 2, MANY // 2, 0, 10)]
    assert told == [False, False, False, True, False, False, False]
    assert [bursts.has_subsided(held) for held in (MANY * 3, MANY * 2, MANY, MANY)] == [False, False, True, False]
    assert bursts.has_subsided(0)


def test_few_runs_are_no_flood() -> None:
    bursts = BurstDetector()
    assert not any(bursts.has_subsided(held) for held in (MANY - 1, 0, MANY - 1, 1))
