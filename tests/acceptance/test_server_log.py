"""The log of a served child process at its most talkative: JSON lines that say which execution, and no secret."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from server import Server
from wasi_runs import CACHE, python_guest
from wasi_server import serving

SECRET = "a-value-that-nobody-may-read"
CALL = "/v1/functions/test:wasi/client@1.0.0/fetch"
ROOT = Path(__file__).parents[2]


def config(port: int, guest: Path) -> str:
    rule = f'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'
    return f"""
auth = "required"
[cache]
path = "{CACHE / "compiled"}"
[[http.allow]]
{rule}
[secrets.key]
env = "KEY_OF_THE_SERVER"
hosts = ["127.0.0.1"]
schemes = ["http"]
headers = ["authorization"]
[component.client]
path = "{guest}"
secrets = {{ KEY = "key" }}
[[component.client.http.allow]]
{rule}
[component.printing]
path = "{ROOT}/tests/integration/printing.wat"
"""


def fetch(port: int) -> dict[str, Any]:
    """A request that carries the secret, to a server that says it again."""
    return {
        "method": "GET",
        "scheme": "http",
        "authority": f"127.0.0.1:{port}",
        "path": "/echo",
        "headers": [["authorization", "Bearer $KEY"]],
        "body": None,
        "first_byte_ms": 5_000,
        "between_bytes_ms": 5_000,
    }


def talk(server: Server, port: int) -> tuple[str, str]:
    """Everything that might be logged: the token of the server, and the execution whose guest wrote something."""
    server.start()
    token = next(line["token"] for line in map(json.loads, server.log().splitlines()) if "token" in line)
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "a-key-of-the-caller"}
    answer = server.http.post(CALL, json={"call": fetch(port)}, headers=headers)
    assert answer.status_code == 200, answer.text
    printed = server.http.post("/v1/functions/demo:talk/printing/print", headers={"Authorization": f"Bearer {token}"})
    assert server.http.get("/v1/executions", headers={"Authorization": f"Bearer {token}x"}).status_code == 401
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(f"GET / HTTP/1.1\r\nAuthorization Bearer {token}\r\n\r\n".encode())
        assert raw.recv(20).startswith(b"HTTP/1.1 400")
    assert server.stop() == 0
    return token, printed.headers["obelisk-execution-id"]


def test_a_log_of_json_names_executions_and_no_secret(tmp_path: Path) -> None:
    guest = tmp_path / "client.wasm"
    guest.write_bytes(python_guest("client", "calling"))

    async def work() -> None:
        async with serving() as seen:
            environment = {"KEY_OF_THE_SERVER": SECRET}
            options = ("--log-format", "json", "--log-level", "debug")
            server = Server(tmp_path, config(seen.port, guest), environment, options)
            try:
                token, execution_id = await asyncio.to_thread(talk, server, seen.port)
            finally:
                server.close()
            assert seen.headers[0]["authorization"] == f"Bearer {SECRET}"
            check(server.log(), token, execution_id)

    asyncio.run(asyncio.wait_for(work(), 600))


def test_an_error_that_ends_a_server_is_a_line_of_its_log_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = serve(tmp_path, '[store]\npath = "file/obelisk.sqlite"\n')
    (line,) = map(json.loads, (ran.stdout + ran.stderr).splitlines())
    assert (ran.returncode, line["code"], line["level"]) == (7, "store_unavailable", "error")
    assert line["message"].startswith(f"[store] path: the folder {tmp_path}/file cannot be made: ")
    assert line["message"].endswith("name a place that can be written, as /var/lib/obelisk/obelisk.sqlite")
    ran = serve(tmp_path, "[stores]\n")
    (line,) = map(json.loads, (ran.stdout + ran.stderr).splitlines())
    assert (ran.returncode, line["code"]) == (3, "config_invalid")


def serve(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """A server that ends by itself."""
    (folder / "obelisk.toml").write_text(text)
    command = [sys.executable, "-m", "obelisk", "server", "run", "--listen", "127.0.0.1:0", "--log-format", "json"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


def check(log: str, token: str, execution_id: str) -> None:
    lines = [json.loads(line) for line in log.splitlines()]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)
    said = [line for line in lines if line["logger"] == "obelisk.guest"]
    assert {line["message"].rpartition(" ")[2] for line in said} == {"'one'", "'two'", "'dreadful'"}
    assert {line["execution_id"] for line in said} == {execution_id}
    assert any("refused before they were requests" in line["message"] for line in lines)
    for secret in (SECRET, "a-key-of-the-caller"):
        assert secret not in log
    assert log.count(token) == 1, "in the greeting"
    assert lines[-1]["message"] == "stopping: SIGTERM"


def test_a_build_that_is_older_than_its_sources_is_told_as_the_server_starts(tmp_path: Path) -> None:
    """It serves all the same: what is deployed goes on."""
    (tmp_path / "fibo.wat").write_bytes((ROOT / "examples/fibo/activity.wat").read_bytes())
    (tmp_path / "fibo.py").write_text("edited\n")
    (tmp_path / "fibo.stamp").write_text(f"{'1' * 64}\n{'0' * 64} fibo.py\n")
    server = Server(tmp_path, f'[cache]\npath = "{CACHE / "compiled"}"\n[component.fibo]\npath = "fibo.wat"\n')
    try:
        server.start()
        told = f"fibo is not what its sources say: {tmp_path}/fibo.wat was built before {tmp_path}/fibo.py changed"
        assert f"{told}; `obelisk build {tmp_path}` builds it again" in server.log()
    finally:
        server.close()
