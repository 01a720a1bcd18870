"""Generated clients: real signatures, checks before anything is sent, options of a call, results for stubs."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from obelisk.client import AsyncClient, Client, Conflict, InvalidParams, Unreachable
from obelisk.runtime.values import Err, Ok

TREE = Path(__file__).parents[3] / "golden/shop/tree"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [str(TREE), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "docs_shop"]:
        del sys.modules[name]


@pytest.fixture
def shop() -> Any:
    return importlib.import_module("docs_shop.client")


@pytest.fixture
def types() -> Any:
    return importlib.import_module("docs_shop.types.orders")


class Wire:
    """Keeps what is sent; answers that calls go on, and as told to everything else."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.sent: list[httpx.Request] = []
        self._answers = list(answers)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if self._answers:
            return self._answers.pop(0)
        return httpx.Response(202, json={}, headers={"Obelisk-Execution-Id": "E_1"})

    def client(self) -> Client:
        return Client(http=httpx.Client(transport=httpx.MockTransport(self.answer)))

    def asynchronous(self) -> AsyncClient:
        return AsyncClient(http=httpx.AsyncClient(transport=httpx.MockTransport(self.answer)))


def test_functions_have_their_parameters(shop: Any) -> None:
    for client in (shop.OrdersClient(Wire().client()), shop.OrdersClientAsync(Wire().asynchronous())):
        for call, result in (
            (client.place, "Ok[int] | Err[Refusal]"),
            (client.place.submit, "Handle[Ok[int] | Err[Refusal]]"),
        ):
            signature = inspect.signature(call)
            assert {name: parameter.annotation for name, parameter in signature.parameters.items()} == {
                "items": "list[Item]",
                "speed": "Speed",
                "extras": "Extras",
            }
            assert signature.return_annotation.removeprefix("Async") == result
            assert "Places an order and gives its number." in (inspect.getdoc(call) or "")


def test_what_does_not_typecheck_is_not_sent(shop: Any, types: Any) -> None:
    wire = Wire()
    place = shop.OrdersClient(wire.client()).place
    item = types.Item(name="tea", count=1)
    wrong: list[tuple[tuple[Any, Any, Any], list[str]]] = [
        (([item, types.Item(name="tea", count=-1)], types.Speed.EXPRESS, types.Extras(0)), ["/items/1/count"]),
        (([item], None, types.Extras(0)), ["/speed"]),
        (([item], types.Speed.EXPRESS, "insured"), ["/extras"]),
        (([{"name": "tea"}, None], types.Speed.EXPRESS, types.Extras(0)), ["/items/0/count", "/items/1"]),
    ]
    for arguments, pointers in wrong:
        for call in (place, place.submit):
            with pytest.raises(InvalidParams) as refused:
                call(*arguments)
            assert [problem.pointer for problem in refused.value.problems] == pointers
            assert pointers[0] in str(refused.value)
            assert refused.value.status == 0
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        place([item])

    async def call_late() -> None:
        with pytest.raises(InvalidParams):
            await shop.OrdersClientAsync(wire.asynchronous()).place([item], None, None)

    asyncio.run(call_late())
    assert wire.sent == []


def test_options_add_up(shop: Any, types: Any) -> None:
    wire = Wire()
    place = shop.OrdersClient(wire.client()).place
    ours = place.options(idempotency_key="k", tags={"a": "b"}).options(wait=3)
    assert type(ours) is type(place)
    assert ours.submit([], types.Speed.EXPRESS, types.Extras(0)).execution_id == "E_1"
    assert wire.sent[0].headers["idempotency-key"] == "k"
    assert wire.sent[0].headers["obelisk-tags"] == "a=b"
    waiting = Wire(httpx.Response(200, json=7))
    assert shop.OrdersClient(waiting.client()).place.options(wait=3)([], types.Speed.EXPRESS, types.Extras(0)) == Ok(7)
    assert waiting.sent[0].headers["prefer"] == "wait=3"
    place.submit([], types.Speed.EXPRESS, types.Extras(0))
    assert wire.sent[1].headers["idempotency-key"] != "k"


def test_retries_are_those_of_the_call(shop: Any, types: Any) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("refused")

    place = shop.OrdersClient(Client(http=httpx.Client(transport=httpx.MockTransport(refuse)))).place
    with pytest.raises(Unreachable):
        place.options(retries=1).submit([], types.Speed.EXPRESS, types.Extras(0))
    assert len(asked) == 2
    assert len({request.headers["idempotency-key"] for request in asked}) == 1


def done() -> httpx.Response:
    return httpx.Response(200, json={"effect": "done"})


def test_a_stub_is_given_a_typed_result(shop: Any, types: Any) -> None:
    problem = {"type": "t", "code": "result_conflict", "detail": "it has another result"}
    conflict = httpx.Response(409, json=problem, headers={"Content-Type": "application/problem+json"})
    wire = Wire(done(), conflict)
    handle = shop.OrdersClient(wire.client()).place.handle("E_1")
    assert handle.give(Err(types.Refusal_OutOfStock(["tea"]))) == "done"
    assert (wire.sent[0].method, wire.sent[0].url.path) == ("PUT", "/v1/executions/E_1/stub")
    assert json.loads(wire.sent[0].content) == {"err": {"out_of_stock": ["tea"]}}
    with pytest.raises(Conflict):
        handle.give(Ok(3))
    for wrong, pointer in ((Ok(-1), "/ok"), (Err(types.Speed.EXPRESS), "/err"), (None, "")):
        with pytest.raises(InvalidParams) as refused:
            handle.give(wrong)
        assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert len(wire.sent) == 2

    async def give_late() -> str:
        return str(await shop.OrdersClientAsync(Wire(done()).asynchronous()).place.handle("E_1").give(Ok(3)))

    assert asyncio.run(give_late()) == "done"
