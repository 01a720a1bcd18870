"""`obelisk execution cancel|pause|unpause|stub` against a live gateway."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from command_line import Ran, obelisk
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.catalog.settings import ComponentKind

Call: TypeAlias = Callable[..., Ran]
CART = "demo:shop/cart@1.2.0"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def shop_of(**settings: Any) -> Generator[Call]:
    gateway_world = importlib.import_module("gateway_world")
    world = gateway_world.world(gateway_world.component(**settings))
    with gateway_world.served(world.app) as url:
        yield lambda *args: obelisk("execution", *args, "--url", url)


@pytest.fixture(scope="module")
def call() -> Generator[Call]:
    yield from shop_of()


@pytest.fixture(scope="module")
def stubborn() -> Generator[Call]:
    yield from shop_of(kind=ComponentKind.WORKFLOW, cancellable=False)


@pytest.fixture(scope="module")
def stubs() -> Generator[Call]:
    yield from shop_of(names=("check", "never"), kind=ComponentKind.STUB)


def started(call: Call, function: str = "never", *params: str) -> str:
    return call("submit", f"{CART}.{function}", *params).out.strip()


def test_cancel(call: Call) -> None:
    execution_id = started(call)
    ran = call("cancel", execution_id)
    assert (ran.status, ran.out) == (ExitStatus.OK, "done\n")
    assert f"`obelisk execution result --wait 60 {execution_id}`" in ran.err
    ran = call("cancel", execution_id)
    assert (ran.out, ran.err) == ("already\n", "it was cancelled before\n")
    assert call("pause", execution_id).err == call("unpause", execution_id).err
    assert "it is being cancelled; nothing was changed" in call("pause", execution_id).err
    assert "status\tcancelling\n" in call("get", execution_id).out


def test_pause_and_unpause(call: Call) -> None:
    execution_id = started(call)
    ran = call("pause", execution_id)
    assert (ran.status, ran.out) == (ExitStatus.OK, "done\n")
    assert f"`obelisk execution unpause {execution_id}` lets it go on" in ran.err
    assert call("pause", execution_id).out == "already\n"
    assert call("list", "--status", "paused", "--json").json["items"][0]["execution_id"] == execution_id
    assert call("unpause", execution_id).err == "it goes on\n"
    assert call("unpause", execution_id).err == "it was not paused\n"
    assert call("retry", execution_id).err == "no attempt is awaited: it runs, waits for others, or is due\n"


@pytest.mark.parametrize("command", ["cancel", "pause", "unpause", "retry"])
def test_as_json_and_too_late(call: Call, command: str) -> None:
    execution_id = call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    ran = call(command, execution_id, "--json")
    assert (ran.status, ran.err) == (ExitStatus.OK, "")
    assert ran.json == {"execution_id": execution_id, "effect": "finished"}
    assert call(command, execution_id).err == "it had finished before; nothing was changed\n"


@pytest.mark.parametrize("command", [("cancel",), ("pause",), ("unpause",), ("retry",), ("stub", "{}")])
def test_nothing_to_steer(call: Call, command: tuple[str, ...]) -> None:
    name, *rest = command
    for execution_id in ("E_01BX5ZZKBKACTAV9WEVGEMMVRZ", "a/b c", "E_{id}"):
        ran = call(name, execution_id, *rest)
        assert (ran.status, ran.out) == (ExitStatus.NOT_FOUND, "")
        assert ran.err == (
            f"error: no execution {execution_id}\nhint: `obelisk execution list` shows which there are\n"
        )
    assert call(name, "E_1", *rest, "--json").error["code"] == "execution_not_found"


def test_a_workflow_may_refuse(stubborn: Call) -> None:
    execution_id = started(stubborn)
    ran = stubborn("cancel", execution_id)
    assert (ran.status, ran.out) == (ExitStatus.REFUSED, "")
    assert f"error: {CART}.never is not cancellable" in ran.err
    assert (
        f"hint: its component has `cancellable = false`; `obelisk execution pause {execution_id}` stops it" in ran.err
    )
    told = stubborn("cancel", execution_id, "--json").error
    assert (told["code"], told["execution_id"]) == ("not_cancellable", execution_id)


def test_a_delay_that_is_none(call: Call) -> None:
    ran = call("cancel", "Delay_x")
    assert (ran.status, ran.err.splitlines()[0]) == (ExitStatus.NOT_FOUND, "error: no delay Delay_x")


def test_stub(call: Call, stubs: Call) -> None:
    Path("result.json").write_text('{"ok": null}')
    execution_id = started(stubs, "never")
    refused = stubs("stub", execution_id, "-1")
    assert refused.status == ExitStatus.REFUSED
    assert "expected u64" in refused.err
    assert stubs("stub", execution_id, "7").err == "it has its result\n"
    assert stubs("stub", execution_id, "7", "--json").json == {"execution_id": execution_id, "effect": "already"}
    other = stubs("stub", execution_id, "8")
    assert other.status == ExitStatus.REFUSED
    assert f"hint: `obelisk execution result {execution_id}` shows how it ended" in other.err
    assert stubs("result", execution_id).out == "7\n"
    check = started(stubs, "check", "good=true")
    assert stubs("stub", check, "@nowhere.json").status == ExitStatus.NOT_FOUND
    assert stubs("stub", check, "@result.json").out == "done\n"
    assert 'kind = "stub"' in call("stub", started(call), "7").err
