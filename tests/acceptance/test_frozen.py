"""Servers that are frozen for longer than a lease lasts, or while they hold the database: others wait or take over, and
all of them are there in the end."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server import Server

ROOT = Path(__file__).parents[2]
FIBO = "/v1/functions/demo:fibo/fibo/fibo"
LATER = "/v1/functions/demo:fibo/workflow/fibo-later"
PATIENCE_S = 90


def configuration(database: Path) -> str:
    return f"""
[store]
path = "{database}"
[cache]
path = "{ROOT}/.cache/compiled"
[executor]
lease_ms = 1500
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""


def until(holds: Callable[[], bool], server: Server) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end_s, server.log()
        time.sleep(0.05)


def metric(server: Server, name: str) -> float:
    lines = server.http.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one, other = (Server(tmp_path / name, configuration(tmp_path / "shared.sqlite")) for name in ("a", "b"))
    try:
        yield one, other
    finally:
        for server in (one, other):
            server.close()


def test_a_server_that_was_frozen_is_there_again(servers: tuple[Server, Server]) -> None:
    one, other = servers
    one.start()
    slow = {"n": 10, "milliseconds": 6_000}
    submitted = one.http.post(LATER, json=slow, headers={"Prefer": "respond-async"}).headers["Obelisk-Execution-Id"]
    other.start()
    os.kill(one.pid, signal.SIGSTOP)
    until(lambda: "released" in other.log(), other)
    os.kill(one.pid, signal.SIGCONT)
    until(lambda: "its runs are dropped" in one.log().lower(), one)
    assert metric(one, "obelisk_leases_lost_total") >= 1
    assert metric(other, "obelisk_runs_cut_off_total") >= 1
    other.kill()
    assert one.http.post(FIBO, json={"n": 10}, headers={"Prefer": "wait=60"}).json() == 55
    answer = one.http.get(f"/v1/executions/{submitted}/result", params={"wait": 60})
    assert (answer.status_code, answer.json()) == (200, 55), one.log()
    assert one.stop() == 0


def own_namespace() -> tuple[str, ...]:
    """A command that starts another one in a PID namespace of its own, as a container does; empty where none may be."""
    users = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    command = ("unshare", *users, "--pid", "--fork", "--kill-child", "--mount-proc")
    made = subprocess.run([*command, "true"], capture_output=True, timeout=60, check=False)
    return command if made.returncode == 0 else ()


def test_servers_in_two_pid_namespaces_leave_each_other_alone(servers: tuple[Server, Server]) -> None:
    """Their host has one name, and neither finds the process of the other."""
    one, other = servers
    other.before = own_namespace()
    one.start()
    other.start()
    for _ in range(3):
        for server in servers:
            assert server.http.post(FIBO, json={"n": 10}).json() == 55
        time.sleep(1.5)
    for server in servers:
        assert "released" not in server.log()
        assert metric(server, "obelisk_runs_cut_off_total") == 0
    assert one.stop() == 0


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that holds the write lock of the database, as a process that was stopped in mid-commit does."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shared.sqlite", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("begin immediate")
        yield connection


def test_a_server_waits_for_a_database_that_is_locked(
    servers: tuple[Server, Server], locked: sqlite3.Connection
) -> None:
    server, _ = servers
    server.begin()
    until(lambda: "waiting until it is free" in server.log(), server)
    locked.execute("rollback")
    server.wait_until_it_answers()
    assert server.http.post(FIBO, json={"n": 10}).json() == 55


def test_a_server_that_waits_can_be_stopped(servers: tuple[Server, Server], locked: sqlite3.Connection) -> None:
    server, _ = servers
    server.begin()
    until(lambda: "waiting until it is free" in server.log(), server)
    assert server.stop() == 0
    assert locked.in_transaction
