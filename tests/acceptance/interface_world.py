"""Servers with something to show, and what a person does on a page of the web interface."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium import webdriver
from selenium.webdriver.common.by import By

from browser import click_on, first, run, seen, wait
from server import Server

ROOT = Path(__file__).parents[2]
FIBO = ROOT / "examples/fibo"
WORKFLOW = f"""
[component.fibo-workflow]
path = "{FIBO}/workflow.wat"
[cache]
path = "{ROOT}/.cache/compiled"
"""
EXAMPLES = f"""
[component.fibo-activity]
path = "{FIBO}/activity.wat"
[component.trip-activities]
path = "{ROOT}/.cache/examples/trip/activities.wasm"
max_retries = 2
initial_backoff_ms = 10
[component.trip-workflow]
path = "{ROOT}/.cache/examples/trip/workflow.wasm"
{WORKFLOW}"""
PATIENT = EXAMPLES.replace("initial_backoff_ms = 10", "initial_backoff_ms = 3_600_000\nmax_backoff_ms = 3_600_000")
DESK = f"""
[component.desk]
kind = "stub"
wit = "desk"
{WORKFLOW}"""
DESK_WIT = "package demo:fibo; interface fibo { fibo: func(n: u8) -> result<u64, string>; }"
TRIP: Mapping[str, Any] = {
    "traveller": {"name": "Ada"},
    "origin": "PRG",
    "destination": "OSL",
    "start": {"year": 2030, "month": 1, "day": 31},
    "nights": 3,
    "cabin": "economy",
    "comforts": ["breakfast"],
}


def build() -> None:
    """Build the interface, unless it is built."""
    ran = subprocess.run(
        [sys.executable, ROOT / "ui/build.py", "--strict"], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr


def serve(folder: Path, text: str) -> Iterator[Server]:
    server = Server(folder, text)
    try:
        server.start()
        yield server
    finally:
        server.close()


def call(server: Server, function: str, params: Mapping[str, Any], **headers: str) -> str:
    """Submit, without waiting; the execution's id."""
    answer = server.http.post(f"/v1/functions/{function}", json=params, headers={"Prefer": "respond-async", **headers})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["execution_id"])


def until(server: Server, execution_id: str, status: str) -> None:
    """Wait until an execution has a status."""
    path = f"/v1/executions/{quote(execution_id, safe='')}"
    while (now := server.http.get(path).json()["status"]) != status:
        assert now != "finished"
        time.sleep(0.05)


def open_page(driver: webdriver.Chrome, server: Server, path: str) -> None:
    driver.get("about:blank")  # a change of the hash alone would keep the page, with what it held
    driver.get(f"http://127.0.0.1:{server.port}/#{path}")
    first(driver, "main h1")


def text(driver: webdriver.Chrome, selector: str = "main") -> str:
    script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.innerText).join('\\n')"
    return str(run(driver, script, selector))


def shows(driver: webdriver.Chrome, wanted: str, selector: str = "main") -> None:
    wait(driver, lambda: wanted in text(driver, selector))


def button(driver: webdriver.Chrome, name: str, inside: str = "main") -> None:
    """Click on the button or link with exactly this text."""

    def found() -> Any:
        return next(
            (e for e in seen(driver, f"{inside} button, {inside} a") if e.text == name and e.is_enabled()), None
        )

    click_on(driver, wait(driver, found))


def field(driver: webdriver.Chrome, label: str, value: str) -> None:
    """Type into the field with this label."""

    def found() -> Any:
        labels = (e for e in seen(driver, "main label") if e.text.split("\n")[0].strip() == label)
        return next((driver.find_element(By.ID, str(e.get_attribute("for"))) for e in labels), None)

    element = wait(driver, found)
    element.clear()
    element.send_keys(value)


def finished_trip(server: Server) -> str:
    execution = call(server, "demo:trip/workflow/book-trip", {"request": {**TRIP, "mishaps": []}})
    until(server, execution, "finished")
    return execution
