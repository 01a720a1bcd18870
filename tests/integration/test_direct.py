"""`obelisk execution … --direct`: the same commands on the database itself, without a server and beside one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from obelisk.cli.exit_status import ExitStatus

acceptance = importlib.import_module("server")
command_line = importlib.import_module("command_line")
ROOT = Path(__file__).parents[2]
FIBOA = "demo:fibo/workflow.fiboa"
COMPONENTS = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[cache]
path = "{ROOT}/.cache/compiled"
"""
Call: TypeAlias = Callable[..., Any]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    made = acceptance.Server(tmp_path, COMPONENTS)
    made.start()
    yield made
    made.close()


def direct(*args: str) -> Any:
    return command_line.obelisk("execution", *args, "--direct")


def test_without_a_server_and_beside_one(server: Any) -> None:
    first = direct("submit", FIBOA, "n=10", "iterations=3")
    assert first.status == ExitStatus.OK
    execution_id = first.out.strip()
    assert command_line.obelisk("execution", "result", execution_id, "--wait", "300").out == "55\n"
    assert direct("result", execution_id).out == "55\n"
    assert server.stop() == 0

    assert direct("get", execution_id, "--json").json["result_kind"] == "ok"
    for options in ((), ("--top-level",), ("--children", "--top-level"), ("--function", FIBOA)):
        assert [item["execution_id"] for item in direct("list", "--json", *options).json["items"]] == [execution_id]
    for options in (("--children",), ("--function", "demo:fibo/"), ("--component", "fibo-activity")):
        listed = direct("list", "--json", *options).json["items"]
        assert sum(item["parent"] == execution_id for item in listed) == 3, options
    assert len(direct("list", "--json", "--parent", execution_id).json["items"]) == 3
    assert "--children looks" in direct("list", "--tag", "a=b").err
    assert len(direct("events", execution_id, "--json").json) > 3
    followed = direct("follow", execution_id).out.splitlines()
    assert (len(followed), followed[-1]) == (5, "55")
    assert direct("logs", execution_id, "--follow").status == ExitStatus.OK
    waiting = direct("submit", FIBOA, "n=10", "iterations=3", "--key", "k").out.strip()
    assert direct("result", waiting).status == ExitStatus.UNFINISHED
    assert direct("pause", waiting).out == "done\n"
    assert direct("get", waiting, "--json").json["status"] == "paused"
    assert direct("unpause", waiting).out == "done\n"
    refused = direct("run", FIBOA, "n=x", "iterations=3")
    assert (refused.status, "/n: expected u8" in refused.err) == (ExitStatus.REFUSED, True)
    assert direct("get", "E_nope").status == ExitStatus.NOT_FOUND

    server.start()
    assert direct("result", waiting, "--wait", "300").out == "55\n"
