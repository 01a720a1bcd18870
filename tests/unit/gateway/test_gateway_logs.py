"""``GET /v1/executions/{id}/logs``: slices, levels, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from gateway_world import Http, World, world
from obelisk.runtime.log.events import Finished, Returned
from obelisk.runtime.log.lines import LOG, STDERR, Line, Said
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def talked(http: Http, shop: World, *, lines: int = 0, lost: int = 0) -> str:
    """An execution that said so many lines, of all levels in turn, the odd ones on stderr."""
    answer = http.post(f"{SHOP}/never", {}, headers=[("Prefer", "respond-async")])
    execution_id = str(answer.headers["obelisk-execution-id"])
    said = [
        Line(run="Run_1", at_us=number, source=STDERR if number % 2 else LOG, level=number % 5, text=f"line {number}")
        for number in range(lines)
    ]
    http.run(shop.store.add_lines([Said(execution_id=execution_id, lines=said, lost=lost)], keep_bytes=1 << 20))
    return execution_id


def test_lines_are_shown(http: Http, shop: World) -> None:
    execution_id = talked(http, shop, lines=2, lost=3)
    shown = http.get(f"/v1/executions/{execution_id}/logs").json()
    assert shown == {
        "items": [
            {
                "number": 0,
                "at": "1970-01-01T00:00:00.000000Z",
                "run": "Run_1",
                "source": "log",
                "level": "trace",
                "text": "line 0",
            },
            {
                "number": 1,
                "at": "1970-01-01T00:00:00.000001Z",
                "run": "Run_1",
                "source": "stderr",
                "level": "debug",
                "text": "line 1",
            },
        ],
        "next": None,
        "dropped": 3,
    }


def test_slices_follow_one_another(http: Http, shop: World) -> None:
    path = f"/v1/executions/{talked(http, shop, lines=10)}/logs"
    numbers: list[int] = []
    following: int | None = 0
    while following is not None:
        query: dict[str, str | int] = {"from": following, "limit": 2, "level": "warn"}
        page = http.get(path, **query).json()
        assert len(page["items"]) <= 2
        numbers += [item["number"] for item in page["items"]]
        following = page["next"]
    assert numbers == [3, 4, 8, 9]


def test_who_said_nothing_has_an_empty_page(http: Http, shop: World) -> None:
    shown = http.get(f"/v1/executions/{talked(http, shop)}/logs").json()
    assert shown == {"items": [], "next": None, "dropped": 0}


def test_what_is_refused(http: Http, shop: World) -> None:
    problem(http.get("/v1/executions/E_none/logs"), 404, "execution_not_found")
    path = f"/v1/executions/{talked(http, shop)}/logs"
    refused: tuple[dict[str, str | int], ...] = ({"level": "loud"}, {"limit": 0}, {"from": -1}, {"run": "x"})
    for query in refused:
        problem(http.get(path, **query), 400, "parameter_invalid")


def test_lines_are_followed_by_level_and_resumed(http: Http, shop: World) -> None:
    execution_id = talked(http, shop, lines=250)
    http.run(
        shop.append(
            execution_id,
            Finished(
                outcome=Returned(value=msgspec.Raw(b"1")),
            ),
        )
    )
    path = f"/v1/executions/{execution_id}/logs/follow"
    answer = http.get(path, level="error")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in answer.text.split("\n\n") if block]
    assert blocks.pop() == {"event": "end", "data": "{}"}
    assert [int(block["id"]) for block in blocks] == list(range(4, 250, 5))
    assert msgspec.json.decode(blocks[1]["data"])["text"] == "line 9"
    rest = http.request("GET", f"{path}?level=error", headers=[("Last-Event-ID", "239")]).text
    assert [line for line in rest.split("\n") if line.startswith("id")] == ["id: 244", "id: 249"]
    assert http.request("GET", path, headers=[("Last-Event-ID", "249")]).status_code == 204
    problem(http.get("/v1/executions/E_none/logs/follow"), 404, "execution_not_found")
