"""A few seconds of each fuzz target, with the same inputs on every machine; `make fuzz` runs them for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fuzzing
from fuzz_targets import TARGETS

INPUTS = 500


@pytest.mark.parametrize("name", TARGETS)
def test_promises_are_kept(name: str) -> None:
    assert fuzzing.run(TARGETS[name], inputs=INPUTS, seconds=None, seed=7) == INPUTS


@pytest.mark.parametrize("name", TARGETS)
def test_what_broke_a_promise_once_keeps_it(name: str) -> None:
    feed = TARGETS[name].load()
    for path in sorted((fuzzing.FOUND / name).glob("*")):
        feed(path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_what_the_target_is_about(name: str) -> None:
    """A target whose seeds are refused fuzzes the first line of a parser."""
    target = TARGETS[name]
    feed = target.load()
    assert True in [feed(seed) for seed in target.seeds()]


def test_a_broken_promise_is_told_with_its_input() -> None:
    def feed(data: bytes) -> object:
        assert b"x" not in data
        return True

    target = fuzzing.Target(name="t", load=lambda: feed, seeds=lambda: [b"abc"], tokens=[b"x"])
    with pytest.raises(fuzzing.Broken) as caught:
        fuzzing.run(target, inputs=1000, seconds=None, seed=1)
    assert b"x" in caught.value.data


def test_the_command_reaches_every_target() -> None:
    """It runs outside pytest, which has more on its path."""
    command = [sys.executable, str(Path(__file__).parent / "fuzz.py"), "--engine", "own", "--inputs", "2"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stderr
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == list(TARGETS)
