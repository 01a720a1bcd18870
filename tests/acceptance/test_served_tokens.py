"""Tokens on the installed server: the one it makes for itself, those of its file, and who is kept out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Tokens, issue
from server import Server

FIBO = Path(__file__).parents[2] / "examples/fibo"
COMPONENTS = f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
CALL = "/v1/functions/demo:fibo/fibo/fibo"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path, 'auth = "required"\n' + COMPONENTS)
    yield started
    started.close()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_server_shows_its_own_token_once_and_forgets_it(server: Server) -> None:
    server.start()
    line = next(line for line in server.log().splitlines() if line.startswith("  token "))
    secret = line.split()[1]
    assert server.log().count(secret) == 1
    assert '-H "Authorization: Bearer $OBELISK_TOKEN"' in server.log()
    assert server.http.post(CALL, json=[10]).status_code == 401
    assert server.http.post(CALL, json=[10], headers=bearer(secret)).json() == 55
    assert server.http.get("/v1/executions", headers=bearer(f"{secret}x")).status_code == 401
    assert server.stop() == 0
    assert server.log().count(secret) == 1, "it stands in the greeting and nowhere else"
    for file in server.folder.rglob("*"):
        assert not file.is_file() or file.name == "log" or secret.encode() not in file.read_bytes()
    server.start()
    assert server.http.post(CALL, json=[10], headers=bearer(secret)).status_code == 401


def test_tokens_of_the_file_are_made_and_revoked_while_the_server_runs(server: Server) -> None:
    path = server.folder / ".obelisk/tokens.json"
    issued = {
        scope: issue(scope.word, scope, random=bytes([scope.value]) * RANDOM_BYTES, now_us=1)
        for scope in Scope
        if scope is not Scope.PUBLIC
    }
    token_file.write(path, Tokens((issued[Scope.READ].token, issued[Scope.SUBMIT].token)))
    server.start()
    assert "  token " not in server.log()
    read, submit = bearer(issued[Scope.READ].secret), bearer(issued[Scope.SUBMIT].secret)
    assert server.http.get("/v1/executions", headers=read).status_code == 200
    refused = server.http.post(CALL, json=[10], headers=read)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_insufficient")
    assert server.http.post(CALL, json=[10], headers=submit).json() == 55
    token_file.write(path, Tokens((issued[Scope.READ].token,)))
    for _ in range(3_000):
        if server.http.post(CALL, json=[10], headers=submit).status_code == 401:
            break
        time.sleep(0.02)
    assert server.http.post(CALL, json=[10], headers=submit).status_code == 401
    assert server.http.get("/v1/executions", headers=read).status_code == 200


def test_a_name_that_resolves_to_the_loopback_is_not_answered(tmp_path: Path) -> None:
    server = Server(tmp_path, COMPONENTS)
    try:
        server.start()
        evil = httpx.get(f"http://127.0.0.1:{server.port}/v1/executions", headers={"Host": f"evil.test:{server.port}"})
        assert (evil.status_code, evil.json()["code"]) == (403, "host_not_allowed")
        page = server.http.post(CALL, json=[10], headers={"Origin": "https://evil.test"})
        assert (page.status_code, page.json()["code"]) == (403, "origin_not_allowed")
        assert server.http.get("/v1/executions").json()["items"] == []
    finally:
        server.close()
