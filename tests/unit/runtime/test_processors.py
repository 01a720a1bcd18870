"""How many processors there are to use, and threads for guests that compute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from obelisk.runtime.wiring import processors as module
from obelisk.runtime.wiring.processors import computing_threads, processors


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("max 100000\n", 8),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),
        ("", 8),
        ("1 0\n", 8),
        ("what is this\n", 8),
        (None, 8),
    ],
)
def test_a_quota_of_the_control_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, count: int
) -> None:
    def eight(_process: int) -> set[int]:
        return set(range(8))

    monkeypatch.setattr(os, "sched_getaffinity", eight)
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert processors(tmp_path / "cpu.max") == count


@pytest.mark.parametrize(("processors_", "threads"), [(1, 1), (2, 1), (3, 2), (64, 63)])
def test_a_processor_is_left_for_what_does_not_compute(
    monkeypatch: pytest.MonkeyPatch, processors_: int, threads: int
) -> None:
    monkeypatch.setattr(module, "processors", lambda: processors_)
    assert computing_threads() == threads
