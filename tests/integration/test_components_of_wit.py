"""Components that are WIT alone: external ones, whose functions workers run, and stubs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.cli.exit_status import ExitStatus
from obelisk.cli.main import run as run_command
from obelisk.gateway.document.openapi import document
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ComponentError, ConfigError, ImportRefused
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
ACTIVITY = "package demo:fibo;\ninterface fibo { fibo: func(n: u8) -> result<u64, string>; }\n"
SAME = "package demo:fibo;\n\ninterface fibo\n{\n fibo : func(n: u8) -> result<u64, string>;\n}"
OTHER = ACTIVITY.replace("u8", "u16")
WORKFLOW = f'[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def package(folder: Path, text: str = ACTIVITY) -> Path:
    place = folder / "wit" / "fibo"
    place.mkdir(parents=True, exist_ok=True)
    (place / "fibo.wit").write_text(text)
    return place


def config_of(folder: Path, component: str = 'kind = "external"', others: str = WORKFLOW) -> configuration.Config:
    text = f'[component.fibo]\nwit = "wit/fibo"\n{component}\n{others}'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def child_of(runtime: OpenRuntime, workflow: str) -> str:
    """The one child of a workflow, once it is there."""
    while True:
        children = (await runtime.api.list(Query(parent=workflow))).items
        if children:
            return children[0].execution_id
        await asyncio.sleep(0.05)


def test_a_workflow_is_linked_to_an_external_component_and_its_call_waits_for_a_worker(tmp_path: Path) -> None:
    async def work() -> None:
        package(tmp_path)
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            component = runtime.deployment.find("fibo")
            assert component.kind is ComponentKind.EXTERNAL
            paths = document(runtime.api.registry, (), version="")["paths"]
            assert "/v1/functions/demo:fibo/fibo/fibo" in str(paths)
            submission = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 3, "iterations": 1})
            workflow = (await runtime.api.submit(submission)).execution_id
            child = await child_of(runtime, workflow)
            summary = await runtime.api.get(child)
            assert summary.status == "pending_at"
            assert [type(e.event) for e in await runtime.api.events(child)] == [log.Created]

    run(work())


def test_the_digest_is_that_of_the_interface_however_it_is_written(tmp_path: Path) -> None:
    async def digest(text: str) -> str:
        package(tmp_path, text)
        async with open_runtime(config_of(tmp_path, others=""), execute=False) as runtime:
            return runtime.deployment.find("fibo").digest

    first = run(digest(ACTIVITY))
    assert run(digest(SAME)) == first
    assert run(digest(OTHER)) != first


def test_a_changed_interface_that_a_workflow_does_not_fit_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=False):
            pass

    package(tmp_path)
    run(work())
    package(tmp_path, OTHER)
    with pytest.raises(ImportRefused, match="its type differs from the one that 'fibo' exports"):
        run(work())


def test_a_stub_needs_no_more_than_wit(tmp_path: Path) -> None:
    async def work() -> None:
        package(tmp_path)
        async with open_runtime(config_of(tmp_path, 'kind = "stub"'), execute=True) as runtime:
            submission = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 3, "iterations": 1})
            workflow = (await runtime.api.submit(submission)).execution_id
            child = await child_of(runtime, workflow)
            await runtime.api.stub(child, {"ok": 2})
            outcome = await runtime.api.wait(workflow, 60)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":2}'

    run(work())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('wit = "wit/fibo"', 'component.fibo.kind: what is WIT alone has the kind "external" or "stub"'),
        ('wit = "wit/fibo"\nkind = "activity"', "component.fibo.kind: what is WIT alone"),
        ('path = "fibo.wasm"\nkind = "external"', "component.fibo.wit: expected the path of the WIT"),
        ('path = "fibo.wasm"\nwit = "wit"\nkind = "stub"', "component.fibo.wit: either path or wit"),
        ('wit = "w"\nkind = "external"\nenv = { A = "b" }', "component.fibo.env: a worker has what its process has"),
        ('wit = "w"\nkind = "external"\ncancellable = false', "component.fibo.cancellable: an activity always is"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_by_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configuration.parse(f"[component.fibo]\n{text}\n", file=Path("/p/obelisk.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("package demo:fibo;\ninterface a { f: func(x: nothing); }", "error\\[unknown-type\\]"),
        ("package demo:fibo;\ninterface a { type t = u8; }", "the package demo:fibo declares no function"),
        ("", "component.fibo.wit: .*"),
    ],
)
def test_wit_that_does_not_serve_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=False):
            pass

    package(tmp_path, text)
    with pytest.raises(ComponentError, match=message):
        run(work())


def test_the_commands_deploy_list_show_and_check_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    place = package(tmp_path)

    def said(*arguments: str, status: int = 0) -> str:
        assert run_command(arguments) == status
        captured = capsys.readouterr()
        return captured.out + captured.err

    refused = said("component", "add", str(place), status=ExitStatus.COMPONENT)
    assert 'this is WIT, which has no code: deploy it with kind = "external"' in refused
    assert "external fibo sha256:" in said("component", "add", str(place), "--external", "--set", "max_retries=7")
    listed = said("component", "list")
    assert "external" in listed
    assert "demo:fibo/fibo" in listed
    shown = said("component", "show", "fibo")
    assert "max_retries = 7" in shown
    assert "fibo: func(n: u8) -> result<u64, string>;" in shown
    (place / "fibo.wit").write_text(OTHER)
    said("component", "check", str(place), "--name", "fibo")
    said("component", "remove", "fibo")
    assert "stub fibo sha256:" in said("component", "add", str(place / "fibo.wit"), "--kind", "stub")
