"""The fibo example on the real runtime: component text, wasmtime, SQLite, group commit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ComponentError, FunctionNotFound, IdempotencyConflict, ImportRefused, ParamsInvalid
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

ROOT = Path(__file__).parents[2]
FIBO = ROOT / "examples" / "fibo"
ACTIVITY = f'[component.activity]\npath = "{FIBO}/activity.wat"\nmax_retries = 1\ninitial_backoff_ms = 1\n'
WORKFLOW = f'[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, text: str = ACTIVITY + WORKFLOW) -> configuration.Config:
    return configuration.parse(text, file=folder / "obelisk.toml")


async def call(runtime: OpenRuntime, ffqn: str, params: object, key: str | None = None) -> tuple[str, log.Outcome]:
    submitted = await runtime.api.submit(Submission(ffqn=ffqn, params=params, key=key))
    outcome = await runtime.api.wait(submitted.execution_id, 300)
    assert outcome is not None
    return submitted.execution_id, outcome


async def logged(runtime: OpenRuntime, execution_id: str) -> list[log.Event]:
    return [e.event for e in await runtime.api.events(execution_id, limit=10_000)]


def value(outcome: log.Outcome) -> bytes:
    assert isinstance(outcome, log.Returned), outcome
    return bytes(outcome.value)


@pytest.mark.parametrize("function", ["fiboa", "fiboa-concurrent"])
def test_children_answer_and_every_step_is_logged(tmp_path: Path, function: str) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id, outcome = await call(runtime, f"demo:fibo/workflow.{function}", {"n": 10, "iterations": 20})
            assert value(outcome) == b'{"ok":55}'
            events = await logged(runtime, execution_id)
            requests = [e for e in events if isinstance(e, log.JoinSetRequest)]
            assert len(requests) == 20
            assert isinstance(events[0], log.Created)
            assert isinstance(events[-1], log.Finished)
            for request in requests:
                child = await logged(runtime, request.child)
                assert [type(e) for e in child] == [log.Created, log.Locked, log.Finished]

    run(work())


def test_durable_sleep(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id, outcome = await call(runtime, "demo:fibo/workflow.fibo-later", {"n": 10, "milliseconds": 30})
            assert value(outcome) == b'{"ok":55}'
            events = await runtime.api.events(execution_id)
            delay = next(e for e in events if isinstance(e.event, log.DelayRequest))
            assert isinstance(delay.event, log.DelayRequest)
            taken = next(e for e in events if isinstance(e.event, log.JoinNext))
            assert taken.at_us >= delay.event.expires_at_us

    run(work())


def test_err_is_retried_then_stands(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            execution_id, outcome = await call(runtime, "demo:fibo/fibo.fibo", {"n": 200})
            assert value(outcome).startswith(b'{"err":')
            kinds = [type(e) for e in await logged(runtime, execution_id)]
            assert kinds == [log.Created, log.Locked, log.TemporarilyFailed, log.Locked, log.Finished]
            _, of_parent = await call(runtime, "demo:fibo/workflow.fiboa", {"n": 200, "iterations": 2})
            assert value(of_parent) == value(outcome)

    run(work())


def test_an_unfinished_workflow_goes_on_after_a_restart(tmp_path: Path) -> None:
    async def before() -> str:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            submitted = await runtime.api.submit(
                Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 400})
            )
            assert await runtime.api.wait(submitted.execution_id, 0.05) is None
            return submitted.execution_id

    async def after(execution_id: str) -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            outcome = await runtime.api.wait(execution_id, 300)
            assert outcome is not None
            assert value(outcome) == b'{"ok":55}'
            events = await logged(runtime, execution_id)
            assert sum(isinstance(e, log.DelayRequest) for e in events) == 1
            assert sum(isinstance(e, log.Unlocked) for e in events) == 1

    run(after(run(before())))


def test_the_idempotency_key_names_one_execution(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            first, _ = await call(runtime, "demo:fibo/fibo.fibo", {"n": 10}, key="k")
            again = await runtime.api.submit(Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 10}, key="k"))
            assert again.execution_id == first
            assert not again.created
            with pytest.raises(IdempotencyConflict):
                await runtime.api.submit(Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 11}, key="k"))

    run(work())


def test_wrong_calls_log_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            with pytest.raises(ParamsInvalid) as refused:
                await runtime.api.submit(Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 256, "m": 1}))
            assert len(refused.value.problems) == 2
            with pytest.raises(FunctionNotFound):
                await runtime.api.submit(Submission(ffqn="demo:fibo/fibo.fob", params={"n": 1}))
            from obelisk.runtime.ports.store import Query

            assert (await runtime.api.list(Query())).items == ()

    run(work())


def test_a_workflow_without_its_activity_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(ImportRefused) as refused:
            async with open_runtime(config_of(tmp_path, WORKFLOW), execute=True):
                pass
        assert "demo:fibo/fibo.fibo" in refused.value.message
        async with open_runtime(config_of(tmp_path, ""), execute=False) as runtime:
            assert runtime.api.registry.components == ()

    run(work())


def test_a_core_module_is_no_component(tmp_path: Path) -> None:
    (tmp_path / "core.wat").write_text("(module)")

    async def work() -> None:
        text = '[component.core]\npath = "core.wat"\n'
        with pytest.raises(ComponentError, match="core"):
            async with open_runtime(config_of(tmp_path, text), execute=False):
                pass

    run(work())
