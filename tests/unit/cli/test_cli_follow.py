"""`obelisk execution follow`: the tree of an execution, read again and again, as lines, as JSON and as a picture."""

from __future__ import annotations

import contextlib
import importlib
import io
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote

import httpx
import msgspec
import pytest
from rich.console import Console

from command_line import Ran, Terminal, obelisk
from obelisk.cli.connection import choosing as connection
from obelisk.cli.connection.client import Client, Reply
from obelisk.cli.errors import CommandError
from obelisk.cli.execution import changes as execution_changes
from obelisk.cli.execution import follow as execution_follow
from obelisk.cli.execution.tree import Node, TreeReader
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.catalog.settings import ComponentKind

START = 1_800_000_000_000_000
FLOW, WORK = "demo:a/flow.main", "demo:a/work.step"


def at(seconds: float) -> str:
    from obelisk.gateway.views.executions import instant

    return instant(START + round(seconds * 1e6))


def shown(id: str, state: str, *, ffqn: str = WORK, ended: float | None = None, attempts: int = 1) -> dict[str, Any]:
    finished = ended is not None
    return {
        "execution_id": id,
        "ffqn": ffqn,
        "status": "finished" if finished else state,
        "result_kind": state if finished else None,
        "attempts": attempts,
        "version": 1,
        "created_at": at(0),
        "updated_at": at(ended or 1),
        "finished_at": at(ended) if ended is not None else None,
    }


class Script:
    """A transport over a list of pictures, id → children's lines; the next is taken when the root is asked for."""

    name, streams = "script", False

    def __init__(self, *pictures: Sequence[Mapping[str, Any]]) -> None:
        self.pictures = list(pictures)
        self.now: Sequence[Mapping[str, Any]] = ()
        self.asked: list[str] = []
        self.is_closed = False

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        path, _, query = target.partition("?")
        self.asked.append(unquote(target))
        answer: Any = "5"
        if path == "/v1/functions":
            answer = {"items": [{"ffqn": FLOW, "kind": "workflow"}, {"ffqn": WORK, "kind": "activity"}]}
        elif path == "/v1/executions":
            (parent,) = parse_qs(query)["parent"]
            below = [item for item in self.now if item["execution_id"].rpartition(".")[0] == parent]
            answer = {"items": below[::-1][:200], "next_cursor": "more" if len(below) > 200 else None}
        elif not path.endswith("/result"):
            self.now = self.pictures.pop(0) if len(self.pictures) > 1 else self.pictures[0]
            answer = self.now[0]
        headers = {"content-type": "application/json"}
        return Reply(status=200, headers=headers, content=msgspec.json.encode(answer))

    def stream(self, target: str, headers: Mapping[str, str], timeout_s: float) -> NoReturn:
        raise AssertionError(target)

    def close(self) -> None:
        self.is_closed = True


def play(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands speak to the script, without pauses."""

    def connect(**_: object) -> Client:
        return Client(script)

    def sleep(_: float) -> None:
        return None

    monkeypatch.setattr(connection, "connect", connect)
    monkeypatch.setattr("time.sleep", sleep)


def follow(script: Script, monkeypatch: pytest.MonkeyPatch, *args: str) -> Ran:
    play(script, monkeypatch)
    return obelisk("execution", "follow", "E_1", *args)


def run_of_three() -> Script:
    root = shown("E_1", "blocked_by_join_set", ffqn=FLOW)
    return Script(
        [root],
        [root, shown("E_1.o:1_1", "locked")],
        [root, shown("E_1.o:1_1", "ok", ended=2), shown("E_1.o:2_1", "locked", ffqn=FLOW)],
        [shown("E_1", "ok", ffqn=FLOW, ended=4), shown("E_1.o:1_1", "ok", ended=2), shown("E_1.o:2_1", "err", ended=3)],
    )


def test_in_a_pipe_every_change_is_a_line_and_the_last_is_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    script = run_of_three()
    ran = follow(script, monkeypatch)
    assert ran.status == ExitStatus.OK
    *changes, result = ran.out.splitlines()
    assert [line.split("\t")[1] for line in changes] == [
        "blocked_by_join_set",
        "locked",
        "ok",
        "locked",
        "ok",
        "err",
    ]
    assert changes[2].split("\t") == [at(2), "ok", "2.000", "E_1.o:1_1", WORK]
    assert result == '"5"'
    assert script.is_closed


def test_activities_and_what_was_whole_before_are_not_asked_for_children(monkeypatch: pytest.MonkeyPatch) -> None:
    script = run_of_three()
    follow(script, monkeypatch)
    parents = [target.partition("parent=")[2].partition("&")[0] for target in script.asked if "parent=" in target]
    assert parents == ["E_1", "E_1", "E_1", "E_1.o:2_1", "E_1"]


def test_as_json_every_change_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = follow(run_of_three(), monkeypatch, "--json")
    *changes, result = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [change["execution_id"] for change in changes][:2] == ["E_1", "E_1.o:1_1"]
    assert result == {"execution_id": "E_1", "ok": "5"}


def test_it_ends_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script([shown("E_1", "locked", ffqn=FLOW)])
    assert len(follow(script, monkeypatch, "--wait", "0").out.splitlines()) == 2
    assert sum(target == "/v1/executions/E_1" for target in script.asked) == 1


def test_on_a_terminal_the_tree_is_drawn_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    play(run_of_three(), monkeypatch)
    monkeypatch.setenv("TERM", "xterm-256color")
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(io.StringIO()):
        from obelisk.cli.main import run

        assert run(["execution", "follow", "E_1"]) == ExitStatus.OK
    last = terminal.getvalue().rpartition("\x1b[2K")[2]
    assert "E_1" in last
    assert "o:2_1" in last
    assert "3.00 s" in last


def test_a_server_that_is_away_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    script = run_of_three()
    send, away = script.send, [3, 4, 5]

    def sometimes(method: str, target: str, *rest: Any) -> Reply:
        if target == "/v1/executions/E_1" and len(script.asked) in away:
            away.pop()
            raise CommandError("server_unreachable", "away")
        return send(method, target, *rest)

    monkeypatch.setattr(script, "send", sometimes)
    ran = follow(script, monkeypatch)
    assert (ran.status, len(ran.out.splitlines())) == (ExitStatus.OK, 7)
    assert len(away) < 3


def test_the_server_tells_when_to_look_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without being told nobody would look for an hour."""
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execution_changes, "_BELOW_S", 3600)
    gateway_world = importlib.import_module("gateway_world")
    world = gateway_world.world(gateway_world.component(names=("never",), kind=ComponentKind.STUB))
    with gateway_world.served(world.app) as url:
        execution_id = obelisk("execution", "submit", "demo:shop/cart@1.2.0.never", "--url", url).out.strip()
        timer = threading.Timer(0.5, lambda: httpx.put(f"{url}/v1/executions/{execution_id}/stub", json=7))
        timer.start()
        ran = obelisk("execution", "follow", execution_id, "--url", url)
        timer.join()
    assert ran.status == ExitStatus.OK
    assert [line.split("\t")[1] for line in ran.out.splitlines()[:-1]] == ["awaiting_result", "ok"]


# --- the picture ----------------------------------------------------------------------------------------------------
def picture(node: Node, lines: int = 20, width: int = 100) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(execution_follow.tree(node, START + 65_000_000, lines))
    return capture.get().splitlines()


def node(*lines: Mapping[str, Any]) -> Node:
    return TreeReader(Client(Script(lines)), "E_1").read()


def test_the_picture_has_states_durations_functions_and_ids() -> None:
    found = picture(
        node(
            shown("E_1", "blocked_by_join_set", ffqn=FLOW),
            shown("E_1.o:1_1", "timed_out", ended=12.34, attempts=3),
            shown("E_1.o:2_1", "blocked_by_join_set", ffqn=FLOW),
            shown("E_1.o:2_1.g:1_1", "locked"),
        )
    )
    assert [line.rstrip() for line in found] == [
        "blocked_by_join_set  1 min 05 s  main  E_1",
        "├── timed_out  12.3 s  step  o:1_1  attempt 3",
        "└── blocked_by_join_set  1 min 05 s  main  o:2_1",
        "    └── locked  1 min 05 s  step  g:1_1",
    ]


def test_a_picture_fits_the_terminal() -> None:
    ended = [shown(f"E_1.g:1_{number}", "ok", ended=1) for number in range(1, 40)]
    running = [shown("E_1.g:1_0", "locked")]
    found = picture(node(shown("E_1", "locked", ffqn=FLOW), *running, *ended), lines=6, width=40)
    assert len(found) <= 7
    assert all(len(line) <= 40 for line in found)
    assert "g:1_0" in found[1]
    assert "g:1_39" in found[-2]
    assert "… 36 more: 36 ok" in found[-1]


def test_more_children_than_are_read_are_told() -> None:
    many = [shown(f"E_1.g:1_{number}", "ok", ended=1) for number in range(300)]
    read = node(shown("E_1", "locked", ffqn=FLOW), *many)
    assert (len(read.children), read.more, read.children[-1].id) == (200, True, "E_1.g:1_299")
    assert "older than the newest 200" in picture(read, lines=5)[-1]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.05, "50 ms"),
        (1.5, "1.50 s"),
        (59, "59.0 s"),
        (60, "1 min 00 s"),
        (7620, "2 h 07 min"),
        (183_600, "2 d 03 h"),
    ],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    line = picture(node(shown("E_1", "ok", ffqn=FLOW, ended=seconds)))[0]
    assert f"  {text}  " in line
