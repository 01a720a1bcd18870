"""Cancelling, pausing and stubs through a server: generated clients, command line and HTTP over the real runtime."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from obelisk.cli.exit_status import ExitStatus
from obelisk.client import AsyncClient, Client, Conflict, ExecutionCancelled, NotFinished, NotFound
from obelisk.runtime.values import Err

acceptance = importlib.import_module("server")
command_line = importlib.import_module("command_line")
ROOT = Path(__file__).parents[2]
HOUR_MS = 3_600_000
LATER = "demo:fibo/workflow.fibo-later"
WIT = "package demo:approval; interface approval { approve: func(amount: u32) -> result<s32, string>; }"
COMPONENTS = """
default_wait_s = 2
max_wait_s = 2
[component.fibo-activity]
path = "{root}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{root}/examples/fibo/workflow.wat"
{more}
[component.approval]
path = "{stub}"
kind = "stub"
[cache]
path = "{root}/.cache/compiled"
"""
Call: TypeAlias = Callable[..., Any]


def serve(folder: Path, more: str = "") -> Iterator[str]:
    wit, stub = folder / "approval.wit", folder / "approval.wasm"
    wit.write_text(WIT)
    tool = Path(sys.executable).parent / "wasm-tools"
    subprocess.run([tool, "component", "wit", "--wasm", wit, "-o", stub], check=True)
    server = acceptance.Server(folder, COMPONENTS.format(root=ROOT, stub=stub, more=more))
    try:
        server.start()
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serve(tmp_path_factory.mktemp("server"))


def calls_to(url: str) -> Call:
    return lambda *args: command_line.obelisk("execution", *args, "--url", url)


@pytest.fixture
def call(url: str) -> Call:
    return calls_to(url)


@pytest.fixture
def fibo(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    return importlib.import_module("generated.demo_fibo.client")


def until_it_sleeps(call: Call, execution_id: str) -> None:
    end_s = time.monotonic() + 300
    while not call("get", execution_id, "--json").json["waits_for"]:
        assert time.monotonic() < end_s, "it does not wait for its delay"
        time.sleep(0.02)


def test_a_client_cancels_and_sees_the_typed_failure(url: str, fibo: Any, call: Call) -> None:
    with Client(url) as server:
        later = fibo.WorkflowClient(server).fibo_later
        handle = later.submit(n=10, milliseconds=HOUR_MS)
        until_it_sleeps(call, handle.execution_id)
        told = call("get", handle.execution_id).out
        assert re.search(
            r"\nwaits_for\to:1\nwaiting\tsince \S+Z for a delay \(Delay_\S+\.o:1_1, until \S+Z\)\n", told
        ), told
        with pytest.raises(NotFinished):
            handle.result(timeout=0)
        handle.cancel()
        with pytest.raises(ExecutionCancelled) as cancelled:
            handle.result(timeout=300)
        assert (cancelled.value.kind, cancelled.value.execution_id) == ("cancelled", handle.execution_id)
        handle.cancel()
        types = [entry.event["type"] for entry in handle.events(follow=True)]
        assert types[-2:] == ["cancellation_requested", "finished"]
        with pytest.raises(NotFound):
            later.handle("E_01ARZ3NDEKTSV4RRFFQ69G5FAV").cancel()


def test_an_asynchronous_client_cancels_what_somebody_waits_for(url: str, fibo: Any, call: Call) -> None:
    async def work() -> None:
        async with AsyncClient(url) as server:
            handle = await fibo.WorkflowClientAsync(server).fibo_later.submit(n=10, milliseconds=HOUR_MS)
            waiting = asyncio.create_task(handle.result(timeout=300))
            await asyncio.to_thread(until_it_sleeps, call, handle.execution_id)
            await handle.cancel()
            with pytest.raises(ExecutionCancelled):
                await waiting

    asyncio.run(work())


def test_the_command_line_cancels(call: Call) -> None:
    execution_id = call("submit", LATER, "n=10", f"milliseconds={HOUR_MS}").out.strip()
    until_it_sleeps(call, execution_id)
    assert call("cancel", execution_id).out == "done\n"
    ended = call("result", execution_id, "--wait", "300", "--json")
    assert (ended.status, ended.error["code"], ended.error["kind"]) == (
        ExitStatus.FAILED,
        "execution_failed",
        "cancelled",
    )
    assert call("cancel", execution_id, "--json").json == {"execution_id": execution_id, "effect": "finished"}
    assert "result_kind\tcancelled\n" in call("get", execution_id).out


def test_the_command_line_cancels_a_delay(call: Call) -> None:
    execution_id = call("submit", LATER, "n=10", f"milliseconds={HOUR_MS}").out.strip()
    until_it_sleeps(call, execution_id)
    (delay,) = [e["event"]["delay"] for e in call("events", execution_id, "--json").json if "delay" in e["event"]]
    ran = call("cancel", delay)
    assert (ran.out, ran.err) == ("done\n", "cancelled; the workflow that awaits it gets err\n")
    assert call("result", execution_id, "--wait", "300").status == ExitStatus.RETURNED_ERR
    assert call("cancel", delay).out == "already\n"


def test_the_command_line_pauses(call: Call, url: str, fibo: Any) -> None:
    execution_id = call("submit", LATER, "n=10", f"milliseconds={HOUR_MS}").out.strip()
    until_it_sleeps(call, execution_id)
    assert call("pause", execution_id).out == "done\n"
    assert call("cancel", f"Delay_{execution_id[2:]}.o:1_1").out == "done\n"
    assert call("result", execution_id, "--wait", "1").status == ExitStatus.UNFINISHED
    assert call("get", execution_id, "--json").json["status"] == "paused"
    assert call("unpause", execution_id).out == "done\n"
    with Client(url) as server:
        assert isinstance(fibo.WorkflowClient(server).fibo_later.handle(execution_id).result(timeout=300), Err)


def test_a_stub_gets_its_result_from_the_command_line(call: Call) -> None:
    execution_id = call("submit", "demo:approval/approval.approve", "amount=5").out.strip()
    assert call("result", execution_id).status == ExitStatus.UNFINISHED
    refused = call("stub", execution_id, '{"ok": "yes"}')
    assert (refused.status, refused.out) == (ExitStatus.REFUSED, "")
    assert "/ok: expected s32" in refused.err
    assert call("stub", execution_id, '{"ok": -5}').out == "done\n"
    assert call("result", execution_id, "--wait", "300").out == "-5\n"


def test_a_workflow_may_refuse(tmp_path: Path, fibo: Any) -> None:
    for url in serve(tmp_path, "cancellable = false"):
        with Client(url) as server:
            handle = fibo.WorkflowClient(server).fibo_later.submit(n=10, milliseconds=HOUR_MS)
            with pytest.raises(Conflict) as refused:
                handle.cancel()
            assert (refused.value.code, refused.value.execution_id) == ("not_cancellable", handle.execution_id)
            call = calls_to(url)
            until_it_sleeps(call, handle.execution_id)
            assert call("cancel", f"Delay_{handle.execution_id[2:]}.o:1_1").out == "done\n"
            assert isinstance(handle.result(timeout=300), Err)
