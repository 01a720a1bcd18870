"""The counters of a runtime that works: executions, attempts, claims, commits, replays, lines."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
TRAP = """(component
  (core module $m (func (export "trap") (result i32) unreachable))
  (core instance $i (instantiate $m))
  (func $trap (result u32) (canon lift (core func $i "trap")))
  (instance (export "demo:trap/trap") (export "trap" (func $trap))))"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path) -> configuration.Config:
    (folder / "trap.wat").write_text(TRAP)
    text = (
        f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
        '[component.trap]\npath = "trap.wat"\nmax_retries = 2\ninitial_backoff_ms = 1\n'
    )
    return configuration.parse(text, file=folder / "obelisk.toml")


async def call(runtime: OpenRuntime, ffqn: str, **params: object) -> str:
    submitted = await runtime.api.submit(Submission(ffqn=ffqn, params=params))
    assert await runtime.api.wait(submitted.execution_id, 300) is not None
    return submitted.execution_id


async def read(runtime: OpenRuntime) -> dict[str, dict[tuple[str, ...], float]]:
    """Every metric: samples by labels; of a distribution how many values and their sum."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in await runtime.api.metrics():
        found[family.name.removeprefix("obelisk_")] = dict(family.samples)
        if (values := family.distributions.get(())) is not None:
            found[family.name.removeprefix("obelisk_")] = {("count",): sum(values.counts), ("sum",): values.total}
    return found


def test_what_happened_is_counted(tmp_path: Path) -> None:
    workflow, fibo, trap = "demo:fibo/workflow.fiboa", "demo:fibo/fibo.fibo", "demo:trap/trap.trap"

    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            await call(runtime, workflow, n=10, iterations=5)
            await call(runtime, workflow, n=94, iterations=1)
            await call(runtime, trap)
            found = await read(runtime)
            assert found["executions_submitted"] == {(workflow,): 2, (trap,): 1}
            assert found["executions_finished"] == {
                (workflow, "ok"): 1,
                (workflow, "err"): 1,
                (fibo, "ok"): 5,
                (fibo, "err"): 1,
                (trap, "trapped"): 1,
            }
            attempts = found["attempts"]
            assert attempts[trap, "retried"] == 2
            assert attempts[trap, "finished"] == 1
            assert attempts[fibo, "finished"] == 6
            assert found["executions_claimed"]["activity",] >= 2
            assert found["running"] == {("workflow",): 0, ("activity",): 0}
            assert found["pending"] == {(): 0}
            assert found["commit_group_size"]["count",] == found["commit_seconds"]["count",] > 5
            assert found["commit_group_size"]["sum",] >= found["commit_group_size"]["count",]
            assert found["commit_seconds"]["sum",] > 0
            assert found["replay_events"]["count",] == 0

    run(work())


def test_what_ends_without_a_run_is_counted(tmp_path: Path) -> None:
    """A stub gets its result; what waits is cancelled with its children, or evicted."""
    person, workflow = "demo:fibo/fibo.fibo", "demo:fibo/workflow.fiboa"
    (tmp_path / "obelisk.toml").write_text(
        f'[component.person]\nkind = "stub"\npath = "{FIBO}/activity.wat"\n'
        'max_pending = 2\nwhen_full = "evict-oldest"\n'
        f'[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
    )
    config = configuration.parse((tmp_path / "obelisk.toml").read_text(), file=tmp_path / "obelisk.toml")

    async def work() -> None:
        async with open_runtime(config, execute=True) as runtime:
            api = runtime.api
            first = (await api.submit(Submission(ffqn=person, params={"n": 1}))).execution_id
            await api.stub(first, {"ok": 1})
            parent = (await api.submit(Submission(ffqn=workflow, params={"n": 1, "iterations": 1}))).execution_id
            while not (await api.list(Query(parent=parent))).items:
                await asyncio.sleep(0.005)
            await api.cancel(parent)
            assert await api.wait(parent, 300) is not None
            for _ in range(3):
                await api.submit(Submission(ffqn=person, params={"n": 1}))
            found = await read(runtime)
            assert (found["awaiting_result"][()], found["pending"][()], found["queue_lag_seconds"][()]) == (2, 0, 0)
            expected = {
                (person, "ok"): 1,
                (person, "cancelled"): 1,
                (workflow, "cancelled"): 1,
                (person, "uncategorized"): 1,
            }
            while sum((await read(runtime))["executions_finished"].values()) < sum(expected.values()):
                await asyncio.sleep(0.01)
            assert (await read(runtime))["executions_finished"] == expected

    run(work())


def test_a_replay_is_counted_with_its_length(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime:
            submission = Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 3_600_000})
            execution_id = (await runtime.api.submit(submission)).execution_id
            while (await runtime.api.get(execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
            assert (await read(runtime))["running"]["workflow",] == 1
        async with open_runtime(config, execute=True) as runtime:
            await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")
            assert await runtime.api.wait(execution_id, 300) is not None
            assert (await read(runtime))["replay_events"] == {("count",): 1, ("sum",): 1}

    run(work())
