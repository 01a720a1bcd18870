"""`kill -9` of a server at work: after a restart everything ends right, and no step was lost or done twice.

The audit reads the logs over HTTP, as anybody could.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server import Server

ROOT = Path(__file__).parents[2]
ITERATIONS = 5000
KILLS = 3
TRIP = {
    "traveller": {"name": "Ada"},
    "origin": "Prague",
    "destination": "Lisbon",
    "start": {"year": 2031, "month": 5, "day": 4},
    "nights": 3,
    "cabin": "economy",
    "comforts": ["breakfast"],
    "car": "small",
}
COMPONENTS = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[component.trip-activities]
path = "{ROOT}/.cache/examples/trip/activities.wasm"
max_retries = 12
initial_backoff_ms = 20
max_backoff_ms = 100
[component.trip-workflow]
path = "{ROOT}/.cache/examples/trip/workflow.wasm"
[cache]
path = "{ROOT}/.cache/compiled"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, COMPONENTS)
    try:
        yield server
    finally:
        server.close()


def submit(server: Server, path: str, params: dict[str, Any]) -> str:
    answer = server.http.post(f"/v1/functions/{path}", json=params, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Obelisk-Execution-Id"])


def result(server: Server, execution_id: str) -> Any:
    for _ in range(30):
        answer = server.http.get(f"/v1/executions/{execution_id}/result", params={"wait": 20})
        if answer.status_code != 202:
            return answer
    raise AssertionError(f"{execution_id} does not end: {server.log()}")


def wait_for_progress(server: Server, execution_id: str, version: int) -> None:
    """Until the execution's log is so long."""
    for _ in range(100_000):
        if server.http.get(f"/v1/executions/{execution_id}").json()["version"] >= version:
            return
        time.sleep(0.001)
    raise AssertionError(f"{execution_id} does not go on: {server.log()}")


def log_of(server: Server, execution_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        answer = server.http.get(f"/v1/executions/{execution_id}/events", params={"from": start, "limit": 1000})
        page = answer.json()
        events += page["items"]
        start = page["next"]
    return events


def kinds(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(event["event"]["type"] for event in events)


def audit_children(server: Server, parent: str, requests: int) -> None:
    events = log_of(server, parent)
    assert [e["version"] for e in events] == list(range(len(events)))
    count = kinds(events)
    assert count["finished"] == 1
    assert count["join_set_request"] == count["join_next"] == requests
    taken = [e["event"]["response"] for e in events if e["event"]["type"] == "join_next"]
    assert len(set(taken)) == requests
    for child in taken[:: max(1, requests // 300)]:
        of_child = log_of(server, child)
        assert kinds(of_child)["finished"] == 1
        assert of_child[-1]["event"]["type"] == "finished"


def test_everything_goes_on_after_kill_9(server: Server) -> None:
    server.start()
    kind = submit(server, "demo:trip/workflow/book-trip", {"request": {**TRIP, "mishaps": [["hotel", {"flaky": 50}]]}})
    sad = submit(server, "demo:trip/workflow/book-trip", {"request": {**TRIP, "mishaps": [["car", "sold_out"]]}})
    fiboa = submit(server, "demo:fibo/workflow/fiboa", {"n": 10, "iterations": ITERATIONS})
    wait_for_progress(server, fiboa, 100)
    for _ in range(KILLS):
        server.kill()
        server.start()
        time.sleep(0.4)
    answer = result(server, fiboa)
    assert (answer.status_code, answer.json()) == (200, 55)
    audit_children(server, fiboa, ITERATIONS)
    assert result(server, kind).status_code == 200
    refusal = result(server, sad)
    assert refusal.status_code == 422
    reason = refusal.json()["error"]["not_booked"]
    assert [booking["service"] for booking in reason["cancelled"]] == ["hotel", "flight"]
    assert reason["stranded"] == []
    assert kinds(log_of(server, fiboa))["locked"] > 1, "no kill hit the workflow at work"


def test_a_graceful_stop_leaves_work_for_the_next_start(server: Server) -> None:
    server.start()
    later = submit(server, "demo:fibo/workflow/fibo-later", {"n": 10, "milliseconds": 1500})
    wait_for_progress(server, later, 3)
    assert server.stop() == 0
    server.start()
    assert result(server, later).json() == 55
    assert "its executor is gone" not in str(log_of(server, later))
