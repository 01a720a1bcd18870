"""Swagger UI in a real browser: a function is opened, tried out and executed, and its result is seen.

Headless Chromium and its driver are taken from the PATH.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

import needs
from server import Server

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
COMPONENTS = f"""
[component.fibo-activity]
path = "{ROOT}/examples/fibo/activity.wat"
[component.fibo-workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[cache]
path = "{ROOT}/.cache/compiled"
"""
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1200,1600",
)
PATIENCE_S = 60


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    needs.require("chromium")
    browser, program = needs.browser(), shutil.which("chromedriver")
    assert browser is not None
    options = Options()
    options.binary_location = browser
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)  # pyright: ignore[reportUnknownMemberType]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(executable_path=program))
    try:
        yield started
    finally:
        started.quit()


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


def wait(driver: webdriver.Chrome, for_: Callable[[], T | None]) -> T:
    """The first result that is not empty."""
    found = WebDriverWait(driver, PATIENCE_S, 0.1).until(lambda _: for_())
    assert found
    return found


def seen(driver: webdriver.Chrome, selector: str) -> list[WebElement]:
    return driver.find_elements(By.CSS_SELECTOR, selector)


def first(driver: webdriver.Chrome, selector: str) -> WebElement:
    return wait(driver, lambda: next((e for e in seen(driver, selector) if e.is_displayed()), None))


def click(driver: webdriver.Chrome, selector: str) -> None:
    element = first(driver, selector)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)  # pyright: ignore[reportUnknownMemberType]
    element.click()


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the browser's console holds against the page."""
    read = cast("Callable[[str], list[dict[str, Any]]]", driver.get_log)  # pyright: ignore[reportUnknownMemberType]
    entries = read("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def try_out(driver: webdriver.Chrome, body: str) -> tuple[str, str]:
    """Open the workflow fiboa, execute it with a body; status and text of the answer."""
    block = ".opblock[id$='.fiboa']"  # Swagger UI puts backslashes before every dot and colon
    click(driver, f"{block} .opblock-summary-control")
    click(driver, f"{block} .try-out__btn")
    text = first(driver, f"{block} textarea.body-param__text")
    driver.execute_script(  # pyright: ignore[reportUnknownMemberType]
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
