"""`obelisk execution logs` against a live gateway."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from command_line import Ran, obelisk
from obelisk.cli.execution import logs
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log.lines import LOG, STDOUT, Line, Said
from obelisk.runtime.store.memory.store import MemoryStore

CART = "demo:shop/cart@1.2.0"


class Shop:
    """A live gateway whose stubs say what the test wants them to."""

    def __init__(self, url: str, store: MemoryStore) -> None:
        self.url, self.store = url, store

    def call(self, *args: str) -> Ran:
        return obelisk("execution", *args, "--url", self.url)

    def started(self, function: str = "never") -> str:
        return self.call("submit", f"{CART}.{function}").out.strip()

    def say(self, execution_id: str, *texts: str, level: int = 2, source: int = LOG, lost: int = 0) -> None:
        lines = [Line(run="Run_1", at_us=1_000_000, source=source, level=level, text=text) for text in texts]
        said = Said(execution_id=execution_id, lines=lines, lost=lost)
        asyncio.run(self.store.add_lines([said], keep_bytes=1 << 20))


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[Shop]:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    gateway_world: Any = importlib.import_module("gateway_world")
    world = gateway_world.world(gateway_world.component(names=("check", "never"), kind=ComponentKind.STUB))
    with gateway_world.served(world.app) as url:
        yield Shop(url, world.store)


def test_what_a_guest_says_does_not_command_the_terminal(shop: Shop) -> None:
    execution_id = shop.started()
    shop.say(execution_id, "\x1b]0;owned\x07\x1b[2J\x9b1m\u202e\rover\n2030-01-01T00:00:00Z  error   forged")
    said = shop.call("logs", execution_id).out.splitlines()
    assert said == [
        "1970-01-01T00:00:01.000000Z  info    \\x1b]0;owned\\x07\\x1b[2J\\x9b1m\\u202e\\x0dover",
        "    2030-01-01T00:00:00Z  error   forged",
    ]
    as_json = shop.call("logs", execution_id, "--json").out
    assert (len(as_json.splitlines()), "\x9b" in as_json, "\u202e" in as_json) == (1, False, False)
    assert msgspec.json.decode(as_json)["text"].startswith("\x1b]0;owned\x07\x1b[2J\x9b1m\u202e\rover\n")


def test_lines_are_printed(shop: Shop) -> None:
    execution_id = shop.started()
    shop.say(execution_id, "hello")
    shop.say(execution_id, "out", source=STDOUT)
    shop.say(execution_id, "bad", level=4)
    ran = shop.call("logs", execution_id)
    assert ran.status == ExitStatus.OK
    at = "1970-01-01T00:00:01.000000Z"
    assert ran.out == f"{at}  info    hello\n{at}  stdout  out\n{at}  error   bad\n"
    assert shop.call("logs", execution_id, "--level", "error").out == f"{at}  error   bad\n"
    assert shop.call("logs", execution_id, "--from", "2").out == f"{at}  error   bad\n"


def test_json_is_a_line_each_and_all_pages_come(shop: Shop) -> None:
    execution_id = shop.started()
    shop.say(execution_id, *(str(number) for number in range(2_500)))
    ran = shop.call("logs", execution_id, "--json")
    found = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [item["text"] for item in found] == [str(number) for number in range(2_500)]
    assert found[7]["number"] == 7


def test_what_was_dropped_is_said(shop: Shop) -> None:
    execution_id = shop.started()
    shop.say(execution_id, "rest", lost=12)
    assert "12 lines were dropped" in shop.call("logs", execution_id).err


def test_who_does_not_exist_is_an_error(shop: Shop) -> None:
    ran = shop.call("logs", "E_none", "--json")
    assert ran.status == ExitStatus.NOT_FOUND
    assert ran.error["code"] == "execution_not_found"


def test_follow_goes_on_to_the_end(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    execution_id = shop.started()
    shop.say(execution_id, "first")

    def later() -> None:
        time.sleep(0.7)
        shop.say(execution_id, "second")
        httpx.put(f"{shop.url}/v1/executions/{execution_id}/stub", json=7)

    monkeypatch.setattr(logs, "_polled", None)  # the server tells; nobody looks
    talking = threading.Thread(target=later)
    talking.start()
    ran = shop.call("logs", execution_id, "--follow")
    talking.join()
    assert [line.split()[-1] for line in ran.out.splitlines()] == ["first", "second"]


def test_a_limit_bounds_what_is_printed(shop: Shop) -> None:
    execution_id = shop.started()
    shop.say(execution_id, *(str(number) for number in range(1_500)))
    assert [line.split()[-1] for line in shop.call("logs", execution_id, "--limit", "3").out.splitlines()] == list(
        "012"
    )
    assert len(shop.call("logs", execution_id, "--limit", "1200", "--from", "10").out.splitlines()) == 1_200
