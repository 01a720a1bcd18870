"""Parameters are checked against the WIT before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import msgspec
import pytest

from command_line import Ran, obelisk
from obelisk.cli.connection import choosing as connection
from obelisk.cli.connection.client import Client, Reply
from obelisk.cli.execution import checking
from obelisk.cli.exit_status import ExitStatus

WIT = """package a:b@1.0.0;

interface i {
  record point { x: u8, y: option<string> }
  f: func(at: point, points: list<point>) -> u8;
  g: func();
}
"""
FUNCTION = {
    "ffqn": "a:b/i@1.0.0.f",
    "component": "c",
    "kind": "activity",
    "path": "/v1/functions/a:b/i@1.0.0/f",
    "wit": "f: func(at: point, points: list<point>) -> u8",
    "params_schema": {"properties": {"at": {"type": "object"}, "points": {"type": "array"}}},
}
GOOD = '{"at": {"x": 1}, "points": []}'


class Server:
    """A transport over one function; keeps the methods of what it was asked."""

    name, streams = "server", False

    def __init__(self, wit: bytes | None) -> None:
        self.wit = wit
        self.asked: list[str] = []

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Reply:
        self.asked.append(f"{method} {target}")
        if target.endswith("/wit"):
            if self.wit is None:
                problem = {"content-type": "application/problem+json"}
                return Reply(status=404, headers=problem, content=b'{"code": "component_not_found"}')
            return Reply(status=200, headers={"content-type": "text/plain; charset=utf-8"}, content=self.wit)
        answer = {"items": [FUNCTION]} if target == "/v1/functions" else {}
        headers = {"content-type": "application/json", "obelisk-execution-id": "E_1"}
        return Reply(status=202 if method == "POST" else 200, headers=headers, content=msgspec.json.encode(answer))

    def stream(self, target: str, headers: Mapping[str, str], timeout_s: float) -> NoReturn:
        raise AssertionError(target)

    def close(self) -> None:
        self.asked.append("closed")


def submit(server: Server, monkeypatch: pytest.MonkeyPatch, *params: str) -> Ran:
    def connect(**_: object) -> Client:
        return Client(server)

    monkeypatch.setattr(connection, "connect", connect)
    return obelisk("execution", "submit", "a:b/i@1.0.0.f", *params)


def test_wrong_parameters_are_refused_with_every_fault_and_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(WIT.encode())
    ran = submit(server, monkeypatch, '{"at": {"x": 300}, "points": [{"x": 1}, {"y": 2}]}')
    assert (ran.status, ran.out) == (ExitStatus.REFUSED, "")
    assert ran.err.splitlines() == [
        "error: parameters of a:b/i@1.0.0.f do not typecheck",
        "  /at/x: expected u8, found 300, out of range 0 to 255",
        "  /points/1/x: expected u8, missing",
        "  /points/1/y: expected string, found 2",
        "hint: its WIT is f: func(at: point, points: list<point>) -> u8",
    ]
    assert not [asked for asked in server.asked if asked.startswith("POST")]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (("{",), "the parameters are not JSON"),
        (('{"at": 1, "at": 2}',), '"at"'),
        (("[1]",), "do not typecheck"),
        (("at=[]",), "/at: expected point, found"),
        ((), "/at: expected point, missing"),
    ],
)
def test_every_form_is_checked(monkeypatch: pytest.MonkeyPatch, params: tuple[str, ...], said: str) -> None:
    server = Server(WIT.encode())
    ran = submit(server, monkeypatch, *params)
    assert (ran.status, said in ran.err) == (ExitStatus.REFUSED, True), ran.err
    assert not [asked for asked in server.asked if asked.startswith("POST")]


@pytest.mark.parametrize("wit", [WIT.encode(), None, b"no WIT at all", b"package x:y;"])
def test_good_parameters_are_sent_and_so_are_those_that_cannot_be_checked(
    monkeypatch: pytest.MonkeyPatch, wit: bytes | None
) -> None:
    server = Server(wit)
    ran = submit(server, monkeypatch, GOOD)
    assert (ran.status, ran.out) == (ExitStatus.OK, "E_1\n")
    assert server.asked[-2:] == ["POST /v1/functions/a:b/i@1.0.0/f", "closed"]


def test_the_validator_is_that_of_the_function() -> None:
    validate = checking.validator(WIT, "a:b/i@1.0.0.g")
    assert validate is not None
    assert validate({}) == ([], ())
    assert checking.validator(WIT, "a:b/i@1.0.0.h") is None
    assert checking.validator(WIT, "a:b/j@1.0.0.f") is None
