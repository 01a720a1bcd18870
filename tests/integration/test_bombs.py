"""Guests that take all they can get are stopped, each with a failure that names the limit, and others are served."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ConfigError
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

BOMBS = Path(__file__).parent / "bombs.wat"
MIB = 1 << 20
T = TypeVar("T")

MANY = """(component
  (core module $m (func (export "well") (result i32) (i32.const 7)))
  {instances}
  (core instance $i (instantiate $m))
  (func $well (result u32) (canon lift (core func $i "well")))
  (instance (export "demo:many/many") (export "well" (func $well))))"""


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, settings: str, wat: Path = BOMBS) -> configuration.Config:
    text = f'[component.bombs]\npath = "{wat}"\nmax_retries = 0\n{settings}\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def end_of(runtime: OpenRuntime, function: str, **params: object) -> log.Outcome:
    submitted = await runtime.api.submit(Submission(ffqn=f"demo:{function}", params=params))
    outcome = await runtime.api.wait(submitted.execution_id, 300)
    assert outcome is not None
    return outcome


def ends(folder: Path, settings: str, function: str, **params: object) -> log.Outcome:
    """How a bomb ends, while another execution of the same component is served beside it, and one after it."""

    async def work() -> log.Outcome:
        async with open_runtime(config_of(folder, settings), execute=True) as runtime:
            bomb = asyncio.ensure_future(end_of(runtime, f"bombs/bombs.{function}", **params))
            for _ in range(5):
                other = await end_of(runtime, "bombs/bombs.well")
                assert isinstance(other, log.Returned)
                assert bytes(other.value) == b"7"
            outcome = await bomb
            assert isinstance(await end_of(runtime, "bombs/bombs.well"), log.Returned)
            return outcome

    return run(work())


def failure(outcome: log.Outcome) -> log.Failed:
    assert isinstance(outcome, log.Failed), outcome
    return outcome


def test_a_memory_grows_no_further(tmp_path: Path) -> None:
    outcome = ends(tmp_path, f"max_memory_bytes = {16 * MIB}", "memory")
    assert isinstance(outcome, log.Returned)
    assert 256 - 16 < int(bytes(outcome.value)) <= 256


def test_a_table_grows_no_further(tmp_path: Path) -> None:
    outcome = ends(tmp_path, "max_table_elements = 5000", "table")
    assert isinstance(outcome, log.Returned)
    assert bytes(outcome.value) == b"4001"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("max_memory_bytes = 100000", "memory minimum size of 2 pages exceeds memory limits"),
        ("max_table_elements = 0", "table minimum size of 1 elements exceeds table limits"),
    ],
)
def test_what_does_not_fit_from_the_start_is_named(tmp_path: Path, settings: str, reason: str) -> None:
    path = tmp_path / "large.wat"
    path.write_text(BOMBS.read_text().replace('(memory (export "mem") 1)', '(memory (export "mem") 2)'))

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, settings, path), execute=True) as runtime:
            ended = failure(await end_of(runtime, "bombs/bombs.well"))
            assert ended.kind is log.FailureKind.TRAPPED
            assert ended.reason == f"memory limit: the component could not be instantiated: {reason}"

    run(work())


@pytest.mark.parametrize("stack", [64 << 10, 2 * MIB, 4 * MIB])
def test_a_stack_ends(tmp_path: Path, stack: int) -> None:
    ended = failure(ends(tmp_path, f"max_stack_bytes = {stack}", "stack"))
    assert ended.kind is log.FailureKind.TRAPPED
    assert ended.reason == "stack limit: wasm trap: call stack exhausted"


def test_fuel_is_used_up(tmp_path: Path) -> None:
    ended = failure(ends(tmp_path, "fuel = 5000000", "spin"))
    assert ended.kind is log.FailureKind.OUT_OF_FUEL
    assert ended.reason == "fuel limit: wasm trap: all fuel consumed by WebAssembly"


def test_time_is_up(tmp_path: Path) -> None:
    before = fibers.live_count()
    ended = failure(ends(tmp_path, "attempt_timeout_ms = 300", "spin"))
    assert ended.kind is log.FailureKind.TIMED_OUT
    assert fibers.live_count() == before, "a runtime that is closed left a guest to a thread"


@pytest.mark.parametrize(
    ("function", "size"), [("text", 2000), ("bytes", 2000), ("text", 64 * MIB), ("bytes", 64 * MIB)]
)
def test_a_result_is_too_large(tmp_path: Path, function: str, size: int) -> None:
    ended = failure(ends(tmp_path, "max_value_bytes = 1500", function, n=size))
    assert ended.kind is log.FailureKind.TRAPPED
    assert ended.reason.startswith("size limit: ")


def test_too_many_instances(tmp_path: Path) -> None:
    path = tmp_path / "many.wat"
    path.write_text(MANY.format(instances="(core instance (instantiate $m))\n" * 300))

    async def work(most: int) -> log.Outcome:
        config = config_of(tmp_path, f"max_instances = {most}", path)
        async with open_runtime(config, execute=True) as runtime:
            return await end_of(runtime, "many/many.well")

    assert isinstance(run(work(400)), log.Returned)
    ended = failure(run(work(200)))
    assert ended.reason.startswith("memory limit: the component could not be instantiated: resource limit exceeded")


@pytest.mark.parametrize(
    "setting",
    ["max_memory_bytes = 1", "max_stack_bytes = 100", "max_instances = 0", "fuel = -1", "max_value_bytes = 0"],
)
def test_limits_have_bounds_themselves(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=f"component.bombs.{setting.split()[0]}: must lie in"):
        config_of(tmp_path, setting)
