"""Bodies that are made to be refused at length: the answer stays small, and the memory it takes that of a good body."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import httpx
import pytest

from gateway_world import Http, world
from obelisk.codegen.model.checks import MAX_SHOWN

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
SIZE = 80_000
ANSWER_BYTES = 64_000
"""What `docs/security.md` states."""


def repeated(piece: str, begin: str, end: str) -> str:
    return begin + ",".join([piece] * ((SIZE - len(begin) - len(end)) // (len(piece) + 1))) + end


def many(make: Callable[[int], str]) -> str:
    made = [make(number) for number in range(SIZE // (len(make(0)) + 5))]
    return "{" + ",".join(made) + "}"


ITEM = '{"item":{"item_name":"a","price":1,"size":"small","extras":[],"note":null,"place":["a",true],"tags":'
HOSTILE = {
    "literals": repeated("NaN", "[", "]"),
    "literals below a long name": repeated("NaN", '{"' + "n" * (SIZE // 2) + '":[', "]}"),
    "literals below long names": repeated("NaN", ('{"' + "n" * 300 + '":') * 120 + "[", "]" + "}" * 120),
    "surrogates": repeated('"\\ud800"', "[", "]"),
    "names with surrogates": many(lambda number: f'"\\ud800{number}":0'),
    "a name twice": many(lambda number: f'"{number % 1000:04}":0'),
    "long names twice": many(lambda number: f'"{"n" * 3000}{number // 2}":0'),
    "objects with names twice": repeated('{"":0,"":0}', "[", "]"),
    "unknown parameters": many(lambda number: f'"a{number}":0'),
    "long unknown parameters": many(lambda number: f'"{"é" * 2000}{number}":0'),
    "wrong values": repeated('"x"', ITEM + '{"t":[', "]}}}"),
    "wrong values below a long key": repeated('"x"', ITEM + '{"' + "k" * (SIZE // 2) + '":[', "]}}}"),
    "control characters": '{"' + "\\u0001" * (SIZE // 6) + '":0}',
    "wrong text": '{"item":"' + "x" * SIZE + '"}',
    "numbers": repeated("1e999", "[", "]"),
}
GOOD = repeated("1", ITEM + '{"t":[', "]}}}")


def ask(http: Http, body: str) -> tuple[httpx.Response, int]:
    """The answer, and the most memory there was meanwhile, in bytes."""
    tracemalloc.start()
    try:
        answer = http.post(f"{SHOP}/reserve", content=body.encode(), headers=[("Content-Type", "application/json")])
        return answer, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_refusal_is_small(name: str) -> None:
    with world().client() as http:
        good, good_bytes = ask(http, GOOD)
        assert good.status_code == 200
        answer, peak_bytes = ask(http, HOSTILE[name])
    assert answer.status_code == 400
    assert len(answer.content) <= ANSWER_BYTES
    assert peak_bytes <= 8 * good_bytes
    errors = json.loads(answer.content)["errors"]
    assert 1 <= len(errors) <= MAX_SHOWN + 1
    assert len(errors) <= MAX_SHOWN or errors[-1]["detail"].endswith("more problems")
