"""The pages of the web interface: accessible, narrow enough for a phone, quick with much to show, kept by browsers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from browser import chromium, complaints, first, picture, run, seen, show_as, wait
from interface_world import EXAMPLES, ROOT, build, call, finished_trip, open_page, serve, shows, text, until
from server import Server

AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"
PICTURES = ROOT / "docs/pictures"


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    build()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        show_as(started, width=1440)
        yield started


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from serve(tmp_path_factory.mktemp("examples"), EXAMPLES)


# --- how pages are --------------------------------------------------------------------------------------------------
SHOWN = {"overview", "executions", "timeline", "history", "function"}
"""Pages whose pictures the documentation has: PICTURES=1 takes them anew."""
PAGES = {
    "overview": "/",
    "inbox": "/inbox",
    "executions": "/executions",
    "timeline": "/executions/{trip}",
    "history": "/executions/{trip}/history",
    "logs": "/executions/{trip}/logs",
    "values": "/executions/{trip}/values",
    "functions": "/functions",
    "function": "/functions/demo%3Atrip%2Fworkflow.book-trip",
    "components": "/components",
    "component": "/components/trip-workflow",
    "missing": "/nowhere",
}


@pytest.mark.parametrize("name", PAGES)
def test_no_page_violates_wcag_2_1_or_overflows(driver: webdriver.Chrome, examples: Server, name: str) -> None:
    trips: dict[str, str | int] = {"function": "demo:trip/workflow.book-trip", "result_kind": "ok", "limit": 1}
    items = examples.http.get("/v1/executions", params=trips).json()["items"]
    trip = items[0]["execution_id"] if items else finished_trip(examples)
    complaints(driver)  # those of other pages
    try:
        for width, dark in ((1440, False), (1440, True), (390, False), (390, True)):
            show_as(driver, width=width, dark=dark)
            open_page(driver, examples, PAGES[name].format(trip=trip))
            wait(
                driver,
                lambda: run(driver, "return document.readyState") == "complete" and "loading" not in text(driver),
            )
            run(driver, AXE.read_text(encoding="utf-8"))
            violations = run(
                driver,
                "return axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then((found) =>"
                " found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' ')}`))",
            )
            assert violations == [], (width, dark)
            assert run(driver, "return document.documentElement.scrollWidth <= innerWidth"), width
            assert complaints(driver) == []
            if os.environ.get("PICTURES") and width == 1440 and name in SHOWN and (name == "timeline" or not dark):
                picture(driver, PICTURES / f"{name}-{'dark' if dark else 'light'}-{width}.png")
    finally:
        show_as(driver, width=1440)


def test_ten_thousand_children_are_drawn_as_ten_are(driver: webdriver.Chrome, examples: Server) -> None:
    execution = call(examples, "demo:fibo/workflow/fiboa-concurrent", {"n": 3, "iterations": 10_000})
    until(examples, execution, "finished")
    open_page(driver, examples, f"/executions/{execution}")
    shows(driver, "10001 bars", ".actions")
    assert 0 < len(seen(driver, ".bars .bar-row")) < 100
    run(driver, "document.querySelector('.bars').scrollTop = 130000")
    wait(driver, lambda: float(run(driver, "return document.querySelector('.bars .bar-row').offsetTop")) > 100_000)
    assert 0 < len(seen(driver, ".bars .bar-row")) < 100
    open_page(driver, examples, f"/executions/{execution}/history")
    shows(driver, "Older", "main")
    shows(driver, "Returned", ".history")
    assert complaints(driver) == []


def test_nothing_is_asked_while_the_tab_is_hidden(driver: webdriver.Chrome, examples: Server) -> None:
    open_page(driver, examples, "/executions")
    first(driver, "table.list")
    asked = "return performance.getEntriesByType('resource').length"
    run(
        driver,
        "Object.defineProperty(document, 'hidden', {get: () => window.isHidden, configurable: true});"
        "window.isHidden = true; document.dispatchEvent(new Event('visibilitychange'));"
        "return new Promise((done) => setTimeout(done, 3000))",  # what was under way ends
    )
    before = run(driver, asked)
    run(driver, "return new Promise((done) => setTimeout(done, 6000))")
    assert run(driver, asked) == before
    run(driver, "window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    wait(driver, lambda: run(driver, asked) > before)


# --- how it is served -----------------------------------------------------------------------------------------------
def test_the_page_and_its_files_are_served_for_browsers_to_keep(examples: Server) -> None:
    page = examples.http.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert "'unsafe" not in page.headers["content-security-policy"]
    names = [part.split('"')[0] for part in page.text.split('="./ui/')[1:]]
    assert {name.rpartition(".")[2] for name in names} == {"js", "css", "svg"}
    packed = 0
    for name in names:
        file = examples.http.get(f"/ui/{name}")
        assert (file.status_code, file.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
        packed += int(file.headers["content-length"]) if file.headers.get("content-encoding") == "gzip" else 0
    assert packed < 250_000
    assert examples.http.get("/ui/nothing.js").status_code == 404


def test_the_types_of_the_client_are_those_of_the_document(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); import build;"
        " build.types(Path(sys.argv[2])); print(Path(sys.argv[2]).read_text() == build.SCHEMA.read_text())"
    )
    made = tmp_path / "schema.d.ts"
    ran = subprocess.run([sys.executable, "-c", script, ROOT / "ui", made], check=True, capture_output=True, text=True)
    assert ran.stdout.strip().splitlines()[-1] == "True", "stale: run `.venv/bin/python ui/build.py --types`"


def test_its_own_checks_pass() -> None:
    ran = subprocess.run([sys.executable, ROOT / "ui/build.py", "--check"], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
