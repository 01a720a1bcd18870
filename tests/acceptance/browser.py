"""Headless Chromium, taken with its driver from the PATH: what tests of pages do with it."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

import needs

T = TypeVar("T")
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


@contextmanager
def chromium(profile: Path) -> Generator[webdriver.Chrome]:
    """A browser with a profile of its own."""
    needs.require("chromium")
    browser, program = needs.browser(), shutil.which("chromedriver")
    assert browser is not None
    options = Options()
    options.binary_location = browser
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)  # pyright: ignore[reportUnknownMemberType]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(executable_path=program))
    try:
        yield started
    finally:
        started.quit()


def wait(driver: webdriver.Chrome, for_: Callable[[], T | None]) -> T:
    """The first result that is not empty."""
    found = WebDriverWait(driver, PATIENCE_S, 0.1).until(lambda _: for_())
    assert found
    return found


def seen(driver: webdriver.Chrome, selector: str) -> list[WebElement]:
    """The elements that a CSS selector finds now."""
    return driver.find_elements(By.CSS_SELECTOR, selector)


def first(driver: webdriver.Chrome, selector: str) -> WebElement:
    """The first element that can be seen, once there is one."""
    return wait(driver, lambda: next((e for e in seen(driver, selector) if e.is_displayed()), None))


def run(driver: webdriver.Chrome, script: str, *arguments: object) -> Any:
    """Run a script in the page; what it returns, a promise's value once it is there."""
    execute = cast("Callable[..., Any]", driver.execute_script)  # pyright: ignore[reportUnknownMemberType]
    return execute(script, *arguments)


def click(driver: webdriver.Chrome, selector: str) -> None:
    """Click on the first element that can be seen."""
    click_on(driver, first(driver, selector))


def click_on(driver: webdriver.Chrome, element: WebElement) -> None:
    """Click on an element, wherever it is on the page."""
    run(driver, "arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def complaints(driver: webdriver.Chrome) -> list[str]:
    """What the browser's console holds against the page."""
    read = cast("Callable[[str], list[dict[str, Any]]]", driver.get_log)  # pyright: ignore[reportUnknownMemberType]
    entries = read("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def show_as(driver: webdriver.Chrome, *, width: int, height: int = 1000, dark: bool = False) -> None:
    """Let pages be shown in a window of that size, in light or dark colours."""
    command = cast("Callable[[str, dict[str, Any]], Any]", driver.execute_cdp_cmd)  # pyright: ignore[reportUnknownMemberType]
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    command("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    command("Emulation.setEmulatedMedia", {"features": [scheme]})


def picture(driver: webdriver.Chrome, file: Path) -> None:
    """What can be seen, as a PNG file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(driver.get_screenshot_as_base64()))
