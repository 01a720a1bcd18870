"""Three servers on one database file, killed at random under load; then the database itself is audited.

In one of the systems workers outside the engine run the activities: they are killed, too, and both kinds of processes
are frozen for up to several leases. A short run by default; `OBELISK_KILLS=50 OBELISK_EXECUTIONS=2000` is the long one.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from obelisk.cli.generating import shell as generating
from obelisk.runtime import ids
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
ACTIVITY = "demo:fibo/fibo.fibo"
COMPONENT = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
"""
EXTERNAL = """
[component.fibo-activity]
kind = "external"
wit = "../fibo.wit"
max_retries = 1000
initial_backoff_ms = 10
max_backoff_ms = 200
"""
WIT = "package demo:fibo; interface fibo { fibo: func(n: u8) -> result<u64, string>; }"
PROGRAM = '''
"""Fibonacci numbers from a line that breaks now and then; each run is written down when it begins."""

import asyncio
import os
import random
import sys

from made.demo_fibo.worker import FiboWorker
from obelisk.worker import Worker, current

JOURNAL = os.open(sys.argv[2], os.O_CREAT | os.O_APPEND | os.O_WRONLY)


class Fibo(FiboWorker):
    async def fibo(self, n: int) -> int:
        attempt = current().of
        os.write(JOURNAL, f"{attempt.execution_id} {attempt.run}\\n".encode())
        await asyncio.sleep(random.random() * 0.05)
        if random.random() < 0.05:
            raise ConnectionError("no line")
        one, other = 0, 1
        for _ in range(n):
            one, other = other, one + other
        return one


Worker(sys.argv[1], handlers=[Fibo()], lease_s=1).run()
'''
LONGEST_FREEZE_S = 5.0
Logs = dict[str, list[tuple[int, dict[str, object]]]]


def configuration(database: Path, activity: str) -> str:
    return f"""
[store]
path = "{database}"
[cache]
path = "{ROOT}/.cache/compiled"
[executor]
lease_ms = 3000
{activity}
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""


class WorkerProcess:
    """A worker of one server, as a program of a user's."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder, self._server = folder, server
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """It asks its server until it is there."""
        command = [sys.executable, "program.py", self._server.url, "journal"]
        with (self._folder / "workers.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(300)


@pytest.fixture
def servers(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[Server]]:
    servers: list[Server] = []
    (tmp_path / "fibo.wit").write_text(WIT)
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        servers.append(Server(tmp_path / name, configuration(tmp_path / "shared.sqlite", request.param)))
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.close()


@pytest.fixture
def workers(tmp_path: Path, servers: list[Server]) -> Iterator[list[WorkerProcess]]:
    """One of each server."""
    (tmp_path / "program.py").write_text(PROGRAM)
    outcome = generating.run([tmp_path / "fibo.wit"], tmp_path / "made", only={"worker"})
    assert outcome.is_good, outcome.messages
    workers = [WorkerProcess(tmp_path, server) for server in servers]
    for worker in workers:
        worker.start()
    try:
        yield workers
    finally:
        for worker in workers:
            worker.kill()


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


def logs_of(database: Path) -> Logs:
    """The version and the event of each row, by execution."""
    logs: Logs = {}
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("select execution_id, version, body from history order by execution_id, version")
        for execution_id, version, body in rows:
            logs.setdefault(execution_id, []).append((version, json.loads(body)))
    return logs


def audit(database: Path, acknowledged: list[str]) -> list[str]:
    """Every broken law, in words."""
    logs = logs_of(database)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        answered = connection.execute("select execution, source, count(*) from response group by 1, 2").fetchall()
    problems = [f"{execution} has {count} responses of {source}" for execution, source, count in answered if count > 1]
    problems += [
        f"{execution_id} was acknowledged and lost" for execution_id in acknowledged if execution_id not in logs
    ]
    for execution_id, events in logs.items():
        if [version for version, _ in events] != list(range(len(events))):
            problems.append(f"{execution_id}: versions have gaps")
        types = [event["type"] for _, event in events]
        if types.count("finished") != 1 or types[-1] != "finished":
            problems.append(f"{execution_id}: finished {types.count('finished')} times, ends with {types[-1]}")
        outcome = json.dumps(events[-1][1].get("outcome"))
        if '"type": "returned", "value": {"ok": 55}' not in outcome:
            problems.append(f"{execution_id}: ended with {outcome}")
        taken = [event["response"] for _, event in events if event["type"] == "join_next"]
        if len(set(map(str, taken))) != len(taken):
            problems.append(f"{execution_id}: a response was taken twice")
        for _, event in events:
            if event["type"] == "join_set_request" and event["child"] not in logs:
                problems.append(f"{execution_id}: child {event['child']} does not exist")
    return problems


def audit_workers(database: Path, journal: list[str]) -> list[str]:
    """Workers ran what is theirs, and nothing else; each run that they began is on record as locked by one of them."""
    problems: list[str] = []
    locked: set[str] = set()
    for execution_id, events in logs_of(database).items():
        is_theirs = events[0][1]["ffqn"] == ACTIVITY
        for _, event in events:
            if event["type"] != "locked":
                continue
            if str(event["executor"]).startswith(ids.WORKER) is not is_theirs:
                problems.append(f"{execution_id} was locked by {event['executor']}")
            if is_theirs:
                locked.add(f"{execution_id} {event['run']}")
    return problems + [f"{run} was begun without a lock" for run in journal if run not in locked]


def under_load(servers: list[Server], dice: random.Random, strike: Callable[[int], None]) -> list[str]:
    """Submit executions, with a strike now and then, and wait for their ends; their ids."""
    database, strikes = servers[0].folder.parent / "shared.sqlite", 0
    acknowledged: list[str] = []
    for number in range(EXECUTIONS):
        acknowledged.append(submit(servers, dice, number))
        if number % max(1, EXECUTIONS // KILLS) == 0 and strikes < KILLS:
            time.sleep(dice.random() * 0.3)
            strike(strikes)
            strikes += 1
    deadline = time.monotonic() + 900 + EXECUTIONS / 10
    while open_executions(database) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert strikes == KILLS
    assert len(set(acknowledged)) == EXECUTIONS
    assert open_executions(database) == 0
    return acknowledged


def restart(victim: Server | WorkerProcess) -> None:
    victim.kill()
    victim.start()


def freeze(victim: Server | WorkerProcess, seconds: float) -> None:
    os.kill(victim.pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(victim.pid, signal.SIGCONT)


@pytest.mark.parametrize("servers", [COMPONENT], indirect=True, ids=["components"])
def test_nothing_is_lost_and_nothing_finishes_twice(servers: list[Server], tmp_path: Path) -> None:
    dice = random.Random(SEED)
    acknowledged = under_load(servers, dice, lambda _: restart(dice.choice(servers)))
    assert audit(tmp_path / "shared.sqlite", acknowledged) == []


@pytest.mark.parametrize("servers", [EXTERNAL], indirect=True, ids=["workers"])
def test_nothing_is_lost_when_workers_are_killed_and_frozen_too(
    servers: list[Server], workers: list[WorkerProcess], tmp_path: Path
) -> None:
    dice = random.Random(SEED)

    def strike(number: int) -> None:
        victim = dice.choice(workers) if number % 2 else dice.choice(servers)
        if number // 2 % 2:
            freeze(victim, dice.uniform(0.5, LONGEST_FREEZE_S))
        else:
            restart(victim)

    acknowledged = under_load(servers, dice, strike)
    journal = (tmp_path / "journal").read_text().splitlines()
    assert len(journal) > EXECUTIONS
    assert audit(tmp_path / "shared.sqlite", acknowledged) == []
    assert audit_workers(tmp_path / "shared.sqlite", journal) == []
