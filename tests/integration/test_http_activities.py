"""HTTP from a Python activity through the whole runtime: allowed by both sides or refused by key, secrets unseen."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from obelisk.runtime.errors import ComponentError
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from wasi_runs import CACHE, python_guest
from wasi_server import Seen, serving

FETCH = "test:wasi/client@1.0.0.fetch"
RULE = 'host = "127.0.0.1"\nschemes = ["http"]\nports = [{port}]\n'
ALLOWED = f"[[http.allow]]\n{RULE}[[component.client.http.allow]]\n{RULE}"
SECRET = "s3cret-value-of-the-token"
WITH_SECRET = """
[secrets.github]
env = "OBELISK_TEST_TOKEN"
hosts = ["127.0.0.1"]
schemes = ["http"]
headers = ["authorization"]
query = ["key"]
body = true
"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("client") / "client.wasm"
    path.write_bytes(python_guest("client", "calling"))
    return path


def config_of(folder: Path, client: Path, text: str, keys: str = "") -> configuration.Config:
    """The component table comes last in what is written before `text`, which may add tables below it."""
    head = f'[cache]\npath = "{CACHE / "compiled"}"\n[component.client]\npath = "{client}"\nmax_retries = 0\n{keys}\n'
    return configuration.parse(head + text, file=folder / "obelisk.toml")


async def said(runtime: OpenRuntime) -> list[str]:
    """What the guests of all executions said as warnings."""
    found: list[str] = []
    for execution in (await runtime.api.list(Query())).items:
        lines = await runtime.api.lines(execution.execution_id, level="warn")
        found += [item.line.text for item in lines.items]
    return found


async def fetch(runtime: OpenRuntime, seen: Seen, path: str = "/echo", **changes: Any) -> dict[str, Any]:
    call: dict[str, Any] = {
        "method": "GET",
        "scheme": "http",
        "authority": f"127.0.0.1:{seen.port}",
        "path": path,
        "headers": [],
        "body": None,
        "first_byte_ms": 5_000,
        "between_bytes_ms": 5_000,
    }
    submitted = await runtime.api.submit(Submission(ffqn=FETCH, params=[call | changes]))
    outcome = await runtime.api.wait(submitted.execution_id, 300)
    assert isinstance(outcome, log.Returned), outcome
    return cast("dict[str, Any]", json.loads(bytes(outcome.value)))


def heard(answer: dict[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(base64.b64decode(answer["ok"]["body"])))


def test_what_both_allow_is_made(tmp_path: Path, client: Path) -> None:
    async def work() -> None:
        async with serving() as seen:
            config = config_of(tmp_path, client, ALLOWED.format(port=seen.port))
            async with open_runtime(config, execute=True) as runtime:
                answers = await asyncio.gather(*(fetch(runtime, seen, f"/echo?{n}") for n in range(20)))
        assert [heard(answer)["line"] for answer in answers] == [f"GET /echo?{n} HTTP/1.1" for n in range(20)]

    run(work())


@pytest.mark.parametrize(
    ("rules", "changes", "code", "told"),
    [
        ("", {}, "HttpRequestDenied", "component.client.http.allow and http.allow does not allow GET http://127.0.0.1"),
        (f"[[http.allow]]\n{RULE}", {}, "HttpRequestDenied", "component.client.http.allow does not allow GET"),
        (f"[[component.client.http.allow]]\n{RULE}", {}, "HttpRequestDenied", "http.allow does not allow GET"),
        (
            ALLOWED.replace('"127.0.0.1"', '"*"'),
            {"authority": "localhost:{port}"},
            "DestinationIpProhibited",
            "name it in `networks` of a rule of component.client.http.allow and of http.allow",
        ),
        (ALLOWED, {"authority": "me@127.0.0.1"}, "HttpRequestUriInvalid", "authority 'me@127.0.0.1'"),
    ],
)
def test_what_one_does_not_allow_is_refused_and_said(
    tmp_path: Path,
    client: Path,
    rules: str,
    changes: dict[str, str],
    code: str,
    told: str,
) -> None:
    async def work() -> None:
        async with serving() as seen:
            placed = {name: value.format(port=seen.port) for name, value in changes.items()}
            config = config_of(tmp_path, client, rules.format(port=seen.port))
            async with open_runtime(config, execute=True) as runtime:
                assert await fetch(runtime, seen, **placed) == {"err": code}
                (line,) = await said(runtime)
            assert told in line
            assert (seen.requests, seen.connections) == ([], 0)

    run(work())


def test_a_secret_reaches_the_server_and_not_the_guest(
    tmp_path: Path, client: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBELISK_TEST_TOKEN", SECRET)

    async def work() -> None:
        async with serving() as seen:
            rules = ALLOWED.format(port=seen.port) + WITH_SECRET
            config = config_of(tmp_path, client, rules, 'secrets = { TOKEN = "github" }\nenv = { REGION = "eu" }')
            async with open_runtime(config, execute=True) as runtime:
                headers = [["authorization", "Bearer $TOKEN"], ["x-region", "$REGION"], ["x-token", "$TOKEN"]]
                sent = await fetch(runtime, seen, "/echo?key=$TOKEN", headers=headers)
                body = base64.b64encode(b"a=1&token=$TOKEN").decode()
                sent_back = await fetch(runtime, seen, "/back", method="POST", body=body)
                executions = (await runtime.api.list(Query())).items
                (warning,) = await said(runtime)
                logs = [str(await runtime.api.events(execution.execution_id)) for execution in executions]
            found = heard(sent)
            placeholder = dict(found["headers"])["x-token"]
            assert placeholder.startswith("secret_")
            assert dict(found["headers"])["authorization"] == f"Bearer {placeholder}", "what came back was scrubbed"
            assert dict(found["headers"])["x-region"] == "eu"
            assert seen.requests[0] == f"GET /echo?key={SECRET} HTTP/1.1"
            assert base64.b64decode(sent_back["ok"]["body"]) == f"a=1&token={placeholder}".encode()
            assert seen.bodies[-1] == f"a=1&token={SECRET}".encode()
            assert seen.headers[0]["authorization"] == f"Bearer {SECRET}"
            assert len(logs) == 2
            assert SECRET not in f"{logs} {warning}"
            assert "a placeholder stands where secrets.github does not let the value go" in warning

    with caplog.at_level(logging.DEBUG):
        run(work())
    assert "GET" in caplog.text
    assert SECRET not in caplog.text


def test_a_secret_comes_back_in_no_encoding(
    tmp_path: Path, client: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OBELISK_TEST_TOKEN", SECRET)
    told = list[str]()

    async def work() -> None:
        async with serving() as seen:
            rules = ALLOWED.format(port=seen.port) + WITH_SECRET
            config = config_of(tmp_path, client, rules, 'secrets = { TOKEN = "github" }')
            async with open_runtime(config, execute=True) as runtime:
                headers = [["authorization", "$TOKEN"], ["accept-encoding", "gzip"]]
                told.append(str(sent := await fetch(runtime, seen, "/encoded", headers=headers)))
                told.append(base64.b64decode(sent["ok"]["body"]).decode())
                assert seen.headers[0]["accept-encoding"] == "identity"
                assert told[1].count("secret_") == 6
                assert await fetch(runtime, seen, "/malformed", headers=headers) == {"err": "HttpProtocolError"}
                (line,) = await said(runtime)
                told.append(line)
                assert "the server's answer is malformed" in line
                executions = (await runtime.api.list(Query())).items
                told.extend([str(await runtime.api.events(execution.execution_id)) for execution in executions])

    with caplog.at_level(logging.DEBUG):
        run(work())
    text = SECRET.encode()
    cores = [base64.b64encode(bytes(pad) + text)[4:-4].decode() for pad in range(3)]
    for written in (SECRET, text.hex(), *cores):
        assert written not in f"{told} {caplog.text}"


def test_a_secret_that_is_missing_is_named(tmp_path: Path, client: Path) -> None:
    async def opened(keys: str, text: str = WITH_SECRET, *, execute: bool = True) -> None:
        async with open_runtime(config_of(tmp_path, client, text, keys), execute=execute):
            pass

    with pytest.raises(
        ComponentError, match=r"component\.client\.secrets\.TOKEN: the server has no \[secrets\.gitlab\]"
    ):
        run(opened('secrets = { TOKEN = "gitlab" }'))
    with pytest.raises(ComponentError, match=r"secrets\.github\.env: the server's environment has no OBELISK_TEST"):
        run(opened('secrets = { TOKEN = "github" }'))
    in_file = WITH_SECRET.replace('env = "OBELISK_TEST_TOKEN"', 'file = "token"')
    with pytest.raises(ComponentError, match=r"secrets\.github\.file: .*token: No such file"):
        run(opened('secrets = { TOKEN = "github" }', in_file))
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(ComponentError, match=r"secrets\.github: the value has fewer than 8 bytes"):
        run(opened('secrets = { TOKEN = "github" }', in_file))
    (tmp_path / "token").write_text("x" * 4097)
    with pytest.raises(ComponentError, match=r"secrets\.github: the value has more than 4096 bytes"):
        run(opened('secrets = { TOKEN = "github" }', in_file))
    (tmp_path / "token").write_text("a value\r\nof two lines\n")
    with pytest.raises(ComponentError, match=r"secrets\.github: the value has line ends"):
        run(opened('secrets = { TOKEN = "github" }', in_file))
    run(opened('secrets = { TOKEN = "github" }', execute=False))
    run(opened('secrets = { TOKEN = "github" }', in_file))  # what is deployed does not keep a server from its start
