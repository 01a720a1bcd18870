"""Guests that compute without end do not keep others from computing: threads are shared, a slice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

T = TypeVar("T")
SPINNERS = 4

GUEST = """(component
  (core module $m
    (func (export "spin") (result i32) (loop $again (br $again)) unreachable)
    (func (export "work") (param $n i32) (result i32)
      (loop $again
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n)))
      (i32.const 7)))
  (core instance $i (instantiate $m))
  (func $spin (result u32) (canon lift (core func $i "spin")))
  (func $work (param "n" u32) (result u32) (canon lift (core func $i "work")))
  (instance (export "demo:NAME/guest") (export "spin" (func $spin)) (export "work" (func $work))))"""
LONG = 300_000_000
"""Iterations that take many ticks on any machine."""


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, *names: str, threads: int, settings: str = "") -> configuration.Config:
    text = f"[executor]\nthreads = {threads}\n"
    for name in names:
        (folder / f"{name}.wat").write_text(GUEST.replace("NAME", name))
        text += f'[component.{name}]\npath = "{folder / name}.wat"\nmax_retries = 0\n{settings}\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def begin(runtime: OpenRuntime, function: str, **params: object) -> str:
    submitted = await runtime.api.submit(Submission(ffqn=f"demo:{function}", params=params))
    return submitted.execution_id


async def end_of(runtime: OpenRuntime, execution_id: str) -> log.Outcome:
    outcome = await runtime.api.wait(execution_id, 300)
    assert outcome is not None
    return outcome


async def on_threads(runtime: OpenRuntime, spinners: list[str]) -> None:
    """Wait until all spinners are under way."""
    for spinner in spinners:
        while (await runtime.api.get(spinner)).status != "locked":
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


def test_activities_that_spin_let_those_of_another_component_compute(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, "hostile", "healthy", threads=1), execute=True) as runtime:
            spinners = [await begin(runtime, "hostile/guest.spin") for _ in range(SPINNERS)]
            await on_threads(runtime, spinners)
            for _ in range(3):
                healthy = await end_of(runtime, await begin(runtime, "healthy/guest.work", n=LONG))
                assert isinstance(healthy, log.Returned)
            for spinner in spinners:
                assert await runtime.api.outcome(spinner) is None, "it would have been stopped by its timeout"
                await runtime.api.cancel(spinner)

    run(work())


def test_attempts_of_one_component_share_its_threads(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, "mixed", threads=1), execute=True) as runtime:
            spinners = [await begin(runtime, "mixed/guest.spin") for _ in range(SPINNERS)]
            await on_threads(runtime, spinners)
            other = await end_of(runtime, await begin(runtime, "mixed/guest.work", n=LONG))
            assert isinstance(other, log.Returned)
            for spinner in spinners:
                assert await runtime.api.outcome(spinner) is None, "it would have been stopped by its timeout"
                await runtime.api.cancel(spinner)

    run(work())
