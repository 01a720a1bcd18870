"""`obelisk execution replay`, `fork`, `upgrade`: builds that replay a log, and one that does not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk.cli.exit_status import ExitStatus

acceptance = importlib.import_module("server")
command_line = importlib.import_module("command_line")
ROOT = Path(__file__).parents[2]
FIBO = ROOT / "examples" / "fibo"
LATER = "demo:fibo/workflow.fibo-later"
ORIGINAL = (FIBO / "workflow.wat").read_text()
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
DIVERGING = ORIGINAL.replace(MILLISECONDS, MILLISECONDS.replace("(i64.const 0)", "(i64.const 2)"))
COMPATIBLE = f"{ORIGINAL.rstrip()[:-1]}\n  (core module $unused))\n"
COMPONENTS = f"""
[component.fibo-activity]
path = "{FIBO}/activity.wat"
[component.fibo-workflow]
path = "workflow.wat"
upgrade = "manual"
[cache]
path = "{ROOT}/.cache/compiled"
"""


def call(*args: str) -> Any:
    return command_line.obelisk("execution", *args)


def deploy(text: str) -> str:
    Path("workflow.wat").write_text(text)
    added = command_line.obelisk(
        "component", "add", "workflow.wat", "--name", "fibo-workflow", "--set", "upgrade=manual", "--json"
    )
    return str(added.json["digest"])


@pytest.fixture
def sleeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of a workflow that sleeps for an hour, on a server whose configuration is in this folder."""
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("workflow.wat").write_text(ORIGINAL)
    server = acceptance.Server(tmp_path, COMPONENTS)
    server.start()
    submitted = call("submit", LATER, "n=10", "milliseconds=3600000")
    assert submitted.status == ExitStatus.OK, submitted.err
    execution_id = submitted.out.strip()
    for _ in range(100):
        if call("get", execution_id, "--json").json["waits_for"] is not None:
            break
        call("result", execution_id, "--wait", "1")
    yield execution_id
    server.close()


def test_a_log_is_replayed_with_the_build_that_made_it(sleeping: str) -> None:
    for place in ((), ("--direct",)):
        ran = call("replay", sleeping, *place)
        assert (ran.status, ran.out) == (ExitStatus.OK, "ok\n")
        assert "replays the log" in ran.err
        assert call("replay", sleeping, "--json", *place).json["ok"] is True
        assert call("upgrade", sleeping, *place).out == "already\n"


def test_a_build_that_asks_for_something_else_is_shown(sleeping: str) -> None:
    digest = deploy(DIVERGING)
    ran = call("replay", sleeping, "--build", digest, "--direct")
    assert (ran.status, ran.out.splitlines()[0]) == (ExitStatus.FAILED, "diverged")
    assert 'on record\t{"type":"delay_request"' in ran.out
    assert '"minutes":3600000' in ran.out.splitlines()[-1]
    assert ran.err.startswith(f"{digest}: ")
    refused = call("upgrade", sleeping, "--direct")
    assert refused.status == ExitStatus.REFUSED
    assert f"hint: `obelisk execution replay {sleeping}` shows where they part" in refused.err


def test_a_build_that_replays_takes_over(sleeping: str) -> None:
    deploy(COMPATIBLE)
    ran = call("upgrade", sleeping, "--direct")
    assert (ran.out, ran.err) == ("done\n", "it goes on with the build that is deployed\n")
    events = call("events", sleeping, "--direct", "--json").json
    assert "component_upgraded" in {entry["event"]["type"] for entry in events}


def test_a_fork_takes_a_part_of_the_log(sleeping: str) -> None:
    forked = call("fork", sleeping, "--at", "2")
    assert forked.status == ExitStatus.OK, forked.err
    new = forked.out.strip()
    assert f"`obelisk execution follow {new}`" in forked.err
    assert call("get", new, "--json").json["ffqn"] == LATER
    assert call("fork", sleeping, "--at", "2", "--json").json["execution_id"] != new
    late = call("fork", sleeping, "--at", "500")
    assert late.status == ExitStatus.REFUSED
    assert f"hint: `obelisk execution events {sleeping}` shows the versions" in late.err
    assert call("fork", sleeping).status == ExitStatus.USAGE


def test_what_is_no_workflow_is_refused(sleeping: str) -> None:
    activity = call("run", "demo:fibo/fibo.fibo", "n=3", "--json").json["execution_id"]
    for command in (("replay", activity), ("fork", activity, "--at", "1"), ("upgrade", activity)):
        ran = call(*command)
        assert (ran.status, "hint: only logs of deployed workflows are replayed" in ran.err) == (
            ExitStatus.REFUSED,
            True,
        )
    assert call("replay", "E_nope").status == ExitStatus.NOT_FOUND
