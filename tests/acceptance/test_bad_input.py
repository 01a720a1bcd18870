"""Everything wrong that a user can do from outside, to the installed program: a clear error, a documented exit status
or HTTP status, and nothing half-written."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from obelisk.cli.exit_status import ExitStatus
from server import Server

FIBO = Path(__file__).parents[2] / "examples/fibo"
COMPONENTS = f"""
[component.activity]
path = "{FIBO}/activity.wat"
[component.workflow]
path = "{FIBO}/workflow.wat"
"""
FIBOA = "/v1/functions/demo:fibo/workflow/fiboa"
JSON = {"Content-Type": "application/json"}
DATABASE = Path(".obelisk/obelisk.sqlite")
ACME = '(component (import "acme:a/b@1.0.0" (instance (export "open" (func (param "n" u32) (result u32))))))'


@dataclass(frozen=True, slots=True)
class Ran:
    """What the program did."""

    status: int
    out: str
    err: str


def obelisk(folder: Path, *args: str, timeout_s: float = 60) -> Ran:
    """Run the program in a folder, to its end."""
    environment = {name: value for name, value in os.environ.items() if name != "OBELISK_URL"}
    command = [sys.executable, "-m", "obelisk", *args]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def deployed(folder: Path) -> list[str]:
    """The names of what is deployed."""
    listed = obelisk(folder, "component", "list")
    assert listed.status == ExitStatus.OK, listed
    return [line.split("\t")[0] for line in listed.out.splitlines()[1:]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    started = Server(tmp_path_factory.mktemp("server"), "max_body_bytes = 1000\n" + COMPONENTS)
    started.start()
    yield started
    started.close()


# --- files that are no components -----------------------------------------------------------------------------------
NO_COMPONENTS = {
    "hello.wasm": (b"hello", "no WebAssembly binary"),
    "only.wit": (b"package a:b; interface c { d: func(); }", "this is WIT, which has no code"),
    "empty.wasm": (b"", "component.empty"),
    "core.wasm": (b"\0asm\x01\0\0\0", "core WebAssembly module"),
    "cut.wasm": (b"\0asm\x0d\0\x01\0\x07\xff", "component.cut"),
    "open.wat": (b"(component", "does not parse"),
    "acme.wat": (ACME.encode(), "acme:a/b@1.0.0"),
}


def test_files_that_are_no_usable_components(tmp_path: Path) -> None:
    for name, (content, said) in NO_COMPONENTS.items():
        (tmp_path / name).write_bytes(content)
        ran = obelisk(tmp_path, "component", "add", name)
        assert (ran.status, ran.out) == (ExitStatus.COMPONENT, ""), name
        assert ran.err.startswith("error: "), name
        assert said in ran.err
        assert "Traceback" not in ran.err
    assert deployed(tmp_path) == []


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    missing = obelisk(tmp_path, "component", "add", "nowhere.wasm")
    assert (missing.status, missing.err) == (ExitStatus.NOT_FOUND, "error: nowhere.wasm: there is no such file\n")
    empty = obelisk(tmp_path, "component", "add", ".")
    assert (empty.status, "hint: build its project first" in empty.err) == (ExitStatus.NOT_FOUND, True)
    assert list(tmp_path.iterdir()) == []


def test_a_workflow_before_its_activity_is_refused_and_the_deployed_stays(tmp_path: Path) -> None:
    early = obelisk(tmp_path, "component", "add", str(FIBO / "workflow.wat"))
    assert early.status == ExitStatus.COMPONENT
    assert "demo:fibo/fibo.fibo" in early.err
    for name in ("activity", "workflow"):
        assert obelisk(tmp_path, "component", "add", str(FIBO / f"{name}.wat")).status == ExitStatus.OK
    (tmp_path / "activity.wat").write_text("(component)")
    breaking = obelisk(tmp_path, "component", "add", "activity.wat")
    assert breaking.status == ExitStatus.COMPONENT
    assert deployed(tmp_path) == ["activity", "workflow"]


def test_wrong_settings_of_a_component(tmp_path: Path) -> None:
    activity = str(FIBO / "activity.wat")
    for setting, said in (("max_retrie=1", "did you mean max_retries?"), ("kind=x", "activity"), ("x", "KEY=VALUE")):
        ran = obelisk(tmp_path, "component", "add", activity, "--set", setting)
        assert ran.status == ExitStatus.CONFIG
        assert said in ran.err
    assert list(tmp_path.iterdir()) == []


# --- configuration, port, database ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("x =", ExitStatus.CONFIG, "obelisk.toml: not TOML"),
        ("[server]\nlissten = 1", ExitStatus.CONFIG, "obelisk.toml: server.lissten: unknown key; did you mean listen?"),
        ('[component.a]\npath = "nowhere.wasm"', ExitStatus.COMPONENT, "nowhere.wasm: No such file"),
        (f'[component.w]\npath = "{FIBO}/workflow.wat"', ExitStatus.COMPONENT, "demo:fibo/fibo.fibo"),
        ('[server]\nlisten = "192.0.2.1:80"', ExitStatus.CONFIG, "there are no tokens to keep them out"),
        ('[server]\nlisten = "192.0.2.1:80"\nauth = "required"', ExitStatus.PORT, "cannot listen on 192.0.2.1:80"),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, text: str, status: ExitStatus, said: str) -> None:
    (tmp_path / "obelisk.toml").write_text(text + "\n[server]\nlisten = '127.0.0.1:0'\n" * ("server" not in text))
    ran = obelisk(tmp_path, "executor", "serve")
    assert (ran.status, ran.out) == (status, "")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    ran = obelisk(tmp_path, "executor", "serve", "--config", "other.toml")
    assert (ran.status, ran.err) == (ExitStatus.NOT_FOUND, "error: other.toml: there is no such file\n")


def test_a_busy_port_opens_no_database(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        ran = obelisk(tmp_path, "executor", "serve", "--listen", address)
    assert (ran.status, ran.out) == (ExitStatus.PORT, "")
    assert ran.err.startswith(f"error: {address} is in use by another program\nhint: ")
    assert not (tmp_path / DATABASE).exists()


@pytest.mark.parametrize("command", [("executor", "serve", "--listen", "127.0.0.1:0"), ("component", "list")])
def test_a_database_that_is_none(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / DATABASE).parent.mkdir()
    garbage = b"this is no database" * 500
    (tmp_path / DATABASE).write_bytes(garbage)
    ran = obelisk(tmp_path, *command)
    assert (ran.status, ran.out) == (ExitStatus.STORE, "")
    assert str(DATABASE) in ran.err
    assert "Traceback" not in ran.err
    assert (tmp_path / DATABASE).read_bytes() == garbage


def test_a_damaged_database(tmp_path: Path) -> None:
    assert obelisk(tmp_path, "component", "add", str(FIBO / "activity.wat")).status == ExitStatus.OK
    whole = (tmp_path / DATABASE).read_bytes()
    (tmp_path / DATABASE).write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    ran = obelisk(tmp_path, "component", "list")
    assert (ran.status, ran.out) == (ExitStatus.STORE, "")
    assert "Traceback" not in ran.err


def test_a_database_that_another_program_holds(tmp_path: Path) -> None:
    assert obelisk(tmp_path, "component", "add", str(FIBO / "activity.wat")).status == ExitStatus.OK
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("pragma locking_mode = exclusive")
        other.execute("begin exclusive")
        ran = obelisk(tmp_path, "component", "list")
        other.execute("rollback")
    assert (ran.status, ran.out) == (ExitStatus.STORE, "")
    assert str(DATABASE) in ran.err
    assert deployed(tmp_path) == ["activity"]


# --- HTTP -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        (FIBOA, b"{", JSON, 400, "body_invalid"),
        (FIBOA, b'{"n": 1, "n": 2, "iterations": 1}', JSON, 400, "body_invalid"),
        (FIBOA, b'{"n": "ten", "iterations": 1}', JSON, 400, "params_invalid"),
        (FIBOA, b'{"n": 300, "iterations": 1}', JSON, 400, "params_invalid"),
        (FIBOA, b'{"n": 1}', JSON, 400, "params_invalid"),
        (FIBOA, b" " * 1001, JSON, 413, "body_too_large"),
        (FIBOA, b"[1, 1]", {"Content-Type": "text/plain"}, 415, "media_type_unsupported"),
        (FIBOA, b"[1, 1]", JSON | {"Idempotency-Key": "a b"}, 400, "parameter_invalid"),
        (f"{FIBOA}x", b"[1, 1]", JSON, 404, "function_not_found"),
        ("/v1/nope", b"", {}, 404, "route_not_found"),
        ("/v1/executions", b"", {}, 405, "method_not_allowed"),
    ],
)
def test_a_wrong_request(
    server: Server, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    response = server.http.post(path, content=body, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code
    assert server.http.get("/v1/executions").json()["items"] == []


def test_what_is_no_http_leaves_the_server_well(server: Server) -> None:
    for sent in (b"\x16\x03\x01\x00\xa5", b"GET / HTTP/9\r\n\r\n", b"POST " + FIBOA.encode() + b" HTTP/1.1\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
            raw.sendall(sent)
    assert server.http.get("/livez").status_code == 200


def test_a_component_added_while_the_server_runs_is_served(server: Server) -> None:
    changed = FIBO.joinpath("activity.wat").read_bytes().replace(b"demo:fibo/fibo", b"demo:more/fibo")
    (server.folder / "more.wat").write_bytes(changed)
    assert obelisk(server.folder, "component", "add", "more.wat").status == ExitStatus.OK
    answer = server.http.post("/v1/functions/demo:more/fibo/fibo", json=[10])
    for _ in range(1_000):
        if answer.status_code != 404:
            break
        time.sleep(0.1)
        answer = server.http.post("/v1/functions/demo:more/fibo/fibo", json=[10])
    assert (answer.status_code, answer.json()) == (200, 55)


def test_sigterm_answers_those_who_wait_and_ends_well(server: Server) -> None:
    slow = server.http.build_request(
        "POST", "/v1/functions/demo:fibo/workflow/fibo-later", json=[1, 60_000], headers={"Prefer": "wait=60"}
    )
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.http.send, slow)
        while not server.http.get("/v1/executions", params={"function": "demo:fibo/workflow.fibo-later"}).json()[
            "items"
        ]:
            time.sleep(0.02)
        assert server.stop() == ExitStatus.OK
        assert waiting.result(120).status_code == 202
    assert "stopping: SIGTERM" in server.log()
    assert "Traceback" not in server.log()
