"""Bounded memory: many executions through one server, and many that wait in it at once.

A short run by default; `OBELISK_LONG_EXECUTIONS=100000 OBELISK_WAITING=10000` is the long one.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server import Server

ROOT = Path(__file__).parents[2]
EXECUTIONS = int(os.environ.get("OBELISK_LONG_EXECUTIONS", "3000"))
WAITING = int(os.environ.get("OBELISK_WAITING", "1000"))
CLIENTS = 40
CALL = "/v1/functions/demo:fibo/workflow/fiboa"
LATER = "/v1/functions/demo:fibo/workflow/fibo-later"
CONFIGURATION = f"""
[store]
path = "store.sqlite"
[cache]
path = "{ROOT}/.cache/compiled"
[executor]
hot_workflows = 12000
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, CONFIGURATION)
    try:
        server.start()
        yield server
    finally:
        server.close()


def resident_kib(pid: int) -> int:
    """What the process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


async def post_all(server: Server, path: str, params: object, count: int, headers: dict[str, str]) -> list[str]:
    """`count` calls by some clients at once; the ids."""
    left, ids = count, list[str]()

    async def client(http: httpx.AsyncClient) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            answer = await http.post(path, json=params, headers=headers)
            assert answer.status_code in (200, 202), answer.text
            ids.append(answer.headers["Obelisk-Execution-Id"])

    async with httpx.AsyncClient(base_url=server.url, timeout=300) as http:
        await asyncio.gather(*(client(http) for _ in range(CLIENTS)))
    return ids


def test_memory_does_not_grow_with_what_was_done(server: Server) -> None:
    """Two executions a call: a workflow and its activity."""
    first = asyncio.run(post_all(server, CALL, {"n": 10, "iterations": 1}, EXECUTIONS // 20, {}))
    before = resident_kib(server.pid)
    rest = asyncio.run(post_all(server, CALL, {"n": 10, "iterations": 1}, EXECUTIONS // 2 - len(first), {}))
    after = resident_kib(server.pid)
    print(f"{2 * len(first)} executions: {before} KiB, {2 * len(first + rest)}: {after} KiB, {after / before - 1:+.1%}")
    assert len(set(first + rest)) == EXECUTIONS // 2
    fills_up = 12_000 if EXECUTIONS < 100_000 else 0  # SQLite's caches, which are full by then
    assert after < before * 1.10 + fills_up, f"{before} KiB after {len(first)} calls, {after} KiB after all"


def test_many_workflows_wait_at_once_in_one_process(server: Server) -> None:
    before = resident_kib(server.pid)
    wait_ms = 4_000 + 4 * WAITING
    params = {"n": 10, "milliseconds": wait_ms}
    ids = asyncio.run(post_all(server, LATER, params, WAITING, {"Prefer": "respond-async"}))
    assert locked(server), "they stay hot"
    count = len(list(Path(f"/proc/{server.pid}/task").iterdir()))
    each = (resident_kib(server.pid) - before) / WAITING
    print(f"{WAITING} wait: {each:.0f} KiB each, {count} threads")
    assert count < 60
    for execution_id in (ids[0], ids[WAITING // 2], ids[-1]):
        finish(server, execution_id)
    for _ in range(3_000):
        if not locked(server):
            break
        time.sleep(0.1)
    assert not locked(server)
    assert {server.http.get(f"/v1/executions/{i}/result").text for i in ids[:: max(1, WAITING // 200)]} == {"55"}


def locked(server: Server) -> bool:
    """Whether some execution is locked: a hot workflow is, while it waits."""
    page = server.http.get("/v1/executions", params={"status": "locked", "limit": 1}).json()
    return bool(page["items"])


def finish(server: Server, execution_id: str) -> None:
    """Wait until it has ended well."""
    for _ in range(3_000):
        answer = server.http.get(f"/v1/executions/{execution_id}/result")
        if answer.status_code == 200:
            assert answer.text == "55"
            return
        time.sleep(0.1)
    raise AssertionError(f"{execution_id} has not ended")
