"""A workflow that calls itself without end comes to one, and all that it began."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime import ids
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

DEEP = """(component
  (type $result (result u32))
  (import "demo:deep/deep" (instance $deep (export "down" (func (param "n" u32) (result (result u32))))))
  (import "demo:deep/ground" (instance $ground (export "touch" (func (result (result u32))))))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $deep (canon lower (func $deep "down") (memory (core memory $memory "memory"))))
  (core func $touch (canon lower (func $ground "touch") (memory (core memory $memory "memory"))))
  (core module $code
    (import "memory" "memory" (memory 1))
    (import "deep" "down" (func $down (param i32 i32)))
    (import "ground" "touch" (func $touch (param i32)))
    (func (export "down") (param $n i32) (result i32)
      (if (i32.eqz (local.get $n))
        (then (call $touch (i32.const 16)))
        (else (call $down (i32.sub (local.get $n) (i32.const 1)) (i32.const 16))))
      (i32.store (i32.const 20) (i32.add (i32.load (i32.const 20)) (i32.const 1)))
      (i32.const 16)))
  (core instance $code (instantiate $code
    (with "memory" (instance $memory))
    (with "deep" (instance (export "down" (func $deep))))
    (with "ground" (instance (export "touch" (func $touch))))))
  (func $export (param "n" u32) (result (result u32))
    (canon lift (core func $code "down") (memory (core memory $memory "memory"))))
  (instance (export "demo:deep/deep") (export "down" (func $export))))"""
GROUND = """(component
  (core module $code
    (memory (export "memory") 1)
    (func (export "touch") (result i32) (i32.store (i32.const 20) (i32.const 100)) (i32.const 16)))
  (core instance $code (instantiate $code))
  (func $touch (result (result u32)) (canon lift (core func $code "touch") (memory (core memory $code "memory"))))
  (instance (export "demo:deep/ground") (export "touch" (func $touch))))"""
CONFIG = """
[component.deep]
path = "deep.wat"
[component.ground]
path = "ground.wat"
labels = ["ground"]
[executor]
"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, executor: str) -> configuration.Config:
    (folder / "deep.wat").write_text(DEEP)
    (folder / "ground.wat").write_text(GROUND)
    return configuration.parse(CONFIG + executor, file=folder / "obelisk.toml")


async def down(runtime: OpenRuntime, n: int) -> str:
    return (await runtime.api.submit(Submission(ffqn="demo:deep/deep.down", params={"n": n}))).execution_id


async def by_depth(runtime: OpenRuntime) -> dict[int, str]:
    page = await runtime.api.list(Query(limit=200))
    return {ids.depth(summary.execution_id): summary.execution_id for summary in page.items}


@pytest.mark.parametrize(("executor", "most"), [("", 64), ("max_depth = 3\n", 3)])
def test_a_child_too_deep_is_not_begun(tmp_path: Path, executor: str, most: int) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, executor), execute=True) as runtime:
            top = await down(runtime, 1_000_000)
            outcome = await runtime.api.wait(top, 50)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"err":null}'
            found = await by_depth(runtime)
            assert max(found) == most
            assert len((await runtime.api.list(Query(limit=200))).items) == most + 1
            deepest = await runtime.api.wait(found[most], 5)
            assert isinstance(deepest, log.Failed)
            assert deepest.kind is log.FailureKind.TRAPPED
            assert deepest.reason == f"depth limit: a child of {found[most]} has {most + 1} ancestors, at most {most}"

    run(work())


def test_as_deep_as_may_be(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, 'max_depth = 3\nlabels = ["ground"]\n'), execute=True) as runtime:
            outcome = await runtime.api.wait(await down(runtime, 2), 300)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":103}'

    run(work())


def test_what_is_on_record_goes_on_under_a_lower_bound(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ""), execute=True) as runtime:
            top = await down(runtime, 5)
            while len(await by_depth(runtime)) < 7:
                await asyncio.sleep(0.01)
        lower = config_of(tmp_path, 'max_depth = 1\nlabels = ["ground"]\n')
        async with open_runtime(lower, execute=True) as runtime:
            outcome = await runtime.api.wait(top, 300)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":106}'

    run(work())


@pytest.mark.parametrize("wrong", [0, 1_001])
def test_bounds_of_the_bound(tmp_path: Path, wrong: int) -> None:
    with pytest.raises(ConfigError, match=r"executor\.max_depth"):
        config_of(tmp_path, f"max_depth = {wrong}\n")


def test_the_log_of_what_was_too_deep_replays(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, "max_depth = 2\n"), execute=True) as runtime:
            await runtime.api.wait(await down(runtime, 9), 300)
            for execution_id in (await by_depth(runtime)).values():
                assert (await runtime.api.replay(execution_id)).ok

    run(work())
