"""A disk that is full for a while: the server stops taking work, says so, and goes on when there is room.

The disk is the real kernel's refusal to let a file of the server grow (RLIMIT_FSIZE, set from outside).
"""

from __future__ import annotations

import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from obelisk.runtime.store import maintenance
from server import Server

ROOT = Path(__file__).parents[2]
CONFIGURATION = f"""
[store]
path = "store.sqlite"
[cache]
path = "{ROOT}/.cache/compiled"
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
"""
FIBOA = "/v1/functions/demo:fibo/workflow/fiboa"
LATER = "/v1/functions/demo:fibo/workflow/fibo-later"
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, CONFIGURATION)
    try:
        server.start()
        yield server
    finally:
        server.close()


def limit_files(server: Server, most_bytes: int) -> None:
    """From now on no file of the server grows beyond that."""
    _, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most_bytes, hard))


def submit(server: Server, path: str, params: object) -> tuple[int, str]:
    answer = server.http.post(path, json=params, headers=ASYNC)
    return answer.status_code, answer.headers.get("Obelisk-Execution-Id", "")


def has_result(server: Server, execution_id: str) -> bool:
    answer = server.http.get(f"/v1/executions/{execution_id}/result")
    assert answer.status_code == 202 or (answer.status_code, answer.text) == (200, "55"), answer.text
    return answer.status_code == 200


def eventually(holds: Callable[[], bool], seconds: float = 300) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_full_disk_stops_the_engine_and_room_lets_it_go_on(server: Server, tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for _ in range(20):
        status, execution_id = submit(server, LATER, {"n": 10, "milliseconds": 1500})
        assert status == 202
        acknowledged.append(execution_id)
    wal = tmp_path / "store.sqlite-wal"
    limit_files(server, wal.stat().st_size + 30_000)

    refused = 0
    for _ in range(300):
        status, execution_id = submit(server, FIBOA, {"n": 10, "iterations": 30})
        if status == 202:
            acknowledged.append(execution_id)
        else:
            assert status == 503
            refused += 1
        if refused >= 3:
            break
    assert refused == 3
    assert eventually(lambda: server.http.get("/readyz").status_code == 503)
    problem = server.http.get("/readyz").json()
    assert "the store takes no writes" in problem["detail"]
    assert server.http.get("/livez").status_code == 200
    assert server.http.get(f"/v1/executions/{acknowledged[0]}").status_code == 200
    time.sleep(3)  # the delays of the first ones are over: nothing of that can be recorded
    assert server.http.get("/readyz").status_code == 503
    assert submit(server, FIBOA, {"n": 10, "iterations": 1})[0] == 503

    limit_files(server, resource.RLIM_INFINITY)
    assert eventually(lambda: server.http.get("/readyz").status_code == 200)
    for execution_id in acknowledged:
        assert eventually(partial(has_result, server, execution_id)), execution_id
    assert list(maintenance.check(tmp_path / "store.sqlite")) == []
    text = server.log()
    assert "taking no work until the store can be written to" in text
    assert "the store can be written to again" in text
    assert len(re.findall("taking no work", text)) < 20


def test_no_call_is_taken_while_the_database_is_gone(server: Server, tmp_path: Path) -> None:
    database, aside = tmp_path / "store.sqlite", tmp_path / "aside.sqlite"
    assert submit(server, FIBOA, {"n": 10, "iterations": 1})[0] == 202
    database.rename(aside)
    answer = server.http.post(FIBOA, json={"n": 10, "iterations": 1}, headers=ASYNC)
    assert answer.status_code == 503
    assert "was deleted or replaced while it is in use" in answer.json()["detail"]
    assert eventually(lambda: server.http.get("/readyz").status_code == 503)
    aside.rename(database)
    assert eventually(lambda: server.http.get("/readyz").status_code == 200)
    status, execution_id = submit(server, FIBOA, {"n": 10, "iterations": 1})
    assert status == 202
    assert eventually(partial(has_result, server, execution_id))


def test_a_server_that_has_no_room_at_its_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "obelisk.toml").write_text(CONFIGURATION)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)); "
        "from obelisk.cli.main import main; sys.argv[1:] = ['executor', 'serve', '--listen', '127.0.0.1:0']; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 7
    assert "error: the database" in ran.stderr
    assert "Traceback" not in ran.stderr
