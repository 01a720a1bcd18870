"""Labels, limits on concurrency and on what waits, with real components and several executors on one file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ConfigError, QueueFull
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
CALL = Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 10})
WORKFLOW = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 10, "iterations": 2})
LATER = Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 50})
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(
    folder: Path, *, activity: str = "", workflow: str = "", executor: str = "", store: str = ""
) -> configuration.Config:
    text = f"""
[store]
path = "store.sqlite"
{store}
[executor]
poll_ms = 50
{executor}
[component.activity]
path = "{FIBO}/activity.wat"
{activity}
[component.workflow]
path = "{FIBO}/workflow.wat"
{workflow}
"""
    return configuration.parse(text, file=folder / "obelisk.toml")


async def fibo_of(api: Api, submission: Submission) -> str:
    """Submit, and give the id."""
    return (await api.submit(submission)).execution_id


async def ends_well(api: Api, execution_id: str) -> None:
    outcome = await api.wait(execution_id, 300)
    assert isinstance(outcome, log.Returned)
    assert bytes(outcome.value) == b'{"ok":55}'


def most_at_once(folder: Path, ffqn: str) -> int:
    """How many executions of a function were locked at one time, in the order of the log."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        rows = connection.execute(
            "select log.execution, cast(log.body as text) from log join execution on execution.number = log.execution "
            "where execution.ffqn = ? order by log.number",
            (ffqn,),
        ).fetchall()
    held: set[int] = set()
    most = 0
    for execution, body in rows:
        if '"type":"locked"' in body:
            held.add(execution)
        elif any(f'"type":"{kind}"' in body for kind in ("unlocked", "finished", "temporarily_failed")):
            held.discard(execution)
        most = max(most, len(held))
    assert not held
    return most


# --- concurrency ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("most", [1, 2])
def test_no_more_than_allowed_run_at_once_in_two_executors(tmp_path: Path, most: int) -> None:
    config = config_of(tmp_path, activity=f"max_concurrent = {most}")

    async def work() -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(open_runtime(config, execute=True))
            second = await stack.enter_async_context(open_runtime(config, execute=True))
            started = [await fibo_of((first, second)[i % 2].api, WORKFLOW) for i in range(6)]
            started += [await fibo_of((first, second)[i % 2].api, CALL) for i in range(6)]
            for execution_id in started:
                await ends_well(first.api, execution_id)

    run(work())
    assert most_at_once(tmp_path, CALL.ffqn) == most


def test_without_a_limit_more_run_at_once(tmp_path: Path) -> None:
    """All are there before the executor is: its first claim takes them together, however slow the machine is."""

    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=False) as runtime:
            submitted = [await fibo_of(runtime.api, CALL) for _ in range(9)]
        async with open_runtime(config, execute=True) as runtime:
            for execution_id in submitted:
                await ends_well(runtime.api, execution_id)

    run(work())
    assert most_at_once(tmp_path, CALL.ffqn) == 9


def test_a_workflow_under_a_limit_lets_go_of_its_place_while_it_waits(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(
            config_of(tmp_path, workflow="max_concurrent = 1", executor="linger_ms = 0"), execute=True
        ) as runtime:
            started = [await fibo_of(runtime.api, LATER) for _ in range(3)]
            for execution_id in started:
                await ends_well(runtime.api, execution_id)
            events = [e.event for e in await runtime.api.events(started[0])]
            assert sum(isinstance(e, log.Unlocked) and e.join_set is not None for e in events) >= 2

    run(work())
    assert most_at_once(tmp_path, LATER.ffqn) == 1


@pytest.mark.parametrize(("hot", "unloads"), [("true", 0), ("false", 2)])
def test_a_workflow_that_is_not_to_stay_hot_is_unloaded_when_it_waits(tmp_path: Path, hot: str, unloads: int) -> None:
    async def work() -> None:
        async with open_runtime(
            config_of(tmp_path, workflow=f"hot = {hot}", executor="linger_ms = 0"), execute=True
        ) as runtime:
            execution_id = await fibo_of(runtime.api, LATER)
            await ends_well(runtime.api, execution_id)
            events = [e.event for e in await runtime.api.events(execution_id)]
            assert sum(isinstance(e, log.Unlocked) for e in events) == unloads

    run(work())


# --- labels ---------------------------------------------------------------------------------------------------------
def test_only_an_executor_with_the_labels_runs_a_component(tmp_path: Path) -> None:
    wanted = 'labels = ["gpu", "zone:eu"]'
    plain = config_of(tmp_path, activity=wanted, executor='labels = ["gpu"]')
    able = config_of(tmp_path, activity=wanted, executor='labels = ["zone:eu", "gpu", "more"]')

    async def work() -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(open_runtime(plain, execute=True))
            execution_id = await fibo_of(first.api, WORKFLOW)
            assert await first.api.wait(execution_id, 0.5) is None
            (child,) = [s for s in (await first.api.list(Query())).items if s.parent == execution_id]
            assert (child.status, child.reason) == (
                "pending_at",
                "no executor that is running has the labels gpu, zone:eu",
            )
            assert (await first.api.get(child.execution_id)).reason == child.reason
            second = await stack.enter_async_context(open_runtime(able, execute=True))
            await ends_well(first.api, execution_id)
            locks = [e.event for e in await first.api.events(child.execution_id) if isinstance(e.event, log.Locked)]
            assert second.executor is not None
            assert {lock.executor for lock in locks} == {second.executor.id}
            assert (await first.api.get(child.execution_id)).reason == ""

    run(work())


def test_a_submission_that_nobody_can_serve_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=False) as runtime:
            execution_id = await fibo_of(runtime.api, CALL)
            assert (await runtime.api.get(execution_id)).reason == "no executor is running"

    run(work())


# --- what waits -----------------------------------------------------------------------------------------------------
def test_beyond_the_limit_of_a_component_a_submission_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, activity="max_pending = 2"), execute=False) as runtime:
            api = runtime.api
            results = await asyncio.gather(*(api.submit(CALL) for _ in range(9)), return_exceptions=True)
            refused = [result for result in results if isinstance(result, QueueFull)]
            assert len(refused) == 7
            assert refused[0].message == "too many executions of the component activity are waiting: 2"
            assert refused[0].fields == {"retry_after_s": 1}
            await api.submit(WORKFLOW)

    run(work())


def test_an_idempotency_key_on_record_needs_no_room(tmp_path: Path) -> None:
    keyed = Submission(ffqn=CALL.ffqn, params=CALL.params, key="one")

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, store="max_pending = 1"), execute=False) as runtime:
            first = await runtime.api.submit(keyed)
            again = await runtime.api.submit(keyed)
            assert (again.execution_id, again.created) == (first.execution_id, False)
            with pytest.raises(QueueFull, match="in this database"):
                await runtime.api.submit(CALL)

    run(work())


def test_the_oldest_is_evicted_for_the_newest(tmp_path: Path) -> None:
    config = config_of(tmp_path, store='max_pending = 3\nwhen_full = "evict-oldest"')

    async def work() -> None:
        async with open_runtime(config, execute=False) as runtime:
            api = runtime.api
            started = [await fibo_of(api, CALL) for _ in range(3)]
            started += [s.execution_id for s in await asyncio.gather(*(api.submit(CALL) for _ in range(2)))]
            for execution_id in started[:2]:
                outcome = await api.outcome(execution_id)
                assert isinstance(outcome, log.Failed)
                assert outcome.kind is log.FailureKind.UNCATEGORIZED
                assert outcome.reason == "evicted: more than 3 executions in this database waited"
            assert [await api.outcome(execution_id) for execution_id in started[2:]] == [None] * 3

    run(work())


def test_the_parent_of_what_was_evicted_hears_of_it(tmp_path: Path) -> None:
    activity = 'labels = ["none"]\nmax_pending = 1\nwhen_full = "evict-oldest"'

    async def work() -> None:
        async with open_runtime(config_of(tmp_path, activity=activity), execute=True) as runtime:
            api = runtime.api
            parent = await fibo_of(api, WORKFLOW)
            assert await api.wait(parent, 0.3) is None
            await api.submit(CALL)
            outcome = await api.wait(parent, 300)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"err":"execution_failed"}'
            (answer,) = await api.responses(parent)
            assert isinstance(answer.response, log.ChildFinished)
            assert isinstance(answer.response.outcome, log.Failed)
            assert answer.response.outcome.reason.startswith("evicted: more than 1 executions of the component")

    run(work())


def test_what_has_begun_is_not_evicted(tmp_path: Path) -> None:
    config = config_of(tmp_path, store='max_pending = 1\nwhen_full = "evict-oldest"')

    async def work() -> None:
        async with open_runtime(config, execute=True) as runtime:
            execution_id = await fibo_of(
                runtime.api, Submission(ffqn=LATER.ffqn, params={"n": 1, "milliseconds": 10**7})
            )
            assert await runtime.api.wait(execution_id, 0.2) is None
            await runtime.api.pause(execution_id)
        async with open_runtime(config, execute=False) as runtime:
            await runtime.api.unpause(execution_id)
            with pytest.raises(QueueFull):
                await runtime.api.submit(CALL)

    run(work())


# --- bad settings ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("place", "line", "message"),
    [
        ("activity", "max_concurrent = -1", "component.activity.max_concurrent: must lie in 0…1000000"),
        ("activity", 'when_full = "drop"', "component.activity.when_full: expected one of reject, evict-oldest"),
        ("activity", 'labels = ["a b"]', 'component.activity.labels: "a b" is no label'),
        ("executor", 'labels = ["-x"]', 'executor.labels: "-x" is no label'),
        ("store", 'when_full = "drop"', "store.when_full: invalid enum value 'drop'"),
    ],
)
def test_bad_settings_are_refused_by_name(tmp_path: Path, place: str, line: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        config_of(tmp_path, **{place: line})
    assert refused.value.message == f"{tmp_path}/obelisk.toml: {message}"
