"""Finished executions are shown as they were recorded, whatever is deployed by now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from gateway_world import ITEM as ITEM_TYPE
from gateway_world import SHOP, Http, World, component, returned, world
from obelisk.codegen.model.items import Function, Interface, Param
from obelisk.codegen.model.types import Field, OptionType, Primitive, RecordType, ResultType, Type, TypeDef
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.catalog.description import Description
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.catalog.settings import ComponentKind, ComponentSettings
from obelisk.runtime.log.events import Finished
from obelisk.runtime.usecases.api import Submission
from problems import problem

CART = "/v1/functions/demo:shop/cart@1.2.0"
ITEM: dict[str, Any] = {"item_name": "few", "price": 1, "size": "small", "extras": [], "tags": {}, "place": ["x", True]}
CALLS: Sequence[tuple[str, object]] = (
    ("add", {"a": 1, "the_other": 2}),
    ("reserve", {"item": ITEM}),
    ("reserve", {"item": {**ITEM, "item_name": "gone"}}),
    ("reserve", {"item": {**ITEM, "item_name": "vase"}}),
    ("ping", {}),
    ("check", {"good": True}),
    ("check", {"good": False}),
    ("maybe", {"text": "x"}),
    ("maybe", {}),
    ("nothing-or-text", {}),
    ("blob", {"data": "AAE="}),
    ("trap", {}),
)
assert isinstance(ITEM_TYPE.body, RecordType)
ITEM_FIELDS = ITEM_TYPE.body.fields
RESULTS: Sequence[Type | None] = (None, Primitive.STRING, ResultType(Primitive.U64, Primitive.STRING))


@pytest.fixture
def shop() -> World:
    return world(settings=GatewaySettings(default_wait_s=5, max_wait_s=10))


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def retyped(result: Type | None, *params: Param) -> Registry:
    """All functions of the shop under their names, with this result and these parameters."""
    names = [f.name for i in component().description.exports for f in i.functions]
    functions = tuple(Function(name=name, params=params, result=result) for name in names)
    exported = Interface(name=SHOP, functions=functions)
    description = Description(digest="sha256:" + "cd" * 32, exports=(exported,), imports=(), plain_imports=())
    settings = ComponentSettings()
    return Registry((Component(name="shop", kind=ComponentKind.ACTIVITY, settings=settings, description=description),))


def shown(response: httpx.Response) -> tuple[int, bytes, str | None]:
    return response.status_code, response.content, response.headers.get("content-type")


@pytest.mark.parametrize("result", [*RESULTS, "removed"], ids=str)
def test_a_result_is_shown_as_it_was_recorded(shop: World, http: Http, result: Type | str | None) -> None:
    first = [http.post(f"{CART}/{name}", params) for name, params in CALLS]
    shop.deployment.registry = Registry() if isinstance(result, str) else retyped(result)
    for call, answered in zip(CALLS, first, strict=True):
        execution_id = answered.headers["obelisk-execution-id"]
        again = http.get(f"/v1/executions/{execution_id}/result")
        assert shown(again) == shown(answered), call


@pytest.mark.parametrize("result", RESULTS, ids=str)
def test_a_repeated_key_gets_the_answer_on_record(shop: World, http: Http, result: Type | None) -> None:
    key = [("Idempotency-Key", "k")]
    first = http.post(f"{CART}/check", {"good": False}, headers=key)
    assert first.status_code == 422
    shop.deployment.registry = retyped(result, Param("good", Primitive.BOOL))
    again = http.post(f"{CART}/check", {"good": False}, headers=key)
    assert shown(again) == shown(first)
    problem(http.post(f"{CART}/check", {"good": True}, headers=key), 409, "idempotency_conflict")


def test_a_repeated_call_is_the_same_in_the_form_of_types_that_grew(shop: World, http: Http) -> None:
    key = [("Idempotency-Key", "k")]
    first = http.post(f"{CART}/reserve", {"item": ITEM}, headers=key)
    more = Field("gift-for", OptionType(Primitive.STRING))
    grown = TypeDef(name="item", owner=SHOP, body=RecordType((*ITEM_FIELDS, more)))
    shop.deployment.registry = retyped(None, Param("item", grown))
    again = http.post(f"{CART}/reserve", {"item": ITEM}, headers=key)
    assert shown(again) == shown(first)
    other = http.post(f"{CART}/reserve", {"item": {**ITEM, "gift_for": "me"}}, headers=key)
    problem(other, 409, "idempotency_conflict")


def test_a_repeated_key_with_parameters_of_earlier_types_is_told_its_execution(shop: World, http: Http) -> None:
    key = [("Idempotency-Key", "k")]
    first = http.post(f"{CART}/check", {"good": True}, headers=key)
    problem(http.post(f"{CART}/check", {"good": "yes"}, headers=key), 400, "params_invalid")
    shop.deployment.registry = retyped(None, Param("good", Primitive.STRING))
    refused = problem(http.post(f"{CART}/check", {"good": True}, headers=key), 409, "idempotency_conflict")
    assert refused["execution_id"] == first.headers["obelisk-execution-id"]
    assert "the types of demo:shop/cart@1.2.0.check have changed since" in str(refused["detail"])


SIDES = TypeDef(name="sides", owner=SHOP, body=RecordType((Field("ok", Primitive.U64),)))


@pytest.mark.parametrize(
    ("value", "result", "status", "body"),
    [
        (None, None, 204, None),
        (None, OptionType(Primitive.U64), 200, None),
        (None, Primitive.STRING, 204, None),
        ("text", ResultType(Primitive.U64, None), 200, "text"),
        ({"ok": 5}, Primitive.STRING, 200, 5),
        ({"ok": 5}, SIDES, 200, {"ok": 5}),
        ({"ok": None}, ResultType(OptionType(Primitive.U64), None), 200, None),
        ({"ok": None}, None, 204, None),
        ({"err": "boom"}, Primitive.STRING, 422, "boom"),
        ({"err": None}, Primitive.STRING, 422, None),
        ({"ok": 1, "err": 2}, Primitive.STRING, 200, {"ok": 1, "err": 2}),
    ],
)
def test_a_record_without_a_shape_is_of_todays_type_if_it_fits_else_what_it_looks_like(
    value: object, result: Type | None, status: int, body: object
) -> None:
    earlier = world(placed=False)

    async def record() -> str:
        submission = Submission(ffqn="demo:shop/cart@1.2.0.ping", params={})
        execution_id = (await earlier.api.submit(submission)).execution_id
        await earlier.append(execution_id, Finished(outcome=returned(value, "")))
        return execution_id

    with earlier.client() as http:
        execution_id = http.run(record())
        earlier.deployment.registry = retyped(result)
        answer = http.get(f"/v1/executions/{execution_id}/result")
    assert answer.status_code == status
    if status == 422:
        assert answer.json()["error"] == body
    elif status == 200:
        assert msgspec.json.decode(answer.content) == body
