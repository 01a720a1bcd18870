"""What a guest may put on record has bounds: the history of one execution, the executions of one tree."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.executor.crowded import MOST_WAITING
from obelisk.runtime.executor.ready import Ready
from obelisk.runtime.executor.runs import Run
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

T = TypeVar("T")
FLOW = """(component
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (export "random-u64" (func (param "min" u64) (param "max-exclusive" u64) (result u64)))))
  (import "demo:child/child" (instance $child (export "seven" (func (result u32)))))
  (alias export $support "random-u64" (func $random))
  (alias export $child "seven" (func $seven))
  (core func $random-core (canon lower (func $random)))
  (core func $seven-core (canon lower (func $seven)))
  (core module $m
    (import "host" "random" (func $random (param i64 i64) (result i64)))
    (import "host" "seven" (func $seven (result i32)))
    ;; Draws `n` numbers, one event each, then asks for `calls` children, two events each.
    (func (export "draw") (param $n i32) (param $calls i32) (result i32) (local $sum i32)
      (block $drawn (loop $again
        (br_if $drawn (i32.eqz (local.get $n)))
        (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (call $random (i64.const 1) (i64.const 2)))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
      (block $called (loop $again
        (br_if $called (i32.eqz (local.get $calls)))
        (local.set $sum (i32.add (local.get $sum) (call $seven)))
        (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
        (br $again)))
      (local.get $sum)))
  (core instance $host (export "random" (func $random-core)) (export "seven" (func $seven-core)))
  (core instance $i (instantiate $m (with "host" (instance $host))))
  (func $draw (param "n" u32) (param "calls" u32) (result u32) (canon lift (core func $i "draw")))
  (instance (export "demo:flow/flow") (export "draw" (func $draw))))"""
CHILD = """(component
  (core module $m (func (export "seven") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m))
  (func $seven (result u32) (canon lift (core func $i "seven")))
  (instance (export "demo:child/child") (export "seven" (func $seven))))"""


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, settings: str, executor: str = "") -> configuration.Config:
    (folder / "flow.wat").write_text(FLOW)
    (folder / "child.wat").write_text(CHILD)
    text = f'{executor}\n[component.flow]\npath = "flow.wat"\n{settings}\n[component.child]\npath = "child.wat"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def begin(runtime: OpenRuntime, **params: object) -> str:
    return (await runtime.api.submit(Submission(ffqn="demo:flow/flow.draw", params=params))).execution_id


async def status_of(runtime: OpenRuntime, execution_id: str) -> str:
    """Its status once it goes on no more."""
    while (status := (await runtime.api.get(execution_id)).status) not in ("paused", "finished"):
        await asyncio.sleep(0.01)
    return status


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        ("max_history_events = 50", "max_history_events = 60", "has 50 events, max_history_events is 50"),
        ("max_history_bytes = 5000", "max_history_bytes = 50000", "bytes, max_history_bytes is 5000"),
    ],
)
def test_a_history_that_is_full_pauses_and_goes_on_with_a_higher_bound(
    tmp_path: Path, low: str, high: str, reason: str
) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, low), execute=True) as runtime:
            flow = await begin(runtime, n=48, calls=4)
            assert await status_of(runtime, flow) == "paused"
            summary = await runtime.api.get(flow)
            assert summary.reason.startswith("history limit: its history has ")
            assert reason in summary.reason
            before = await runtime.api.events(flow)
            assert sum(isinstance(entry.event, log.HistoryEvent) for entry in before) < 48 + 4 * 2
            await runtime.api.unpause(flow)
            assert await status_of(runtime, flow) == "paused", "the bound is what it was"
        async with open_runtime(config_of(tmp_path, high), execute=True) as runtime:
            await runtime.api.unpause(flow)
            assert await status_of(runtime, flow) == "finished"
            outcome = await runtime.api.outcome(flow)
            assert isinstance(outcome, log.Returned)
            assert int(bytes(outcome.value)) == 48 + 4 * 7
            assert (await runtime.api.replay(flow)).ok

    run(work())


def test_a_lower_bound_ends_nothing_that_is_on_record(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ""), execute=True) as runtime:
            flow = await begin(runtime, n=10, calls=2)
            assert await status_of(runtime, flow) == "finished"
        async with open_runtime(config_of(tmp_path, "max_history_events = 1"), execute=True) as runtime:
            assert (await runtime.api.replay(flow)).ok

    run(work())


def test_a_tree_that_grows_without_end_is_cut(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "", "[executor]\nmax_family = 20")
        async with open_runtime(config, execute=True) as runtime:
            flow = await begin(runtime, n=0, calls=1_000)
            assert await status_of(runtime, flow) == "finished"
            outcome = await runtime.api.outcome(flow)
            assert isinstance(outcome, log.Failed)
            assert outcome.reason == (
                f"family limit: {flow}, its descendants and what these scheduled have asked for 20 executions, "
                "as many as [executor] max_family allows"
            )
            assert await runtime.api.count(Query(parent=flow)) == 20
            other = await begin(runtime, n=0, calls=20)
            assert await status_of(runtime, other) == "finished"
            assert isinstance(await runtime.api.outcome(other), log.Returned), "another family has room of its own"

    run(work())


def test_a_backlog_waits_in_the_store_and_not_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where claims are fair; a few at a time are taken, until all are done."""
    waiting, add = list[int](), Ready.add

    def added(ready: Ready, run: Run, *, last: bool = False, begins: bool = False) -> None:
        add(ready, run, last=last, begins=begins)
        waiting.append(ready.waiting)

    monkeypatch.setattr(Ready, "add", added)

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, ""), execute=False) as idle:
            for _ in range(3 * MOST_WAITING):
                await begin(idle, n=1, calls=0)
        async with open_runtime(config_of(tmp_path, ""), execute=True) as runtime:
            while (await runtime.api.list(Query(status="open", limit=1))).items:
                await asyncio.sleep(0.01)

    run(work())
    assert max(waiting) == MOST_WAITING
