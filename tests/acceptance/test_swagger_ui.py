"""Swagger UI in a real browser: a function is opened, tried out and executed, and its result is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from browser import chromium, click, complaints, first, run, seen, wait
from server import Server

ROOT = Path(__file__).parents[2]
COMPONENTS = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[cache]
path = "{ROOT}/.cache/compiled"
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


def serve(folder: Path, settings: str = "") -> Iterator[Server]:
    server = Server(folder, settings + COMPONENTS)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path)


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    yield from serve(tmp_path, 'auth = "required"\n')


def try_out(driver: webdriver.Chrome, body: str) -> tuple[str, str]:
    """Open the workflow fiboa, execute it with a body; status and text of the answer."""
    block = ".opblock[id$='.fiboa']"  # Swagger UI puts backslashes before every dot and colon
    click(driver, f"{block} .opblock-summary-control")
    click(driver, f"{block} .try-out__btn")
    text = first(driver, f"{block} textarea.body-param__text")
    run(
        driver,
        "Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(arguments[0], arguments[1]);"
        "arguments[0].dispatchEvent(new Event('input', { bubbles: true }));",
        text,
        body,
    )
    click(driver, f"{block} .execute-wrapper .execute")
    status = first(driver, f"{block} .live-responses-table tr.response .response-col_status").text
    shown = first(driver, f"{block} .live-responses-table .highlight-code code").text
    return status.split()[0], shown


def test_a_function_is_tried_out_and_its_result_is_seen(
    driver: webdriver.Chrome, server: Server, tmp_path: Path
) -> None:
    driver.get(f"http://127.0.0.1:{server.port}/docs")
    assert try_out(driver, '{"n": 10, "iterations": 7}') == ("200", "55")
    driver.save_screenshot(str(tmp_path / "result.png"))  # pyright: ignore[reportUnknownMemberType]
    assert complaints(driver) == []
    (execution,) = server.http.get("/v1/executions", params={"top_level": "true"}).json()["items"]
    assert (execution["ffqn"], execution["result_kind"]) == ("demo:fibo/workflow.fiboa", "ok")
    assert not driver.find_element(By.ID, "token-form").is_displayed()


def test_what_does_not_typecheck_is_shown_with_its_place(driver: webdriver.Chrome, server: Server) -> None:
    driver.get(f"http://127.0.0.1:{server.port}/docs")
    status, shown = try_out(driver, '{"n": "ten", "iterations": 7}')
    assert status == "400"
    assert '"pointer": "/n"' in shown


def test_a_server_with_tokens_asks_for_one_and_the_page_uses_it(driver: webdriver.Chrome, guarded: Server) -> None:
    secret = next(line.split()[1] for line in guarded.log().splitlines() if line.startswith("  token "))
    driver.get(f"http://127.0.0.1:{guarded.port}/docs")
    field = first(driver, "#token")
    assert seen(driver, ".opblock") == []
    field.send_keys("obk_wrong")
    click(driver, "#token-use")
    wait(driver, lambda: "unknown" in driver.find_element(By.ID, "token-said").text)
    field.clear()
    field.send_keys(secret)
    click(driver, "#token-use")
    assert try_out(driver, '{"n": 10, "iterations": 7}') == ("200", "55")
    assert secret not in driver.current_url
