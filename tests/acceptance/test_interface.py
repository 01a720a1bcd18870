"""The web interface in a real browser, over real servers: what a person who is paged at night has to find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browser import chromium, click, click_on, complaints, first, run, seen, show_as, wait
from interface_world import (
    DESK,
    DESK_WIT,
    EXAMPLES,
    FIBO,
    PATIENT,
    TRIP,
    build,
    button,
    call,
    field,
    open_page,
    serve,
    shows,
    until,
)
from server import Server


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


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The activity of the example is answered by people."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "desk").mkdir()
    (folder / "desk/fibo.wit").write_text(DESK_WIT, encoding="utf-8")
    yield from serve(folder, DESK)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An hour passes between the attempts of its activities."""
    yield from serve(tmp_path_factory.mktemp("patient"), PATIENT)


# --- what a new user has to find ------------------------------------------------------------------------------------
def test_a_failed_trip_and_why(driver: webdriver.Chrome, examples: Server) -> None:
    sold_out = {"request": {**TRIP, "car": "small", "mishaps": [["car", "sold_out"]]}}
    execution = call(examples, "demo:trip/workflow/book-trip", sold_out, **{"Obelisk-Tags": "order=7"})
    until(examples, execution, "finished")
    open_page(driver, examples, "/executions")
    field_by_name = first(driver, "input[placeholder='order=7,tenant=acme']")
    field_by_name.send_keys("order=7\n")
    wait(driver, lambda: "tags=order%3D7" in driver.current_url)
    shows(driver, "order=7", "table.list")
    click(driver, "table.list td a")
    shows(driver, "book-hotel", ".timeline")
    button(driver, "Input and result")
    shows(driver, "not_booked")
    shows(driver, "sold_out")
    button(driver, "History")
    shows(driver, "Took the answer of book-flight (o:1_1)", ".history")
    shows(driver, "book-car (o:3_1) returned err", ".history .warn")
    assert complaints(driver) == []


def test_an_activity_that_is_retried_and_when_it_will_be_tried_next(driver: webdriver.Chrome, patient: Server) -> None:
    call(
        patient,
        "demo:trip/workflow/book-trip",
        {"request": {**TRIP, "mishaps": [["hotel", {"closed_until": 4_000_000_000_000}]]}},
    )
    open_page(driver, patient, "/executions?function=demo:trip/workflow.book-trip&status=open")
    click(driver, "table.list td a")
    shows(driver, "waits for book-hotel", ".why")
    wait(driver, lambda: any(link.text == "book-hotel" for link in seen(driver, ".facts .tag a")))
    click_on(driver, next(link for link in seen(driver, ".facts .tag a") if link.text == "book-hotel"))
    shows(driver, "1 attempts failed; the next one is in", ".why")
    shows(driver, "min", ".why")
    button(driver, "History")
    shows(driver, "Attempt failed", ".history .warn")
    button(driver, "Try now…")
    button(driver, "Try now", "dialog")
    shows(driver, "2 attempts failed; the next one is in", ".why")
    assert complaints(driver) == []


def test_a_workflow_that_waits_for_a_person_is_answered(driver: webdriver.Chrome, desk: Server) -> None:
    execution = call(desk, "demo:fibo/workflow/fiboa", {"n": 200, "iterations": 1})
    open_page(driver, desk, "/inbox")
    shows(driver, "1 result to give")
    button(driver, "Answer")
    shows(driver, "200", ".value")
    Select(first(driver, "select[aria-label='Result: case']")).select_by_visible_text("ok")
    field(driver, "ok", "18446744073709551616")
    button(driver, "Give this result")
    shows(driver, "expected 0 to 18446744073709551615")
    field(driver, "ok", "18446744073709551615")
    button(driver, "Give this result")
    shows(driver, "0 results to give")
    until_value = desk.http.get(f"/v1/executions/{execution}/result", params={"wait": 60})
    assert until_value.text == "18446744073709551615"
    open_page(driver, desk, f"/executions/{execution}/values")
    shows(driver, "18446744073709551615")
    assert complaints(driver) == []


def test_what_a_divergence_expected_and_got_and_a_fork(driver: webdriver.Chrome, desk: Server, tmp_path: Path) -> None:
    execution = call(desk, "demo:fibo/workflow/fibo-later", {"n": 7, "milliseconds": 50})
    changed = tmp_path / "changed.wat"
    source = (FIBO / "workflow.wat").read_text(encoding="utf-8")
    wrong = source.replace("(i64.const 0)                                     ;; duration", "(i64.const 1) ;; duration")
    assert wrong != source
    changed.write_text(wrong, encoding="utf-8")
    open_page(driver, desk, "/components")
    seen(driver, "input[type=file]")[0].send_keys(str(changed))
    named = first(driver, "input[placeholder='name']")
    named.clear()
    named.send_keys("fibo-workflow")
    button(driver, "Check")
    shows(driver, "1 would be paused")
    button(driver, "Deploy")
    shows(driver, "fibo-workflow is deployed")
    open_page(driver, desk, f"/executions/{execution}")
    button(driver, "Verify replay")
    shows(driver, "The deployed build does not replay this log")
    shows(driver, "milliseconds", ".sides section:first-child")
    shows(driver, "seconds", ".sides section:last-child")
    restored = server_put(desk, "fibo-workflow", source)
    assert restored["name"] == "fibo-workflow"
    button(driver, "History")
    shows(driver, "Called fibo(7)", ".history")
    row = next(e for e in seen(driver, ".history li") if "Called fibo" in e.text)
    click_on(driver, row.find_element(By.TAG_NAME, "summary"))
    button(driver, "Fork after this…")
    button(driver, "Fork", "dialog")
    wait(driver, lambda: execution not in driver.current_url)
    shows(driver, "fibo-later", "h1")
    assert complaints(driver) == []


def server_put(server: Server, name: str, source: str) -> Mapping[str, Any]:
    answer = server.http.put(
        f"/v1/components/{name}", content=source.encode(), headers={"Content-Type": "application/octet-stream"}
    )
    assert answer.status_code == 200, answer.text
    shown: Mapping[str, Any] = answer.json()
    return shown


# --- forms ----------------------------------------------------------------------------------------------------------
def test_a_form_made_of_the_types_calls_a_function(driver: webdriver.Chrome, examples: Server) -> None:
    open_page(driver, examples, f"/functions/{quote('demo:fibo/workflow.fiboa', safe='')}")
    field(driver, "n", "256")
    field(driver, "iterations", "3")
    button(driver, "Run")
    shows(driver, "expected 0 to 255", ".wrong")
    field(driver, "n", "10")
    button(driver, "Run")
    shows(driver, "55", "section.good")
    button(driver, "As JSON")
    raw = first(driver, "#raw")
    assert json.loads(str(raw.get_attribute("value"))) == {"n": 10, "iterations": 3}
    raw.clear()
    raw.send_keys('{"n": 93, "iterations": }')
    assert first(driver, ".wrong").text
    assert complaints(driver) == []


def test_every_type_has_a_form(driver: webdriver.Chrome, examples: Server) -> None:
    open_page(driver, examples, f"/functions/{quote('demo:trip/workflow.book-trip', safe='')}")
    field(driver, "name", "Grace")
    field(driver, "origin", "PRG")
    field(driver, "destination", "OSL")
    for name, value in (("year", "2030"), ("month", "1"), ("day", "31"), ("nights", "2")):
        field(driver, name, value)
    for label in seen(driver, "main label.check"):
        if label.text.split()[0] in {"breakfast", "sea_view", "car"}:
            click_on(driver, label.find_element(By.TAG_NAME, "input"))
    button(driver, "Add to mishaps")
    Select(first(driver, "select[aria-label='1: case']")).select_by_visible_text("sold_out")
    button(driver, "Run")
    shows(driver, "It ended otherwise", "[role=status]")
    (execution,) = examples.http.get("/v1/executions", params={"function": "demo:trip/workflow", "limit": 1}).json()[
        "items"
    ]
    event = examples.http.get(f"/v1/executions/{execution['execution_id']}/events").json()["items"][0]["event"]
    (given,) = event["params"]
    assert given["traveller"] == {"name": "Grace", "email": None}
    assert given["comforts"] == ["breakfast", "sea_view"]
    assert given["car"] == "small"
    assert given["mishaps"] == [["flight", "sold_out"]]


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path, 'auth = "required"\n')


def test_a_server_with_tokens_asks_for_one_and_keeps_it_in_the_tab(driver: webdriver.Chrome, guarded: Server) -> None:
    secret = next(line.split()[1] for line in guarded.log().splitlines() if line.startswith("  token "))
    open_page(driver, guarded, "/executions")
    shows(driver, "Sign in", "h1")
    complaints(driver)  # a browser tells each 401
    first(driver, "#token").send_keys("obk_wrong\n")
    shows(driver, "did not accept")
    first(driver, "#token").send_keys(f"{secret}\n")
    shows(driver, "Executions", "h1")
    shows(driver, "No execution matches")
    assert secret not in driver.current_url
    assert run(driver, "return localStorage.length + document.cookie.length") == 0


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[tuple[Server, Mapping[str, str]]]:
    """A server with tokens, and their texts by scope."""
    config = f'[server]\nauth = "required"\n[component.fibo-activity]\npath = "{FIBO}/activity.wat"\n'
    (tmp_path / "tokens.toml").write_text(config, encoding="utf-8")
    secrets: dict[str, str] = {}
    for scope in ("read", "submit", "admin"):
        made = subprocess.run(
            [
                sys.executable,
                "-m",
                "obelisk",
                "token",
                "create",
                f"for {scope}",
                "--scope",
                scope,
                "--config",
                "tokens.toml",
            ],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        secrets[scope] = next(word for word in made.stdout.split() if word.startswith("obk_"))
    for server in serve(tmp_path, config.replace("[server]\n", "")):
        yield server, secrets


def test_what_a_token_may_not_do_is_not_offered(
    driver: webdriver.Chrome, shared: tuple[Server, Mapping[str, str]]
) -> None:
    server, secrets = shared
    headers = {"Authorization": f"Bearer {secrets['submit']}", "Idempotency-Key": "order-7", "Prefer": "respond-async"}
    submitted = server.http.post("/v1/functions/demo:fibo/fibo/fibo", json={"n": 10}, headers=headers)
    execution = submitted.json()["execution_id"]
    offered: dict[str, set[str]] = {}
    for scope, secret in secrets.items():
        open_page(driver, server, f"/executions/{execution}")
        run(driver, "sessionStorage.clear(); location.reload()")
        shows(driver, "Sign in", "h1")
        first(driver, "#token").send_keys(f"{secret}\n")
        shows(driver, f"for {scope}, {scope}", "header")
        shows(driver, "for submit", ".facts")
        open_page(driver, server, f"/executions/{execution}/values")
        shows(driver, "As it is on record")
        offered[scope] = {one.text for one in seen(driver, "main .row button")}
        open_page(driver, server, "/components")
        shows(driver, "fibo-activity", "table.list")
        offered[scope] |= {one.text for one in seen(driver, "main button")}
    complaints(driver)  # a browser tells each 401
    assert "Run again…" not in offered["read"]
    assert "Run again…" in offered["submit"]
    assert "Deploy" not in offered["read"] | offered["submit"]
    assert {"Run again…", "Deploy"} <= offered["admin"]
    click(driver, "header nav a[href$='executions']")
    first(driver, "table.list")
    open_page(driver, server, "/executions?idempotency_key=order-7")
    shows(driver, "fibo", "table.list")
    open_page(driver, server, "/executions?idempotency_key=order-8")
    shows(driver, "No execution matches")
    driver.get("about:blank")
    assert complaints(driver) == []


def test_the_overview_counts_and_says_who_runs_what(driver: webdriver.Chrome, examples: Server) -> None:
    until(examples, call(examples, "demo:fibo/workflow/fiboa", {"n": 10, "iterations": 1}), "finished")
    open_page(driver, examples, "/")
    shows(driver, "started", ".legend")
    wait(driver, lambda: first(driver, ".legend .started").text.split()[0] not in ("0", ""))
    shows(driver, "lease until")
    shows(driver, "Write-ahead log")
    assert complaints(driver) == []


def test_lines_stand_among_the_events(driver: webdriver.Chrome, examples: Server) -> None:
    trip = call(
        examples,
        "demo:trip/workflow/book-trip",
        {"request": {**TRIP, "car": "small", "mishaps": [["car", "sold_out"]]}},
    )
    until(examples, trip, "finished")
    open_page(driver, examples, f"/executions/{trip}/logs")
    shows(driver, "cancelling what was booked", ".lines")  # lines are written a moment later
    said = examples.http.get(f"/v1/executions/{trip}/logs").json()["items"]
    open_page(driver, examples, f"/executions/{trip}/history")
    shows(driver, "Returned", ".history")
    assert said[0]["text"] not in first(driver, ".history").text
    for label in seen(driver, "main label.check"):
        if label.text == "log lines too":
            click_on(driver, label.find_element(By.TAG_NAME, "input"))
    shows(driver, said[0]["text"], ".history")
    rows = [one.text for one in reversed(seen(driver, ".history li"))]
    place = next(n for n, row in enumerate(rows) if said[0]["text"] in row)
    assert 0 < place < len(rows) - 1, "between the first event and the last"
    assert complaints(driver) == []
