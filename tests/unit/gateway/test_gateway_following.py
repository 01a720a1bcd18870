"""Logs as server-sent events: whole, resumed without loss, ended when nothing can follow, bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from gateway_world import Http, World, served, world
from obelisk.gateway.routes import event_stream
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime import ids
from obelisk.runtime.log.events import ChildFinished, Finished, JoinSetCreate, Returned
from obelisk.runtime.ports import slices
from obelisk.runtime.ports.store import Respond
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
ASYNC = [("Prefer", "respond-async")]
OK = Returned(value=msgspec.Raw(b"55"))


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def submit(http: Http, function: str, params: object) -> str:
    return str(http.post(f"{SHOP}/{function}", params, headers=ASYNC).headers["obelisk-execution-id"])


def frames(text: str) -> list[dict[str, str]]:
    """The events of a stream, comments left out."""
    found: list[dict[str, str]] = []
    for block in text.split("\n\n"):
        if block and not block.startswith(":"):
            found.append({line.partition(": ")[0]: line.partition(": ")[2] for line in block.split("\n")})
    return found


def test_a_finished_log_is_given_whole_and_ended(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    answer = http.get(f"/v1/executions/{execution_id}/events/follow")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert "content-length" not in answer.headers
    *entries, end = frames(answer.text)
    assert end == {"event": "end", "data": "{}"}
    page = http.get(f"/v1/executions/{execution_id}/events").json()["items"]
    assert [json.loads(entry["data"]) for entry in entries] == page
    assert [entry["id"] for entry in entries] == ["0", "1", "2"]


def test_a_log_is_followed_as_it_grows(shop: World, http: Http) -> None:
    execution_id = submit(http, "never", [])

    async def grow() -> None:
        for number in range(250):
            await shop.append(execution_id, JoinSetCreate(join_set=f"g:{number}"))
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        await shop.append(execution_id, Finished(outcome=OK))

    async def both() -> str:
        transport = httpx.ASGITransport(app=shop.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as client:
            growing = asyncio.ensure_future(grow())
            answer = await client.get(f"/v1/executions/{execution_id}/events/follow")
            await growing
            return answer.text

    *entries, end = frames(http.run(both()))
    assert [int(entry["id"]) for entry in entries] == list(range(253))
    assert end["event"] == "end"


def test_a_stream_is_resumed_without_loss_or_repetition(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    path = f"/v1/executions/{execution_id}/events/follow"
    assert [f["id"] for f in frames(http.request("GET", path, headers=[("Last-Event-ID", "0")]).text)[:-1]] == [
        "1",
        "2",
    ]
    assert [f["id"] for f in frames(http.get(path, **{"from": 2}).text)[:-1]] == ["2"]
    wins = http.request("GET", f"{path}?from=0", headers=[("Last-Event-ID", "1")])
    assert [f["id"] for f in frames(wins.text)[:-1]] == ["2"]
    over = http.request("GET", path, headers=[("Last-Event-ID", "2")])
    assert (over.status_code, over.content) == (204, b"")
    for wrong in ("x", "-1", "1.0", "", "²"):
        problem(http.request("GET", path, headers=[("Last-Event-ID", wrong)]), 400, "parameter_invalid")


def test_responses_are_followed_until_the_execution_has_finished(shop: World, http: Http) -> None:
    execution_id = submit(http, "never", [])
    child = ids.child(execution_id, "g:1", 1)
    path = f"/v1/executions/{execution_id}/responses/follow"

    async def both() -> str:
        transport = httpx.ASGITransport(app=shop.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as client:
            answer = asyncio.ensure_future(client.get(path))
            await asyncio.sleep(0.05)
            response = ChildFinished(join_set="g:1", child=child, outcome=OK)
            await shop.write(Respond(execution_id=execution_id, response=response, at_us=1))
            await shop.append(execution_id, Finished(outcome=OK))
            return (await answer).text

    entry, end = frames(http.run(both()))
    assert json.loads(entry["data"])["response"]["child"] == child
    assert (entry["id"], end["event"]) == ("0", "end")
    assert http.request("GET", path, headers=[("Last-Event-ID", "0")]).status_code == 204


def test_large_entries_come_in_short_slices_and_all_of_them(
    shop: World, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution_id = submit(http, "never", [])

    async def grow() -> None:
        for number in range(5):
            await shop.append(execution_id, JoinSetCreate(join_set=f"g:{number}"))
            response = ChildFinished(join_set="g:1", child=ids.child(execution_id, "g:1", number + 1), outcome=OK)
            await shop.write(Respond(execution_id=execution_id, response=response, at_us=1))
        await shop.append(execution_id, Finished(outcome=OK))

    http.run(grow())
    monkeypatch.setattr(slices, "SLICE_BYTES", 1)
    for what, count in (("events", 8), ("responses", 5)):
        path, items = f"/v1/executions/{execution_id}/{what}", list[Any]()
        following: int | None = 0
        while following is not None:
            page = http.get(path, **{"from": following, "limit": 1000}).json()
            assert len(page["items"]) == 1
            items += page["items"]
            following = page["next"]
        assert len(items) == count
        *entries, end = frames(http.get(f"{path}/follow").text)
        assert end["event"] == "end"
        assert [json.loads(entry["data"]) for entry in entries] == items


def test_there_is_nothing_to_follow_of_what_does_not_exist(http: Http) -> None:
    for what in ("events", "responses"):
        problem(http.get(f"/v1/executions/E_1/{what}/follow"), 404, "execution_not_found")


def test_a_stream_lasts_as_long_as_the_settings_say() -> None:
    short = world(settings=GatewaySettings(max_follow_s=0.05))
    with short.client() as http:
        execution_id = submit(http, "never", [])
        answer = http.get(f"/v1/executions/{execution_id}/events/follow")
        assert [frame["id"] for frame in frames(answer.text)] == ["0", "1"]


def test_a_stream_that_has_nothing_to_say_sends_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.02)
    short = world(settings=GatewaySettings(max_follow_s=1.0))
    with short.client() as http:
        execution_id = submit(http, "never", [])
        text = http.get(f"/v1/executions/{execution_id}/events/follow").text
    assert text.count("\n\n:\n\n") + text.count(":\n\n:") >= 1


def test_a_log_that_is_deleted_ends_its_stream_with_a_problem(shop: World, http: Http) -> None:
    execution_id = submit(http, "never", [])

    async def both() -> str:
        transport = httpx.ASGITransport(app=shop.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as client:
            answer = asyncio.ensure_future(client.get(f"/v1/executions/{execution_id}/events/follow"))
            await asyncio.sleep(0.05)
            del shop.store.database.executions[execution_id]
            return (await answer).text

    last = frames(http.run(both()))[-1]
    assert last["event"] == "problem"
    assert json.loads(last["data"])["code"] == "execution_not_found"


def test_a_stopping_server_ends_its_streams_and_a_client_that_leaves_ends_its_own(shop: World) -> None:
    with served(shop.app) as url, httpx.Client(base_url=url) as client:
        submitted = client.post(f"{SHOP}/never", json=[], headers={"Prefer": "respond-async"})
        path = submitted.headers["location"] + "/events/follow"
        with client.stream("GET", path) as left:
            assert next(left.iter_lines()) == "id: 0"
        with client.stream("GET", path) as stopped:
            lines = stopped.iter_lines()
            assert next(lines) == "id: 0"
            shop.app.state.gateway.stopping.set()
            assert "event: end" not in list(lines)


def test_a_client_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch, shop: World, http: Http) -> None:
    monkeypatch.setattr(event_stream, "STALLED_S", 0.05)
    execution_id = submit(http, "never", [])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("never")

    async def take(message: Any) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def open_stream() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/v1/executions/{execution_id}/events/follow",
            "query_string": b"",
            "headers": [(b"host", b"obelisk")],
        }
        await asyncio.wait_for(shop.app(scope, receive, take), 120)

    http.run(open_stream())
    assert sent == ["http.response.start", "http.response.body"]
