"""A component on record that cannot be run hinders nothing else: the runtime opens and says so; its executions wait."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from obelisk.gateway.views import components as views
from obelisk.runtime.errors import ComponentInUse, FunctionNotFound, ImportRefused
from obelisk.runtime.host.guests import WasmtimeHost
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Api, Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
ACTIVITY, WORKFLOW = (FIBO / "activity.wat").read_bytes(), (FIBO / "workflow.wat").read_bytes()
CALL = Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 10})
FLOW = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 10, "iterations": 2})
CONFIGURED = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
obelisk = importlib.import_module("command_line").obelisk
Harm = Callable[[Path, pytest.MonkeyPatch], None]


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, text: str = "") -> configuration.Config:
    return configuration.parse(text, file=folder / "obelisk.toml")


def execute(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(config_of(folder).database)
    with connection:
        assert connection.execute(sql).rowcount == 1
    connection.close()


def damage(folder: Path, _: pytest.MonkeyPatch) -> None:
    """The binary of the workflow is not what it was."""
    execute(
        folder,
        "update component_binary set wasm = x'0061736d' where digest = "
        "(select digest from component where name = 'workflow')",
    )


def lose(folder: Path, _: pytest.MonkeyPatch) -> None:
    """There is no binary of the workflow."""
    execute(
        folder, "delete from component_binary where digest = (select digest from component where name = 'workflow')"
    )


def run_out_of_memory(_: Path, patch: pytest.MonkeyPatch) -> None:
    """The process has no memory for the workflow just now; Python says that without a word."""
    right = WasmtimeHost.prepare

    def prepare(host: WasmtimeHost, binary: bytes, *, workflow: bool, **fields: Any) -> Any:
        if workflow:
            raise MemoryError
        return right(host, binary, workflow=workflow, **fields)

    patch.setattr(WasmtimeHost, "prepare", prepare)


def change_the_kind(folder: Path, _: pytest.MonkeyPatch) -> None:
    """A program that is newer has deployed it."""
    execute(folder, "update component set kind = 'oracle' where name = 'workflow'")


def change_the_program(_: Path, patch: pytest.MonkeyPatch) -> None:
    """The host does not offer what the workflow imports."""
    right = WasmtimeHost.prepare

    def prepare(host: WasmtimeHost, binary: bytes, *, workflow: bool, **fields: Any) -> Any:
        if workflow:
            raise ImportRefused("it imports what is not offered any more", imports=["wasi:gone/gone"])
        return right(host, binary, workflow=workflow, **fields)

    patch.setattr(WasmtimeHost, "prepare", prepare)


def break_the_program(_: Path, patch: pytest.MonkeyPatch) -> None:
    """A bug of the program shows with the workflow alone."""
    right = WasmtimeHost.prepare

    def prepare(host: WasmtimeHost, binary: bytes, *, workflow: bool, **fields: Any) -> Any:
        if workflow:
            raise RecursionError("too deep")
        return right(host, binary, workflow=workflow, **fields)

    patch.setattr(WasmtimeHost, "prepare", prepare)


async def deploy(folder: Path) -> str:
    """Deploy both by hand, and leave an execution of the workflow that has not begun."""
    async with open_runtime(config_of(folder), execute=False) as runtime:
        await runtime.api.add_component("activity", ACTIVITY, None)
        await runtime.api.add_component("workflow", WORKFLOW, None)
        return (await runtime.api.submit(FLOW)).execution_id


async def listed(api: Api) -> dict[str, views.ComponentView]:
    shown = views.components(api.registry, await api.deployment.builds_in_use())
    return {view.name: view for view in shown}


async def the_rest_works(runtime: OpenRuntime) -> None:
    submitted = await runtime.api.submit(CALL)
    assert isinstance(await runtime.api.wait(submitted.execution_id, 300), log.Returned)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damage, "not a component"),
        (lose, "the store has no binary"),
        (change_the_kind, "no component of the kind oracle"),
        (change_the_program, "not offered any more"),
        (break_the_program, "loading it broke: RecursionError: too deep"),
        (run_out_of_memory, "loading it broke: MemoryError"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("configured", [False, True], ids=["by hand", "configured"])
def test_one_component_that_cannot_be_run_hinders_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    harm: Harm,
    says: str,
    *,
    configured: bool,
) -> None:
    """What the configuration file names is as good as new if its file is good and the program can run it."""

    async def work() -> None:
        waiting = await deploy(tmp_path)
        with monkeypatch.context() as patch:
            harm(tmp_path, patch)
            text = CONFIGURED if configured else ""
            async with open_runtime(config_of(tmp_path, text), execute=True) as runtime:
                assert "component workflow is deployed and cannot be run" in caplog.text
                assert says in caplog.text
                await the_rest_works(runtime)
                fault = (await listed(runtime.api))["workflow"].fault
                if configured and harm in (damage, lose, change_the_kind):
                    assert fault is None
                    assert isinstance(await runtime.api.wait(waiting, 300), log.Returned)
                    return
                assert fault is not None
                assert says in fault
                assert (await listed(runtime.api))["activity"].fault is None
                shown = await runtime.api.get(waiting)
                assert shown.status == "pending_at"
                assert shown.reason is not None
                assert says in shown.reason
        async with open_runtime(config_of(tmp_path, CONFIGURED), execute=True) as runtime:
            assert (await listed(runtime.api))["workflow"].fault is None
            assert isinstance(await runtime.api.wait(waiting, 300), log.Returned)

    run(work())


def test_it_goes_on_as_soon_as_its_import_is_answered(tmp_path: Path) -> None:
    async def work() -> None:
        waiting = await deploy(tmp_path)
        execute(tmp_path, "delete from component where name = 'activity'")
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            fault = (await listed(runtime.api))["workflow"].fault
            assert fault is not None
            assert "demo:fibo/fibo.fibo: no deployed component exports it" in fault
            with pytest.raises(FunctionNotFound):
                await runtime.api.submit(CALL)
            another = (await runtime.api.submit(FLOW)).execution_id
            assert "cannot be run" in ((await runtime.api.get(another)).reason or "")
            await runtime.api.add_component("activity", ACTIVITY, None)
            assert (await listed(runtime.api))["workflow"].fault is None
            for execution_id in (waiting, another):
                assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)

    run(work())


def test_a_fault_without_words_is_told_by_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        await deploy(tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            run_out_of_memory(tmp_path, patch)
            async with open_runtime(config_of(tmp_path), execute=False) as runtime:
                assert (await listed(runtime.api))["workflow"].fault == "loading it broke: MemoryError"
        assert "broke: MemoryError. Its executions wait: deploy it again once what hinders it is gone" in caplog.text

    run(work())


@pytest.mark.parametrize("harm", [change_the_program, break_the_program, run_out_of_memory])
@pytest.mark.parametrize("by", ["itself", "another process"])
def test_deploying_the_same_file_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: Harm, by: str
) -> None:
    """Whether the process that could not run it is asked to, or one that can: the first hears of it."""

    async def work() -> None:
        waiting = await deploy(tmp_path)
        async with AsyncExitStack() as stack:
            with monkeypatch.context() as patch:
                harm(tmp_path, patch)
                runtime = await stack.enter_async_context(open_runtime(config_of(tmp_path), execute=True))
                with pytest.raises((ImportRefused, RecursionError, MemoryError)):
                    await runtime.api.add_component("workflow", WORKFLOW, None)
                assert (await listed(runtime.api))["workflow"].fault is not None
            if by == "itself":
                await runtime.api.add_component("workflow", WORKFLOW, None)
                assert (await listed(runtime.api))["workflow"].fault is None
            else:
                async with open_runtime(config_of(tmp_path), execute=False) as another:
                    await another.api.add_component("workflow", WORKFLOW, None)
            assert isinstance(await runtime.api.wait(waiting, 300), log.Returned)
            assert (await listed(runtime.api))["workflow"].fault is None

    run(work())


def test_what_cannot_be_run_can_be_replaced_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        waiting = await deploy(tmp_path)
        damage(tmp_path, monkeypatch)
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            with pytest.raises(ComponentInUse, match="by force"):
                await runtime.api.remove_component("workflow")
            await runtime.api.remove_component("workflow", force=True)
            assert list(await listed(runtime.api)) == ["activity"]
            await the_rest_works(runtime)
            await runtime.api.add_component("workflow", WORKFLOW, None)
            assert isinstance(await runtime.api.wait(waiting, 300), log.Returned)
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            assert (await listed(runtime.api))["workflow"].fault is None

    run(work())


def test_the_command_line_says_what_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "obelisk.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    asyncio.run(deploy(tmp_path))
    damage(tmp_path, monkeypatch)
    listed = obelisk("component", "list")
    assert (listed.status, "workflow" in listed.out) == (0, True)
    assert "workflow cannot be run, and its executions wait: not a component" in listed.err
    assert obelisk("component", "show", "workflow").status == 0
    assert obelisk("component", "add", f"{FIBO}/workflow.wat").status == 0
    assert obelisk("component", "list").err == ""
