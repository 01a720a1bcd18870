"""`bench.py --against`: what it counts and how it compares, and that it names what it does not know."""

from __future__ import annotations

import os
import time

import pytest

from against import JOBS, Took, named, processor_time_s, ratios, tree_of


def _took(processor_s: float, wall_s: float) -> Took:
    return Took(processor_s=processor_s, wall_s=wall_s)


def test_a_ratio_is_one_of_a_round() -> None:
    here = [_took(2.0, 4.0), _took(30.0, 10.0), _took(1.0, 9.0)]
    other = [_took(1.0, 4.0), _took(10.0, 20.0), _took(1.0, 3.0)]
    assert ratios(here, other) == ("2 (1–3)", "1 (0.5–3)")


def test_the_processor_time_is_that_of_the_whole_process() -> None:
    before_s = time.process_time()
    clock_s = processor_time_s(os.getpid())
    after_s = time.process_time()
    assert before_s <= clock_s <= after_s


def test_jobs_are_chosen_by_name() -> None:
    assert [job.name for job in named("W7,W1")] == ["W7", "W1"]
    assert len({job.name for job in JOBS}) == len(JOBS)
    with pytest.raises(ValueError, match="no job W8; there are W1,"):
        named("W1,W8")


def test_an_unknown_commit_is_named() -> None:
    with pytest.raises(SystemExit, match="git knows no commit no-such-thing"):
        tree_of("no-such-thing")
