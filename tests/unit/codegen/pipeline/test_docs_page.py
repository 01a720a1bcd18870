"""``docs/wit-to-python.md`` shows what is really generated: its excerpts are in the golden tree, its programs run."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fake_server import FakeServer

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/wit-to-python.md").read_text()
EXCERPTS: list[tuple[str, str]] = re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)\n```\n", PAGE, re.DOTALL)
PROGRAMS: dict[str, str] = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)\n```\n", PAGE, re.DOTALL))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tests/golden/shop/tree"), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "docs_shop"]:
        del sys.modules[name]


def test_every_excerpt_is_in_its_file() -> None:
    assert len(EXCERPTS) == 9
    for path, text in EXCERPTS:
        assert text in (ROOT / path).read_text(), f"{path} does not contain:\n{text}"


def run(program: str, **names: Any) -> tuple[str, dict[str, Any]]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, "docs/wit-to-python.md", "exec"), names)
    return said.getvalue(), names


def test_the_client_program_runs() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.headers.get("prefer") == "respond-async":
            return httpx.Response(202, json={}, headers={"Obelisk-Execution-Id": "E_1"})
        if request.method == "GET":
            problem = {"code": "returned_err", "detail": "no", "error": {"out_of_stock": ["tea"]}}
            return httpx.Response(422, json=problem, headers={"Content-Type": "application/problem+json"})
        return httpx.Response(200, json=7)

    said, _ = run(PROGRAMS["client"], http=httpx.Client(transport=httpx.MockTransport(answer)))
    assert said == "order 7\nE_1 Err(value=Refusal_OutOfStock(value=['tea']))\n"
    item = {"name": "tea", "count": 2, "note": None}
    assert json.loads(asked[0].content) == {"items": [item], "speed": "express", "extras": ["gift_wrap", "insured"]}
    assert asked[1].headers["idempotency-key"] == "order-7"


def test_the_json_program_runs() -> None:
    said, _ = run(PROGRAMS["json"], __name__="page")
    assert said.splitlines() == [
        "{'name': 'tea', 'count': 2, 'note': None}",
        "Item(name='tea', count=2, note=None)",
        "/count u32 found -1, out of range 0 to 4294967295",
        "items=[Item(name='tea', count=2, note=None)] refusal=Refusal_Closed()",
    ]


def test_the_instance_program_runs() -> None:
    """The component is Python's own implementation, called as a component would be."""
    _, names = run(PROGRAMS["bindings"])

    class Fake:
        def instance(self) -> contextlib.nullcontext[Any]:
            return contextlib.nullcontext(self)

        def call(self, interface: str, function: str, params: list[Any], /) -> Any:
            return names["served"][interface, function](params)

    said, _ = run(PROGRAMS["instance"], component=Fake(), handles=names["handles"])
    assert said == "3\nthe component has dropped its basket\n"


def test_the_worker_program_runs() -> None:
    async def world() -> list[Any]:
        server = FakeServer()
        item = {"name": "tea", "count": 2, "note": None}
        calls = [
            server.call(
                "docs:shop/orders@1.0.0.place", {"items": [{**item, "count": n}], "speed": "express", "extras": []}
            )
            for n in (2, 11)
        ]
        async with server.client() as http:
            _, names = run(PROGRAMS["worker"], http=http)
            serving = asyncio.create_task(names["worker"].serve())
            for call in calls:
                await call.ended.wait()
            names["worker"].stop()
            await serving
        return [call.outcome for call in calls]

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert asyncio.run(world()) == [{"ok": 7}, {"err": {"out_of_stock": ["tea"]}}]
    assert said.getvalue() == "E_1, attempt 1\n"


def test_the_program_of_the_page_on_workers_runs() -> None:
    page = (ROOT / "docs/python-workers.md").read_text()
    (program,) = re.findall(r"<!-- run: worker -->\n```python\n(.*?)\n```\n", page, re.DOTALL)

    async def world() -> FakeServer:
        server = FakeServer()
        orders: list[list[tuple[str, int]]] = [[("tea", 2)], [("tea", 11)], [], [("busy", 1)]]
        for order in orders:
            items = [{"name": name, "count": count, "note": None} for name, count in order]
            params = {"items": items, "speed": "express", "extras": []}
            server.call("docs:shop/orders@1.0.0.place", params)
        async with server.client() as http:
            _, names = run(program, http=http)
            serving = asyncio.create_task(names["worker"].serve())
            for call in server.calls.values():
                await call.ended.wait()
            names["worker"].stop()
            await serving
        return server

    server = asyncio.run(world())
    good, refused, empty, busy = server.calls.values()
    assert (good.outcome, busy.outcome) == ({"ok": 7}, {"ok": 7})
    assert refused.outcome == {"err": {"out_of_stock": ["tea"]}}
    assert (empty.failures[0]["message"], empty.failures[0]["retryable"]) == ("an order of nothing", False)
    assert busy.failures[0]["retry_after_ms"] == 100
    assert "1 items, attempt 2" in [line["message"] for line in server.lines]


def test_the_bindings_program_runs() -> None:
    _, names = run(PROGRAMS["bindings"])
    orders = "docs:shop/orders@1.0.0"
    number = names["served"][orders, "[constructor]basket"](["Ada"])
    item = {"name": "tea", "count": 2, "note": None}
    assert names["served"][orders, "[method]basket.add"]([number, item]) == 2
    assert names["served"][orders, "place"]([[item], "express", []]) == {"err": "closed"}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        names["handles"].drop(number)
    assert said.getvalue() == "the component has dropped its basket\n"
    assert names["handles"].held == 0
