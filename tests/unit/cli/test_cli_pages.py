"""Long lists are fetched and printed page by page: what is held is one page."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Generator
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from command_line import Ran, obelisk, on_terminal
from obelisk.cli.connection.client import Answer, Client
from obelisk.cli.execution import slices, views
from obelisk.cli.exit_status import ExitStatus
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Create

CART = "demo:shop/cart@1.2.0"
CALLS = 7


@pytest.fixture(scope="module")
def world() -> Any:
    return importlib.import_module("gateway_world").world()


@pytest.fixture(scope="module")
def shop(world: Any) -> Generator[str]:
    with importlib.import_module("gateway_world").served(world.app) as url:
        yield url


class Watched:
    """A command line whose requests are counted, with how many lines had been printed before each."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url = url
        self.printed: list[int] = []
        right = Client.get

        def get(client: Client, path: str, query: Any = None, **options: Any) -> Answer:
            if isinstance(sys.stdout, StringIO):
                self.printed.append(sys.stdout.getvalue().count("\n"))
            return right(client, path, query, **options)

        monkeypatch.setattr(Client, "get", get)

    def call(self, *args: str) -> Ran:
        self.printed.clear()
        return obelisk("execution", *args, "--url", self._url)


@pytest.fixture
def watched(shop: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    monkeypatch.delenv("OBELISK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(views, "PAGE", 2)
    monkeypatch.setattr(slices, "SLICE", 1)
    return Watched(shop, monkeypatch)


def test_a_list_is_printed_as_its_pages_come(watched: Watched) -> None:
    ids = [watched.call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"] for _ in range(CALLS)]
    ran = watched.call("list", "--limit", "5")
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["execution_id", *reversed(ids[2:])]
    assert watched.printed == [0, 3, 5]
    cursor = ran.err.split()[-1]
    rest = watched.call("list", "--limit", "100", "--cursor", cursor, "--json")
    assert [item["execution_id"] for item in rest.json["items"]] == ids[1::-1]
    assert rest.json["next_cursor"] is None
    assert watched.call("list", "--status", "paused", "--json").json == {"items": [], "next_cursor": None}


def test_logs_of_events_are_printed_as_they_come(watched: Watched, shop: str) -> None:
    execution_id = watched.call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    ran = watched.call("events", execution_id)
    assert [line.split("\t")[0] for line in ran.out.splitlines()] == ["version", "0", "1", "2"]
    assert watched.printed == [0, 2, 3]
    assert len(watched.call("events", execution_id, "--limit", "2").out.splitlines()) == 3
    assert watched.printed == [0, 2]
    assert [e["version"] for e in watched.call("events", execution_id, "--limit", "2", "--json").json] == [0, 1]
    assert watched.call("responses", execution_id, "--json").json == []
    assert watched.call("responses", execution_id).out.split("\t")[0] == "number"
    assert on_terminal("execution", "events", execution_id, "--url", shop).count("details") == 1


def test_a_limit_and_following_exclude_each_other(watched: Watched) -> None:
    ran = watched.call("logs", "E_1", "--limit", "2", "--follow")
    assert (ran.status, "exclude each other" in ran.err) == (ExitStatus.CONFIG, True)


def test_parents_are_listed_and_children_on_demand(watched: Watched, world: Any) -> None:
    parent = watched.call("run", f"{CART}.add", "[1, 2]", "--json").json["execution_id"]
    child, function = f"{parent}.o:1_1", f"{CART}.ping"
    created = Created(ffqn=function, params=msgspec.Raw(b"[]"), scheduled_at_us=1, parent=parent)
    create = Create(execution_id=child, created=created, locked=None, state=fold.start(created, None), at_us=1)

    async def record() -> None:
        await commit(world.store, (create,))

    asyncio.run(record())

    def first(*args: str) -> str:
        return str(watched.call("list", "--limit", "1", *args, "--json").json["items"][0]["execution_id"])

    assert first() == parent
    assert first("--children") == first("--function", function) == first("--parent", parent) == child
