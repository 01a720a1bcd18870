"""Calling functions over HTTP: every line of the table in the architecture's section on HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx
import msgspec
import pytest

from gateway_world import Http, World, component, world
from obelisk.codegen.emit import openapi_parts
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime import tags
from problems import problem

JSON = [("Content-Type", "application/json")]
SHOP = "/v1/functions/demo:shop/cart@1.2.0"
ITEM = {
    "item_name": "vase",
    "price": 1,
    "size": "very_large",
    "extras": ["express", "gift_wrap"],
    "tags": {"a": [1, -2]},
    "place": ["x", True],
}
CANONICAL = {**ITEM, "price": 1.0, "extras": ["gift_wrap", "express"], "note": None}


@pytest.fixture
def shop() -> World:
    return world(settings=GatewaySettings(default_wait_s=5, max_wait_s=10, max_body_bytes=2000))


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


@pytest.mark.parametrize("params", [{"a": 1, "the_other": 2**64 - 3}, [1, 2**64 - 3]])
def test_named_and_positional_parameters_give_the_value(http: Http, params: object) -> None:
    response = http.post(f"{SHOP}/add", params)
    assert (response.status_code, response.text) == (200, str(2**64 - 2))
    assert response.headers["content-type"] == "application/json"
    assert response.headers["obelisk-execution-id"].startswith("E_")
    assert "preference-applied" not in response.headers


@pytest.mark.parametrize(
    ("function", "params", "status", "body"),
    [
        ("reserve", {"item": ITEM}, 200, CANONICAL),
        ("ping", {}, 204, None),
        ("check", {"good": True}, 204, None),
        ("maybe", {}, 200, None),
        ("maybe", {"text": "x"}, 200, "x"),
        ("nothing-or-text", {}, 200, None),
        ("blob", {"data": "AAE="}, 200, "AAE="),
    ],
)
def test_ok_values_and_ok_without_payload(http: Http, function: str, params: object, status: int, body: object) -> None:
    response = http.post(f"{SHOP}/{function}", params)
    assert response.status_code == status
    assert response.headers["obelisk-execution-id"]
    assert response.content == b"" if status == 204 else response.json() == body


@pytest.mark.parametrize(
    ("function", "params", "error"),
    [
        ("reserve", {"item": {**ITEM, "item_name": "gone"}}, "sold_out"),
        ("reserve", {"item": {**ITEM, "item_name": "few"}}, {"only_left": 3}),
        ("check", {"good": False}, None),
    ],
)
def test_a_business_error_is_a_422_problem(http: Http, function: str, params: object, error: object) -> None:
    response = http.post(f"{SHOP}/{function}", params)
    body = problem(response, 422, "returned_err")
    assert body["error"] == error
    assert body["execution_id"] == response.headers["obelisk-execution-id"]


@pytest.mark.parametrize(
    ("function", "status", "code", "kind"),
    [("trap", 500, "execution_failed", "trapped"), ("late", 504, "execution_timed_out", "timed_out")],
)
def test_a_failed_execution_tells_kind_and_error_id(
    http: Http, function: str, status: int, code: str, kind: str
) -> None:
    response = http.post(f"{SHOP}/{function}", {})
    body = problem(response, status, code)
    assert (body["kind"], body["error_id"], body["detail"]) == (kind, "Err_1", f"it was {kind}")
    assert body["execution_id"] == response.headers["obelisk-execution-id"]
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("wait=0", "wait=0"),
        ("handling=lenient, RESPOND-ASYNC", "respond-async"),
        ('foo="a,b"; x=1, respond-async', "respond-async"),
        ("wait=x, respond-async", "respond-async"),
    ],
)
def test_a_client_that_does_not_wait_gets_202(http: Http, prefer: str, applied: str) -> None:
    response = http.post(f"{SHOP}/add", [1, 2], headers=[("Prefer", prefer)])
    execution_id = response.headers["obelisk-execution-id"]
    path = f"/v1/executions/{execution_id}"
    assert response.status_code == 202
    assert response.headers["location"] == path
    assert response.headers["preference-applied"] == applied
    assert response.json() == {"execution_id": execution_id, "execution": path, "result": f"{path}/result"}
    assert http.get(f"{path}/result", wait=5).json() == 3


@pytest.mark.parametrize("prefer", ["wait=1", "wait=7, wait=0", 'wait="1"', "respond-async, wait=1", f"wait={10**30}"])
def test_still_running_when_the_wait_ends_is_202_and_the_cap_is_told(prefer: str) -> None:
    capped = world(settings=GatewaySettings(default_wait_s=0, max_wait_s=0.1))
    with capped.client() as http:
        response = http.post(f"{SHOP}/never", {}, headers=[("Prefer", prefer)])
        assert (response.status_code, response.headers["preference-applied"]) == (202, "wait=0.1")
        assert http.post(f"{SHOP}/never", {}).status_code == 202


def test_stopping_ends_waits_with_202(shop: World) -> None:
    with shop.client() as http:

        async def stop_soon() -> None:
            asyncio.get_running_loop().call_later(0.01, shop.app.state.gateway.stopping.set)

        http.run(stop_soon())
        assert http.post(f"{SHOP}/never", {}, headers=[("Prefer", "wait=10")]).status_code == 202
        problem(http.get("/readyz"), 503, "not_ready")


def test_parameters_that_do_not_typecheck_are_all_named_and_nothing_is_logged(shop: World, http: Http) -> None:
    bad = {"item": {**ITEM, "price": "x", "size": "huge", "place": ["ab", 1]}, "more": 1}
    body = problem(http.post(f"{SHOP}/reserve", bad), 400, "params_invalid")
    errors = msgspec.convert(body["errors"], list[dict[str, str]])
    assert {error["pointer"] for error in errors} == {
        "/item/price",
        "/item/size",
        "/item/place/0",
        "/item/place/1",
        "/more",
    }
    assert all(error["expected"] and error["detail"] for error in errors)
    assert http.get("/v1/executions").json()["items"] == []
    assert shop.executor.launched == []


def test_the_same_key_and_call_is_the_same_execution(http: Http) -> None:
    headers = [("Idempotency-Key", "order-7")]
    first = http.post(f"{SHOP}/add", {"a": 1, "the_other": 2}, headers=headers)
    again = http.post(f"{SHOP}/add", [1, 2], headers=headers)
    assert (first.json(), again.json()) == (3, 3)
    assert first.headers["obelisk-execution-id"] == again.headers["obelisk-execution-id"]
    assert len(http.get("/v1/executions").json()["items"]) == 1


def test_the_same_key_for_another_call_is_409(http: Http) -> None:
    headers = [("Idempotency-Key", "k")]
    first = http.post(f"{SHOP}/add", [1, 2], headers=headers)
    for function, params in (("add", [1, 3]), ("ping", [])):
        other = http.post(f"{SHOP}/{function}", params, headers=headers)
        body = problem(other, 409, "idempotency_conflict")
        assert body["execution_id"] == first.headers["obelisk-execution-id"] == other.headers["obelisk-execution-id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä"])
def test_a_malformed_key_is_refused(http: Http, key: str) -> None:
    response = http.post(f"{SHOP}/add", [1, 2], headers=[("Idempotency-Key", key.encode("latin-1"))])
    problem(response, 400, "parameter_invalid")


def test_two_keys_are_refused(http: Http) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    problem(http.post(f"{SHOP}/add", [1, 2], headers=headers), 400, "parameter_invalid")


@pytest.mark.parametrize(
    "path", ["demo:shop/cart@1.2.0/nope", "demo:shop/cart/add", "add", "", "demo:shop/cart@1.2.0/"]
)
def test_an_unknown_function_is_404(http: Http, path: str) -> None:
    problem(http.post(f"/v1/functions/{path}", {}), 404, "function_not_found")


def test_an_encoded_path_is_the_same_function(http: Http) -> None:
    assert http.post("/v1/functions/demo%3Ashop%2Fcart%401.2.0/add", [1, 2]).json() == 3


def test_a_function_without_json_form_has_no_endpoint(http: Http) -> None:
    body = problem(http.post(f"{SHOP}/flow", {}), 404, "function_not_served")
    assert "stream" in str(body["detail"])


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
def test_another_media_type_is_415(http: Http, media_type: str) -> None:
    response = http.post(f"{SHOP}/add", content=b"[1, 2]", headers=[("Content-Type", media_type)])
    problem(response, 415, "media_type_unsupported")
    assert response.headers["accept-post"] == "application/json"


@pytest.mark.parametrize(
    "media_type", ["application/json", "Application/JSON; Charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_in_all_its_spellings_is_taken(http: Http, media_type: str) -> None:
    assert http.post(f"{SHOP}/add", content=b"[1, 2]", headers=[("Content-Type", media_type)]).json() == 3


def test_a_compressed_body_is_415(http: Http) -> None:
    response = http.post(f"{SHOP}/add", [1, 2], headers=[("Content-Encoding", "gzip")])
    problem(response, 415, "media_type_unsupported")


def test_a_body_over_the_limit_is_413_by_length_and_by_count(http: Http) -> None:
    body = b'{"text": "' + b"x" * 2000 + b'"}'

    async def parts() -> AsyncIterator[bytes]:
        yield body[:1500]
        yield body[1500:]

    assert (
        problem(http.post(f"{SHOP}/maybe", content=body, headers=JSON), 413, "body_too_large")["max_body_bytes"] == 2000
    )
    problem(http.post(f"{SHOP}/maybe", content=parts(), headers=JSON), 413, "body_too_large")
    assert http.post(f"{SHOP}/maybe", content=b" " * 1994 + b"[null]", headers=JSON).status_code == 200


def test_parameters_are_as_large_as_a_value_may_be() -> None:
    with world(component(max_value_bytes=1024)).client() as http:
        key = [("Idempotency-Key", "k")]
        told = problem(http.post(f"{SHOP}/maybe", ["x" * 1021], headers=key), 413, "value_too_large")
        assert told["detail"] == "the parameters have 1025 bytes as JSON, at most 1024 are allowed"
        assert http.get("/v1/executions").json()["items"] == []
        assert http.post(f"{SHOP}/maybe", ["x" * 1020], headers=key).json() == "x" * 1020
        told = problem(http.post(f"{SHOP}/maybe", ["x" * 1021], headers=key), 409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [(b"", ""), (b"{", ""), (b"\xff", ""), (b'{"a": 1, "a": 2}', ""), (b'{"a": NaN}', "/a"), (b"[" * 300, "")],
)
def test_what_is_no_strict_json_is_400_with_a_pointer(http: Http, body: bytes, pointer: str) -> None:
    response = http.post(f"{SHOP}/add", content=body, headers=JSON)
    errors = msgspec.convert(problem(response, 400, "body_invalid")["errors"], list[dict[str, str]])
    assert [error["pointer"] for error in errors] == [pointer]


@pytest.mark.parametrize("body", [b"null", b'"x"', b"3", b"[1]", b"[1,2,3]"])
def test_json_that_is_no_parameters_is_400(http: Http, body: bytes) -> None:
    response = http.post(f"{SHOP}/add", content=body, headers=JSON)
    assert problem(response, 400, "params_invalid")["errors"]


def test_a_function_without_parameters_needs_no_body(http: Http) -> None:
    assert http.post(f"{SHOP}/ping").status_code == 204
    problem(http.post(f"{SHOP}/ping", content=b"[1]"), 415, "media_type_unsupported")
    problem(http.post(f"{SHOP}/add"), 415, "media_type_unsupported")


def test_a_call_has_no_query_parameters(http: Http) -> None:
    problem(http.post(f"{SHOP}/add?a=1", [1, 2]), 400, "parameter_invalid")


def test_a_full_queue_is_429_with_retry_after() -> None:
    full = world(max_pending=2, placed=False)
    with full.client() as http:
        for _ in range(2):
            assert http.post(f"{SHOP}/ping", headers=[("Prefer", "respond-async")]).status_code == 202
        response = http.post(f"{SHOP}/ping", headers=[("Prefer", "respond-async")])
        problem(response, 429, "queue_full")
        assert response.headers["retry-after"] == "1"
        assert "obelisk-execution-id" not in response.headers


def test_a_new_deployment_is_served_at_once(shop: World, http: Http) -> None:
    shop.deployment.registry = type(shop.deployment.registry)((component(("ping",)),))
    problem(http.post(f"{SHOP}/add", [1, 2]), 404, "function_not_found")
    assert http.post(f"{SHOP}/ping").status_code == 204


# --- tags -----------------------------------------------------------------------------------------------------------
def shown_tags(http: Http, response: httpx.Response) -> list[str]:
    return list(http.get(f"/v1/executions/{response.headers['obelisk-execution-id']}").json()["tags"])


def test_tags_are_shown_in_order_each_once(http: Http) -> None:
    headers = [("Obelisk-Tags", "tenant=a/b=c, order=7"), ("Obelisk-Tags", "order=7,order=8")]
    tagged = http.post(f"{SHOP}/ping", headers=headers)
    assert shown_tags(http, tagged) == ["order=7", "order=8", "tenant=a/b=c"]
    assert shown_tags(http, http.post(f"{SHOP}/ping")) == []
    created = http.get(f"/v1/executions/{tagged.headers['obelisk-execution-id']}/events").json()["items"][0]["event"]
    assert created["tags"] == ["order=7", "order=8", "tenant=a/b=c"]


def test_a_key_finds_the_execution_with_the_tags_that_it_has(http: Http) -> None:
    first = http.post(f"{SHOP}/ping", headers=[("Idempotency-Key", "k"), ("Obelisk-Tags", "a=1")])
    again = http.post(f"{SHOP}/ping", headers=[("Idempotency-Key", "k"), ("Obelisk-Tags", "a=2")])
    assert first.headers["obelisk-execution-id"] == again.headers["obelisk-execution-id"]
    assert shown_tags(http, again) == ["a=1"]


SEVENTEEN = ",".join(f"k{number}=v" for number in range(17))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a=", "=b", "a b=c", "a=b c", "a=b,", ",a=b", "ä=b", "a=ä", f"{'k' * 65}=v", f"k={'v' * 129}", SEVENTEEN],
)
def test_malformed_tags_are_refused_and_nothing_is_recorded(http: Http, text: str) -> None:
    refused = problem(
        http.post(f"{SHOP}/ping", headers=[("Obelisk-Tags", text.encode("latin-1"))]), 400, "parameter_invalid"
    )
    assert str(refused["detail"]).startswith("header Obelisk-Tags: expected up to 16 tags")
    assert http.get("/v1/executions").json()["items"] == []


def test_the_document_and_the_server_agree_on_what_tags_are() -> None:
    assert openapi_parts.TAGS == tags.PATTERN
