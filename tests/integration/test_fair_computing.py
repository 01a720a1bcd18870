"""Guests that compute without end do not keep others from computing: threads are shared, a slice at a time."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import HandOver, Poll
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from obelisk.runtime.workers import driven
from obelisk.runtime.workers.driven import Driven
from obelisk.runtime.workers.host_calls import HostCalls

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


# --- workflows -------------------------------------------------------------------------------------------------------
WORKFLOW = """(component
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "random-u64" (func (param "min" u64) (param "max-exclusive" u64) (result u64)))))
  (import "demo:healthy/guest" (instance $child (export "work" (func (param "n" u32) (result u32)))))
  (alias export $support "random-u64" (func $random))
  (alias export $child "work" (func $work))
  (core func $random-core (canon lower (func $random)))
  (core func $work-core (canon lower (func $work)))
  (core module $m
    (import "host" "random" (func $random (param i64 i64) (result i64)))
    (import "host" "work" (func $work (param i32) (result i32)))
    (func $compute (param $n i32)
      (loop $again
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n))))
    (func (export "spin") (result i32) (loop $again (br $again)) unreachable)
    ;; Computes for many ticks before, between and after its steps.
    (func (export "steps") (param $n i32) (result i32) (local $sum i32)
      (call $compute (local.get $n))
      (local.set $sum (i32.wrap_i64 (call $random (i64.const 5) (i64.const 6))))
      (call $compute (local.get $n))
      (local.set $sum (i32.add (local.get $sum) (call $work (i32.const 1))))
      (call $compute (local.get $n))
      (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (call $random (i64.const 8) (i64.const 9)))))
      (local.set $sum (i32.add (local.get $sum) (call $work (i32.const 1))))
      (local.get $sum)))
  (core instance $host (export "random" (func $random-core)) (export "work" (func $work-core)))
  (core instance $i (instantiate $m (with "host" (instance $host))))
  (func $spin (result u32) (canon lift (core func $i "spin")))
  (func $steps (param "n" u32) (result u32) (canon lift (core func $i "steps")))
  (instance (export "demo:flow/guest") (export "spin" (func $spin)) (export "steps" (func $steps))))"""
SUM = 5 + 7 + 8 + 7


def workflow_config(folder: Path, settings: str = "") -> configuration.Config:
    (folder / "flow.wat").write_text(WORKFLOW)
    (folder / "healthy.wat").write_text(GUEST.replace("NAME", "healthy"))
    text = f'[component.flow]\npath = "{folder}/flow.wat"\n{settings}\n'
    text += f'[component.healthy]\npath = "{folder}/healthy.wat"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


def polls_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The contexts of guests that are run on this thread, as it is noted from now on."""
    polled: list[object] = []
    right, here = Fiber.poll, threading.get_ident()

    def poll(fiber: Fiber, hand_over: HandOver | None = None) -> Poll:
        if threading.get_ident() == here:
            polled.append(fiber.context)
        return right(fiber, hand_over)

    monkeypatch.setattr(Fiber, "poll", poll)
    return polled


def workflows_that_begin(monkeypatch: pytest.MonkeyPatch) -> list[Driven]:
    """The guests of workflows that begin, as it is noted from now on."""
    begun: list[Driven] = []
    right = Driven.begin

    def begin(guest: Driven) -> None:
        begun.append(guest)
        right(guest)

    monkeypatch.setattr(Driven, "begin", begin)
    return begun


def test_a_workflow_that_computes_for_long_leaves_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with open_runtime(workflow_config(tmp_path), execute=True) as runtime:
            polled, begun = polls_on_the_loop(monkeypatch), workflows_that_begin(monkeypatch)
            spinners = [await begin(runtime, "flow/guest.spin")]
            while not any(guest.aside for guest in begun):
                await asyncio.sleep(0.01)
            polled.clear()
            spinners += [await begin(runtime, "flow/guest.spin") for _ in range(SPINNERS)]
            for _ in range(20):
                healthy = await end_of(runtime, await begin(runtime, "healthy/guest.work", n=1))
                assert isinstance(healthy, log.Returned)
                await asyncio.sleep(0.05)
            assert not any(isinstance(context, HostCalls) for context in polled), (
                "its function is known to compute for long"
            )
            for spinner in spinners:
                assert await runtime.api.outcome(spinner) is None
                await runtime.api.cancel(spinner)
                assert isinstance(await end_of(runtime, spinner), log.Failed)

    before = fibers.live_count()
    run(work())
    assert fibers.live_count() == before, "a guest was left to a thread"


def test_a_workflow_on_threads_makes_its_steps(tmp_path: Path) -> None:
    """Its host calls, those that wait and those that do not, are answered and recorded as on the loop; it replays."""

    async def work() -> None:
        async with open_runtime(workflow_config(tmp_path), execute=True) as runtime:
            flows = [await begin(runtime, "flow/guest.steps", n=LONG // 3) for _ in range(SPINNERS)]
            for flow in flows:
                outcome = await end_of(runtime, flow)
                assert isinstance(outcome, log.Returned), outcome
                assert int(bytes(outcome.value)) == SUM
                names = [type(entry.event).__name__ for entry in await runtime.api.events(flow)]
                assert [name for name in names if name not in ("Created", "Locked", "Finished")] == [
                    "Persist",
                    "JoinSetRequest",
                    "JoinNext",
                    "Persist",
                    "JoinSetRequest",
                    "JoinNext",
                ]
                assert (await runtime.api.replay(flow)).ok

    run(work())


def test_a_workflow_that_computes_without_end_fails(tmp_path: Path) -> None:
    async def work() -> None:
        config = workflow_config(tmp_path, "max_compute_ms = 300")
        async with open_runtime(config, execute=True) as runtime:
            ended = await end_of(runtime, await begin(runtime, "flow/guest.spin"))
            assert isinstance(ended, log.Failed)
            assert ended.kind is log.FailureKind.OUT_OF_FUEL
            assert re.fullmatch(
                r"compute limit: it computed for \d+ ms of processor time without a step, max_compute_ms is 300",
                ended.reason,
            )
            steps = await end_of(runtime, await begin(runtime, "flow/guest.steps", n=1))
            assert isinstance(steps, log.Returned), "it computes less between two steps"

    run(work())


def test_a_recorded_step_may_take_longer_than_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is slower than the one that made the history replays it; one that comes to no step pauses it."""

    async def work() -> None:
        async with open_runtime(workflow_config(tmp_path), execute=True) as runtime:
            flow = await begin(runtime, "flow/guest.steps", n=LONG)
            while len(await runtime.api.events(flow)) < 4:
                await asyncio.sleep(0.01)
            await runtime.api.pause(flow)
            for patience, status in ((0, "paused"), (1_000, "finished")):
                monkeypatch.setattr(driven, "REPLAY_PATIENCE", patience)
                await runtime.api.unpause(flow)
                while (summary := await runtime.api.get(flow)).status not in ("finished", "paused"):
                    await asyncio.sleep(0.01)
                assert summary.status == status
                assert ("without a step" in summary.reason) is (status == "paused")
            outcome = await runtime.api.outcome(flow)
            assert isinstance(outcome, log.Returned)
            assert int(bytes(outcome.value)) == SUM

    run(work())
