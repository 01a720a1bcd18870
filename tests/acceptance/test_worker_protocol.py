"""The worker protocol over HTTP, against a server as a user starts it: bad input, and workers that die or freeze."""

from __future__ import annotations

import importlib
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from obelisk.gateway.auth import token_file
from obelisk.gateway.auth.tokens import RANDOM_BYTES, Scope, Tokens, issue

acceptance = importlib.import_module("server")
ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- file: (\S+) -->\n)?```(\w+)\n(.*?)```\n(?:\n((?:    [^\n]*\n)+))?", re.DOTALL)
FFQN = "demo:fibo/fibo.fibo"
CALL = "/v1/functions/demo:fibo/fibo/fibo"
CONFIG = """
[component.fibo]
kind = "external"
wit = "fibo.wit"
initial_backoff_ms = 10
max_retries = 3
"""
WIT = "package demo:fibo; interface fibo { fibo: func(n: u8) -> result<u64, string>; }"
PROGRAM = """
import sys, time, httpx
http = httpx.Client(base_url=sys.argv[1], timeout=60)
functions = [{"ffqn": "demo:fibo/fibo.fibo"}]
worker = http.post("/v1/workers", json={"functions": functions, "lease_ms": 1000}).json()["worker"]
attempt = http.post(f"/v1/workers/{worker}/claim", json={"claim": {"limit": 1, "wait_ms": 60000}}).json()["attempts"][0]
print(attempt["execution_id"], flush=True)
sys.stdin.readline()
outcome = {"ok": 1}
result = {"execution_id": attempt["execution_id"], "run": attempt["run"], "outcome": outcome}
answer = http.post(f"/v1/workers/{worker}/results", json={"results": [result]})
print(answer.status_code, answer.json().get("code"), flush=True)
worker = http.post("/v1/workers", json={"functions": []}).json()["worker"]
answer = http.post(f"/v1/workers/{worker}/results", json={"results": [result]}).json()
print(answer["results"][0]["state"], answer["results"][0]["reason"], flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "fibo.wit").write_text(
        "package demo:fibo; interface fibo { fibo: func(n: u8) -> result<u64, string>; }"
    )
    made = acceptance.Server(tmp_path, CONFIG)
    yield made
    made.close()


def register(http: httpx.Client, **more: Any) -> str:
    answer = http.post("/v1/workers", json={"name": "w", "functions": [{"ffqn": FFQN}], **more})
    assert answer.status_code == 201, answer.text
    worker: str = answer.json()["worker"]
    return worker


def exchange(http: httpx.Client, worker: str, **parts: Any) -> dict[str, Any]:
    answer = http.post(f"/v1/workers/{worker}/exchange", json=parts)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def submit(http: httpx.Client) -> str:
    answer = http.post(CALL, json={"n": 1}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    execution: str = answer.json()["execution_id"]
    return execution


def take(http: httpx.Client, worker: str) -> dict[str, Any]:
    (attempt,) = exchange(http, worker, claim={"limit": 1, "wait_ms": 60_000})["attempts"]
    found: dict[str, Any] = attempt
    return found


def ended(attempt: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    return {"execution_id": attempt["execution_id"], "run": attempt["run"], "outcome": outcome}


def test_the_transcript_of_the_page_runs_as_it_is_written(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "workers.md").read_text(encoding="utf-8")
    blocks = [match.groups() for match in BLOCK.finditer(page)]
    config = next(text for file, _, text, _ in blocks if file == "obelisk.toml")
    for file, _, text, _ in blocks:
        if file:
            (tmp_path / file).write_text(text)
    server = acceptance.Server(tmp_path, config)
    try:
        server.start()
        script, expected = "", ""
        for file, language, text, printed in blocks:
            if language == "sh" and not file:
                script += text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
                expected += "".join(f"{line[4:]}\n" for line in (printed or "").splitlines())
        shell = ["bash", "-euo", "pipefail", "-c", script]
        ran = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr + server.log()
        assert ran.stdout.replace("\n", "") == expected.replace("\n", "")
    finally:
        server.close()


def test_bad_input_is_refused_with_its_place(server: Any) -> None:
    server.start()
    http, worker = server.http, register(server.http)
    execution = submit(http)
    attempt = take(http, worker)
    assert attempt["execution_id"] == execution
    large_beat = {"execution_id": execution, "run": "r", "detail": "x" * 70_000}
    cases: list[tuple[str, Any, str]] = [
        ("exchange", {"claim": {"limit": 5000}}, "/claim/limit"),
        ("exchange", {"claim": {"limit": 1, "wait_ms": 10**9}}, "/claim/wait_ms"),
        ("exchange", {"results": [ended(attempt, {})]}, "/results/0/outcome"),
        ("exchange", {"results": [ended(attempt, {"ok": 1, "err": "x"})]}, "/results/0/outcome"),
        ("exchange", {"results": [ended(attempt, {"okay": 1})]}, "/results/0/outcome"),
        ("exchange", {"lines": [{**ended(attempt, {}), "level": "loud", "message": "x"}]}, "/lines/0"),
        ("heartbeats", {"heartbeats": [large_beat]}, "/heartbeats/0/detail"),
        ("claim", {}, ""),
        ("claim", [], ""),
    ]
    for part, body, pointer in cases:
        answer = http.post(f"/v1/workers/{worker}/{part}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "body_invalid"), answer.text
        assert answer.json()["errors"][0]["pointer"].startswith(pointer), answer.text
    large = ended(attempt, {"ok": "x" * (2 << 20)})
    answer = http.post(f"/v1/workers/{worker}/results", json={"results": [large]})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    answer = http.post("/v1/workers/Wrk_nobody/exchange", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "worker_not_found")
    answer = http.post("/v1/workers", json={"functions": [{"ffqn": "a:b/c.d"}], "labels": ["no label"]})
    assert answer.status_code == 400
    answer = http.post("/v1/workers", json={"functions": [{"ffqn": "a:b/c.d"}]})
    assert [function["state"] for function in answer.json()["functions"]] == ["unknown"]
    verdict = exchange(http, worker, results=[ended(attempt, {"ok": "text"})])["results"][0]
    assert verdict["state"] == "invalid"
    assert verdict["problems"][0]["pointer"] == "/ok"
    attempt = take(http, worker)
    hour = [{**ended(attempt, {}), "level": "warn", "message": "late", "at": "1999-01-01T00:00:00Z"}]
    del hour[0]["outcome"]
    assert exchange(http, worker, lines=hour, results=[ended(attempt, {"ok": 1})])["results"][0]["state"] == "accepted"
    lines = http.get(f"/v1/executions/{execution}/logs").json()["items"]
    assert [(line["level"], line["text"]) for line in lines] == [("warn", "late")]
    assert lines[0]["at"] > "2020", "the server's clock counts"
    assert http.get(f"/v1/executions/{execution}/result").json() == 1


def test_only_tokens_that_may_work_do(server: Any, tmp_path: Path) -> None:
    issued = {
        scope: issue(scope.word, scope, random=bytes([scope.value]) * RANDOM_BYTES, now_us=1)
        for scope in Scope
        if scope is not Scope.PUBLIC
    }
    token_file.write(tmp_path / ".obelisk/tokens.json", Tokens(tuple(one.token for one in issued.values())))
    server.start()
    headers = {scope: {"Authorization": f"Bearer {one.secret}"} for scope, one in issued.items()}
    body = {"functions": [{"ffqn": FFQN}]}
    statuses = {s: server.http.post("/v1/workers", json=body, headers=headers[s]).status_code for s in headers}
    assert statuses == {Scope.READ: 403, Scope.SUBMIT: 403, Scope.WORK: 201, Scope.ADMIN: 201}
    assert server.http.post("/v1/workers", json=body).status_code == 401
    wrong = {"Authorization": headers[Scope.WORK]["Authorization"][:-4] + "...."}
    assert server.http.post("/v1/workers", json=body, headers=wrong).status_code == 401
    for method, path in (("POST", CALL), ("GET", "/v1/executions"), ("GET", "/v1/workers")):
        answer = server.http.request(method, path, headers=headers[Scope.WORK], json=[1] if method == "POST" else None)
        assert answer.status_code == 403


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_is_killed_or_frozen_loses_its_attempt_to_another(server: Any, how: signal.Signals) -> None:
    server.start()
    http, execution = server.http, submit(server.http)
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdin is not None
    try:
        assert program.stdout.readline().strip() == execution
        program.send_signal(how)
        worker = register(http)
        attempt = take(http, worker)
        assert (attempt["execution_id"], attempt["attempt"]) == (execution, 1)
        if how is signal.SIGSTOP:
            program.send_signal(signal.SIGCONT)
            program.stdin.write("\n")
            program.stdin.flush()
            assert program.stdout.readline().strip() == "404 worker_not_found"
            assert program.stdout.readline().strip() in ("stale lost", "stale ended")
        assert exchange(http, worker, results=[ended(attempt, {"ok": 2})])["results"][0]["state"] == "accepted"
        assert http.get(f"/v1/executions/{execution}/result").json() == 2
    finally:
        program.kill()
        program.wait(60)


def test_a_server_that_is_killed_loses_neither_attempts_nor_results(server: Any) -> None:
    server.start()
    http, worker = server.http, register(server.http, lease_ms=300_000)
    execution = submit(http)
    attempt = take(http, worker)
    server.kill()
    server.start()
    answer = exchange(http, worker, claim={"limit": 1, "holding": []})
    assert [one["run"] for one in answer["attempts"]] == [attempt["run"]], "as if its answer had been lost"
    assert exchange(http, worker, results=[ended(attempt, {"ok": 3})])["results"][0]["state"] == "accepted"
    server.kill()
    server.start()
    verdict = exchange(http, worker, results=[ended(attempt, {"ok": 3})])["results"][0]
    assert (verdict["state"], verdict["reason"]) == ("stale", "ended")
    assert http.get(f"/v1/executions/{execution}/result").json() == 3


def test_a_client_that_goes_away_while_it_waits_leaves_nothing_locked(server: Any) -> None:
    server.start()
    http, gone, other = server.http, register(server.http), register(server.http)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{server.url}/v1/workers/{gone}/claim", json={"claim": {"limit": 1, "wait_ms": 60_000}}, timeout=0.5
        )
    end_s = time.monotonic() + 60
    while "obelisk_worker_claims_waiting 0" not in http.get("/metrics").text and time.monotonic() < end_s:
        time.sleep(0.05)
    execution = submit(http)
    assert take(http, other)["execution_id"] == execution


def test_a_server_that_stops_ends_the_waits(server: Any) -> None:
    server.start()
    worker = register(server.http)
    program = f"import httpx, json; print(httpx.post('{server.url}/v1/workers/{worker}/claim', "
    program += "json={'claim': {'limit': 1, 'wait_ms': 60000}}, timeout=100).text)"
    waiting = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    end_s = time.monotonic() + 60
    while "obelisk_worker_claims_waiting 1" not in server.http.get("/metrics").text and time.monotonic() < end_s:
        time.sleep(0.05)
    assert server.stop() == 0
    assert waiting.stdout is not None
    assert json.loads(waiting.stdout.read())["attempts"] == []
    assert waiting.wait(60) == 0
