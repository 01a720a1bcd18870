"""A bug of the engine inside a run: the execution is paused, and goes on once that is over. Nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

import sim_world
from obelisk.runtime.executor import deciding
from obelisk.runtime.executor.settings import ExecutorSettings
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Summary
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.workers import answers
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.workflow import WorkflowRun
from sim_faults import Faults
from sim_names import FLOW, WORK
from sim_system import expected
from sim_time import VirtualLoop
from sim_world import Process, World

Lives = Callable[[Callable[[World], Coroutine[None, None, None]]], None]


@pytest.fixture
def lives() -> Lives:
    """Runs something in a world without faults."""

    def live(work: Callable[[World], Coroutine[None, None, None]]) -> None:
        loop = VirtualLoop()
        asyncio.set_event_loop(loop)
        world = World(seed=1, faults=Faults(hot_workflows=100), loop=loop, dice=random.Random(1), kind=True)
        try:
            loop.run_until_complete(work(world))
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    return live


@asynccontextmanager
async def process_of(world: World) -> AsyncGenerator[Process]:
    process = await world.start_process()
    yield process
    await process.executor.stop()
    await process.watchers.stop()


async def paused(process: Process, execution_id: str) -> Summary:
    for _ in range(10_000):
        summary = await process.api.get(execution_id)
        if summary.status == "paused":
            return summary
        await asyncio.sleep(0.1)
    raise AssertionError(f"{execution_id} is {(await process.api.get(execution_id)).status}")


def cause_of(world: World, execution_id: str) -> log.Broken:
    pauses = [e.event for e in world.database.executions[execution_id].events if isinstance(e.event, log.Paused)]
    cause = pauses[-1].cause
    assert isinstance(cause, log.Broken)
    return cause


def breaks(*_: object) -> int:
    raise ZeroDivisionError("a bug")


@pytest.mark.parametrize("function", ["sleepy", "serial"])
def test_a_workflow_is_paused_and_goes_on_when_somebody_lets_it(
    lives: Lives, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, function: str
) -> None:
    async def work(world: World) -> None:
        async with process_of(world) as process:
            for owner, broken in ((HostCalls, HostCalls.ask), (WorkflowRun, WorkflowRun.take)):
                with monkeypatch.context() as patch:
                    patch.setattr(owner, broken.__name__, after(broken, 3))
                    submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.{function}", params=[5]))
                    summary = await paused(process, submitted.execution_id)
                cause = cause_of(world, submitted.execution_id)
                assert f"the engine failed ({cause.error_id}): ZeroDivisionError: a bug" == summary.reason
                assert cause.error_id in caplog.text
                assert "Traceback" in caplog.text
                assert not process.executor.is_running(submitted.execution_id)
                await process.api.unpause(submitted.execution_id)
                outcome = await process.api.wait(submitted.execution_id, 5_000)
                assert isinstance(outcome, log.Returned)
                assert msgspec.json.decode(outcome.value) == expected(function, 5)
            assert process.executor.metrics.engine_errors.by_labels == {(f"{FLOW}.{function}",): 2}

    with caplog.at_level(logging.ERROR):
        lives(work)


def after(method: Callable[..., object], calls: int) -> Callable[..., object]:
    """A method that breaks at its call of that number, and works again after it."""
    count = 0

    def called(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        if count == calls:
            raise ZeroDivisionError("a bug")
        return method(*args, **kwargs)

    return called


def test_another_version_of_the_engine_goes_on_by_itself(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World) -> None:
        async with process_of(world) as process:
            with monkeypatch.context() as patch:
                patch.setattr(answers, "datetime_record", breaks)
                submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.sleepy", params=[5]))
                await paused(process, submitted.execution_id)
                other = await process.api.submit(Submission(ffqn=f"{FLOW}.serial", params=[5]))
                await process.api.pause(other.execution_id)
        async with process_of(world) as process:
            await asyncio.sleep(60)
            assert (await process.api.get(submitted.execution_id)).status == "paused", (
                "the same engine would fail again"
            )
        monkeypatch.setattr(sim_world, "ExecutorSettings", partial(ExecutorSettings, engine="fixed"))
        async with process_of(world) as process:
            assert isinstance(await process.api.wait(submitted.execution_id, 5_000), log.Returned)
            assert (await process.api.get(other.execution_id)).status == "paused", "that was an operator"
        events = [e.event for e in world.database.executions[submitted.execution_id].events]
        assert [e.reason for e in events if isinstance(e, log.Unpaused)] == ["the engine is another version now: fixed"]

    lives(work)


def test_an_activity_is_retried_then_paused(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(world: World) -> None:
        async with process_of(world) as process:
            with monkeypatch.context() as patch:
                patch.setattr(ActivityAttempt, "poll", breaks)
                submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.serial", params=[1]))
                child = f"{submitted.execution_id}.o:1_1"
                await asyncio.sleep(1)
                summary = await paused(process, child)
            assert summary.attempts == 40
            assert cause_of(world, child).error_id in summary.reason
            assert process.executor.metrics.attempts.by_labels[f"{WORK}.double", "paused"] == 1
            await process.api.unpause(child)
            assert isinstance(await process.api.wait(submitted.execution_id, 5_000), log.Returned)

    lives(work)


def test_a_decision_that_breaks_pauses_the_workflow_that_waits_for_it(
    lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(world: World) -> None:
        async with process_of(world) as process:
            with monkeypatch.context() as patch:
                patch.setattr(deciding, "decide", breaks)
                submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.stubbing", params=[5]))
                await paused(process, submitted.execution_id)
            await process.api.unpause(submitted.execution_id)
            assert isinstance(await process.api.wait(submitted.execution_id, 5_000), log.Returned)

    lives(work)
