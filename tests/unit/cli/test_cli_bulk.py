"""`obelisk execution cancel-all|delete-all` against a live gateway: what they count, ask and do."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeAlias

import pytest

from command_line import Ran, Terminal, obelisk
from obelisk.cli.exit_status import ExitStatus

Call: TypeAlias = Callable[..., Ran]
CART = "demo:shop/cart@1.2.0"
LATER = ("--finished-before", "2100-01-01T00:00:00Z")


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())


@pytest.fixture
def call() -> Generator[Call]:
    gateway_world = importlib.import_module("gateway_world")
    with gateway_world.served(gateway_world.world().app) as url:
        yield lambda *args: obelisk("execution", *args, "--url", url)


def typed(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Somebody is at the terminal and will type that."""
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))


def submitted(call: Call, function: str, *tags: str) -> str:
    return call("submit", f"{CART}.{function}", *(f"--tag={tag}" for tag in tags)).out.strip()


def ids(call: Call, *filters: str) -> list[str]:
    return [item["execution_id"] for item in call("list", *filters, "--limit", "200", "--json").json["items"]]


def test_what_meets_the_conditions_is_cancelled(call: Call) -> None:
    wanted = [submitted(call, "never", "tenant=a") for _ in range(3)]
    other = submitted(call, "never", "tenant=b")
    finished = submitted(call, "ping", "tenant=a")
    dry = call("cancel-all", "--tag", "tenant=a", "--dry-run")
    assert (dry.status, dry.out) == (ExitStatus.OK, "3 executions to cancel, with their children\n")
    assert call("cancel-all", "--tag", "tenant=a", "--dry-run", "--json").json == {"matched": 3}
    assert ids(call, "--status", "cancelling") == []
    ran = call("cancel-all", "--tag", "tenant=a", "--yes")
    assert (ran.status, ran.out) == (ExitStatus.OK, "3 cancelled\n")
    assert sorted(ids(call, "--status", "cancelling")) == sorted(wanted)
    assert ids(call, "--status", "locked") == [other]
    again = call("cancel-all", "--tag", "tenant=a", "--yes")
    assert (again.out, again.err) == ("0 cancelled\n", "3 were cancelled before\n")
    assert call("get", finished, "--json").json["status"] == "finished"


def test_many_are_cancelled_in_steps(call: Call) -> None:
    for _ in range(205):
        submitted(call, "never")
    ran = call("cancel-all", "--function", f"{CART}.never", "--yes", "--json")
    assert ran.json == {"matched": 205, "done": 205, "already": 0, "cancelling": 0, "finished": 0, "refused": 0}
    assert ids(call, "--status", "locked") == []


@pytest.mark.parametrize(("answer", "status", "left"), [("y", ExitStatus.OK, 0), ("n", ExitStatus.OK, 1)])
def test_who_is_at_a_terminal_is_asked(
    call: Call, monkeypatch: pytest.MonkeyPatch, answer: str, status: ExitStatus, left: int
) -> None:
    submitted(call, "never")
    typed(monkeypatch, answer)
    ran = call("cancel-all", "--status", "open")
    assert ran.status == status
    assert "1 execution to cancel, with their children. Go on? [y/N]" in ran.err
    assert len(ids(call, "--status", "locked")) == left


def test_where_nobody_can_be_asked_nothing_is_done(call: Call) -> None:
    submitted(call, "never")
    for args in (("cancel-all", "--status", "open"), ("cancel-all", "--status", "open", "--json")):
        ran = call(*args)
        assert ran.status == ExitStatus.USAGE
        assert "--yes" in ran.err
    assert len(ids(call, "--status", "locked")) == 1


def test_everything_is_not_cancelled_by_leaving_everything_out(call: Call) -> None:
    submitted(call, "never")
    ran = call("cancel-all", "--yes")
    assert (ran.status, "needs a condition" in ran.err) == (ExitStatus.USAGE, True)
    refused = call("cancel-all", "--yes", "--status", "finished")
    assert (refused.status, "expected one of" in refused.err) == (ExitStatus.REFUSED, True)
    assert len(ids(call, "--status", "locked")) == 1


def test_what_finished_is_deleted(call: Call) -> None:
    for _ in range(3):
        submitted(call, "ping", "old=1")
    failed, last = submitted(call, "trap"), submitted(call, "ping")
    dry = call("delete-all", *LATER, "--tag", "old=1", "--dry-run")
    assert dry.out == "3 executions to delete, with all that descends from them\n"
    assert call("delete-all", *LATER, "--tag", "old=1", "--yes").out == "3 executions deleted\n"
    assert ids(call) == [last, failed]
    assert call("delete-all", *LATER, "--result", "failed", "--yes", "--json").json == {"matched": 1, "deleted": 1}
    early = ("--finished-before", "2020-01-01T00:00:00Z")
    assert call("delete-all", *early, "--yes", "--json").json == {"matched": 0, "deleted": 0}
    assert ids(call) == [last]


def test_a_deletion_asks_and_needs_an_instant(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [submitted(call, "ping"), submitted(call, "ping")]
    assert call("delete-all", "--yes").status == ExitStatus.USAGE
    assert call("delete-all", "--yes", "--finished-before", "yesterday").status == ExitStatus.USAGE
    typed(monkeypatch, "n")
    assert call("delete-all", *LATER).out == ""
    assert sorted(ids(call)) == sorted(kept)
    typed(monkeypatch, "y")
    assert "there is no such execution" in call("delete-all", *LATER, "--tag", "a=b").err
