"""An ebb comes when half of a flood is gone, once for each flood."""

from __future__ import annotations

from obelisk.runtime.executor.ebb import MANY, Ebb


def test_an_ebb_is_told_once() -> None:
    ebb = Ebb()
    told = [ebb.has_come(held) for held in (10, MANY, MANY // 2 + 1, MANY // 2, MANY // 2, 0, 10)]
    assert told == [False, False, False, True, False, False, False]
    assert [ebb.has_come(held) for held in (MANY * 3, MANY * 2, MANY, MANY)] == [False, False, True, False]
    assert ebb.has_come(0)


def test_few_runs_are_no_flood() -> None:
    ebb = Ebb()
    assert not any(ebb.has_come(held) for held in (MANY - 1, 0, MANY - 1, 1))
