"""Cancelling and pausing on the real runtime: component text, wasmtime, SQLite, one process or two."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ExecutionNotFound, NotCancellable
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.usecases.effects import Effect
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
LATER = "demo:fibo/workflow.fibo-later"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, more: str = "") -> configuration.Config:
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
    return configuration.parse(text + more, file=folder / "obelisk.toml")


async def later(runtime: OpenRuntime) -> str:
    """A workflow that sleeps for an hour, once it does."""
    submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": 3_600_000}))
    while (await runtime.api.get(submitted.execution_id)).waits_for is None:
        await asyncio.sleep(0.005)
    return submitted.execution_id


async def wake(runtime: OpenRuntime, execution_id: str) -> None:
    """End the sleep before its time."""
    assert (await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")).effect is Effect.DONE


async def outcome_of(runtime: OpenRuntime, execution_id: str) -> log.Outcome:
    outcome = await runtime.api.wait(execution_id, 300)
    assert outcome is not None
    return outcome


def is_cancelled(outcome: log.Outcome) -> bool:
    return isinstance(outcome, log.Failed) and outcome.kind is log.FailureKind.CANCELLED


async def kinds(runtime: OpenRuntime, execution_id: str) -> list[str]:
    return [type(e.event).__name__ for e in await runtime.api.events(execution_id)]


def test_a_sleeping_workflow_is_cancelled_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id = await later(runtime)
            assert (await runtime.api.cancel(execution_id)).effect is Effect.DONE
            assert is_cancelled(await outcome_of(runtime, execution_id))
            assert (await runtime.api.cancel(execution_id)).effect is Effect.FINISHED
            assert (await runtime.api.pause(execution_id)).effect is Effect.FINISHED
            found = await kinds(runtime, execution_id)
            assert found == ["Created", "Locked", "DelayRequest", "CancellationRequested", "Finished"]
            delay = f"Delay_{execution_id[2:]}.o:1_1"
            assert (await runtime.api.cancel(delay)).effect is Effect.FINISHED

    run(work())


def test_a_cancelled_delay_ends_the_sleep_with_err(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id = await later(runtime)
            delay = f"Delay_{execution_id[2:]}.o:1_1"
            assert (await runtime.api.cancel(delay)).effect is Effect.DONE
            assert isinstance(await outcome_of(runtime, execution_id), log.Returned)
            assert (await runtime.api.cancel(delay)).effect is Effect.ALREADY
            responses = await runtime.api.responses(execution_id)
            assert responses[0].response == log.DelayFinished(join_set="o:1", delay=delay, cancelled=True)

    run(work())


@pytest.mark.parametrize(
    "wanted", ["E_01J00000000000000000000000", "Delay_01J00000000000000000000000.o:1_1", "Delay_x"]
)
def test_nothing_is_not_cancelled(tmp_path: Path, wanted: str) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            with pytest.raises(ExecutionNotFound):
                await runtime.api.cancel(wanted)

    run(work())


def test_a_workflow_may_refuse(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "cancellable = false\n")
        async with open_runtime(config, execute=True) as runtime:
            execution_id = await later(runtime)
            with pytest.raises(NotCancellable):
                await runtime.api.cancel(execution_id)
            await wake(runtime, execution_id)
            assert isinstance(await outcome_of(runtime, execution_id), log.Returned)

    run(work())


def test_another_process_cancels(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime, open_runtime(config, execute=False) as other:
            execution_id = await later(runtime)
            assert runtime.executor is not None
            assert (await other.api.cancel(execution_id)).effect is Effect.DONE
            assert (await other.api.cancel(execution_id)).effect in (Effect.ALREADY, Effect.FINISHED)
            assert is_cancelled(await outcome_of(other, execution_id))
            while runtime.executor.is_running(execution_id):  # until its run is dropped
                await asyncio.sleep(0.01)

    run(work())


def test_a_paused_workflow_goes_on_when_it_is_unpaused(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id = await later(runtime)
            assert (await runtime.api.pause(execution_id)).effect is Effect.DONE
            assert (await runtime.api.pause(execution_id)).effect is Effect.ALREADY
            await wake(runtime, execution_id)
            assert await runtime.api.wait(execution_id, 0.3) is None
            assert (await runtime.api.get(execution_id)).status == "paused"
            assert (await runtime.api.unpause(execution_id)).effect is Effect.DONE
            assert isinstance(await outcome_of(runtime, execution_id), log.Returned)
            assert (await runtime.api.unpause(execution_id)).effect is Effect.FINISHED
            found = await kinds(runtime, execution_id)
            assert found[:5] == ["Created", "Locked", "DelayRequest", "Paused", "Unpaused"]
            assert found.count("DelayRequest") == 1

    run(work())


def test_a_running_activity_is_interrupted(tmp_path: Path) -> None:
    spinning = """(component
      (core module $m (func (export "spin") (result i32) (loop $again (br $again)) unreachable))
      (core instance $i (instantiate $m))
      (func $spin (result u32) (canon lift (core func $i "spin")))
      (instance (export "demo:spin/spin") (export "spin" (func $spin))))"""
    (tmp_path / "spin.wat").write_text(spinning)

    async def work() -> None:
        text = '[component.spin]\npath = "spin.wat"\n'
        config = configuration.parse(text, file=tmp_path / "obelisk.toml")
        before = fibers.live_count()
        async with open_runtime(config, execute=True) as runtime:
            assert runtime.executor is not None
            submitted = await runtime.api.submit(Submission(ffqn="demo:spin/spin.spin", params={}))
            while fibers.live_count() == before:
                await asyncio.sleep(0.005)
            assert runtime.executor.is_running(submitted.execution_id)
            assert (await runtime.api.cancel(submitted.execution_id)).effect is Effect.DONE
            assert is_cancelled(await outcome_of(runtime, submitted.execution_id))
            assert not runtime.executor.is_running(submitted.execution_id)

    run(work())
