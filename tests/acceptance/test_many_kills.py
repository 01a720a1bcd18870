"""Three servers on one database file, killed at random under load; then the database itself is audited.

A short run by default; `OBELISK_KILLS=50 OBELISK_EXECUTIONS=2000` is the long one.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import Server

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("OBELISK_KILLS", "6"))
EXECUTIONS = int(os.environ.get("OBELISK_EXECUTIONS", "90"))
SEED = int(os.environ.get("OBELISK_SEED", "1"))
CALLS = (
    ("demo:fibo/workflow/fiboa", {"n": 10, "iterations": 20}),
    ("demo:fibo/workflow/fiboa-concurrent", {"n": 10, "iterations": 20}),
    ("demo:fibo/workflow/fibo-later", {"n": 10, "milliseconds": 700}),
    ("demo:fibo/fibo/fibo", {"n": 10}),
)


def configuration(database: Path) -> str:
    return f"""
[store]
path = "{database}"
[cache]
path = "{ROOT}/.cache/compiled"
[executor]
lease_ms = 3000
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    servers: list[Server] = []
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        servers.append(Server(tmp_path / name, configuration(tmp_path / "shared.sqlite")))
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.close()


def submit(servers: list[Server], dice: random.Random, number: int) -> str:
    """One execution, submitted under a key until some server has acknowledged it."""
    path, params = CALLS[number % len(CALLS)]
    headers = {"Prefer": "respond-async", "Idempotency-Key": f"call-{number}"}
    for _ in range(200):
        with contextlib.suppress(httpx.TransportError):
            answer = dice.choice(servers).http.post(f"/v1/functions/{path}", json=params, headers=headers, timeout=300)
            if answer.status_code in (200, 202):
                return str(answer.headers["Obelisk-Execution-Id"])
        time.sleep(0.05)
    raise AssertionError("nobody takes the call")


def open_executions(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("select count(*) from execution where status <> 6").fetchone()[0])


def audit(database: Path, acknowledged: list[str]) -> list[str]:
    """Every broken law, in words."""
    problems: list[str] = []
    with contextlib.closing(sqlite3.connect(database)) as connection:
        logs: dict[str, list[tuple[int, int, dict[str, object]]]] = {}
        rows = connection.execute(
            "select execution_id, version, kind, body from history order by execution_id, version"
        )
        for execution_id, version, kind, body in rows:
            logs.setdefault(execution_id, []).append((version, kind, json.loads(body)))
        answered = connection.execute("select execution, source, count(*) from response group by 1, 2").fetchall()
    problems += [f"{execution} has {count} responses of {source}" for execution, source, count in answered if count > 1]
    problems += [
        f"{execution_id} was acknowledged and lost" for execution_id in acknowledged if execution_id not in logs
    ]
    for execution_id, events in logs.items():
        if [version for version, _, _ in events] != list(range(len(events))):
            problems.append(f"{execution_id}: versions have gaps")
        types = [event["type"] for _, _, event in events]
        if types.count("finished") != 1 or types[-1] != "finished":
            problems.append(f"{execution_id}: finished {types.count('finished')} times, ends with {types[-1]}")
        outcome = json.dumps(events[-1][2].get("outcome"))
        if '"type": "returned", "value": {"ok": 55}' not in outcome:
            problems.append(f"{execution_id}: ended with {outcome}")
        taken = [event["response"] for _, _, event in events if event["type"] == "join_next"]
        if len(set(map(str, taken))) != len(taken):
            problems.append(f"{execution_id}: a response was taken twice")
        for _, _, event in events:
            if event["type"] == "join_set_request" and event["child"] not in logs:
                problems.append(f"{execution_id}: child {event['child']} does not exist")
    return problems


def test_nothing_is_lost_and_nothing_finishes_twice(servers: list[Server], tmp_path: Path) -> None:
    dice, database = random.Random(SEED), tmp_path / "shared.sqlite"
    acknowledged: list[str] = []
    kills = 0
    for number in range(EXECUTIONS):
        acknowledged.append(submit(servers, dice, number))
        if number % max(1, EXECUTIONS // KILLS) == 0 and kills < KILLS:
            time.sleep(dice.random() * 0.3)
            victim = dice.choice(servers)
            victim.kill()
            victim.start()
            kills += 1
    deadline = time.monotonic() + 900 + EXECUTIONS / 10
    while open_executions(database) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert kills == KILLS
    assert len(set(acknowledged)) == EXECUTIONS
    assert open_executions(database) == 0
    assert audit(database, acknowledged) == []
