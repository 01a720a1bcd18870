"""The OpenAPI document and Swagger UI: complete, valid, of the server's own making, and without foreign hosts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

import jsonschema  # type: ignore[import-untyped]  # it has no types
import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway_world import FUNCTIONS, Http, World, component, world
from obelisk.codegen.emit import openapi_parts
from obelisk.codegen.emit.openapi import openapi_document
from obelisk.gateway import errors
from obelisk.gateway.document import openapi, swagger
from obelisk.gateway.views import describe
from obelisk.gateway.views import logs as log_views
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.log import events as log
from obelisk.runtime.log.events import Divergence, Event, Failed, FailureKind, Outcome, Response, Returned
from obelisk.runtime.ports.store import LoggedEvent, LoggedResponse
from problems import problem

RAW = msgspec.Raw(b'{"x": [1]}')
AT = 1_700_000_000_000_000
FAILED = Failed(
    kind=FailureKind.NONDETERMINISM_DETECTED,
    error_id="Err",
    reason="r",
    divergence=Divergence(index=1, expected=RAW, actual=RAW),
)
EVENTS: tuple[Event, ...] = (
    log.Created(ffqn="f", params=RAW, scheduled_at_us=AT, parent="E"),
    log.Locked(executor="Exr", run="Run", digest="d"),
    log.Unlocked(reason="r", pending_at_us=AT, join_set="o:1"),
    log.TemporarilyFailed(error_id="e", reason="r", pending_at_us=AT, detail="d", err=RAW),
    log.TemporarilyTimedOut(error_id="e", pending_at_us=AT),
    log.Paused(),
    log.Unpaused(reason="retried", pending_at_us=AT),
    log.Unpaused(),
    log.CancellationRequested(),
    log.ComponentUpgraded(digest="d"),
    log.Finished(outcome=FAILED),
    log.Finished(outcome=Returned(value=RAW)),
    log.Persist(request=RAW, value=RAW),
    log.JoinSetCreate(join_set="g:1"),
    log.JoinSetRequest(join_set="g:1", child="c", ffqn="f", params=RAW),
    log.DelayRequest(join_set="g:1", delay="d", schedule=RAW, expires_at_us=AT),
    log.JoinNext(join_set="g:1", response=None, ffqn="f"),
    log.JoinNextTry(join_set="g:1", response="c", pending=True),
    log.JoinSetClose(join_set="g:1"),
    log.Schedule(execution_id="E", ffqn="f", params=RAW, schedule=RAW, scheduled_at_us=AT),
    log.Stub(execution_id="E", ffqn="f", result=RAW, error="x"),
)
RESPONSES: tuple[Response, ...] = (
    log.ChildFinished(join_set="g:1", child="c", outcome=FAILED),
    log.DelayFinished(join_set="g:1", delay="d", cancelled=True),
)


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


@pytest.fixture
def document(http: Http) -> dict[str, Any]:
    response = http.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def check(document: dict[str, Any], name: str, value: object) -> None:
    """Validate a value against a schema of the document; no member may be unknown to it."""
    schemas = msgspec.json.decode(msgspec.json.encode(document["components"]["schemas"]))
    for schema in schemas.values():
        if schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    whole = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    jsonschema.validate(value, whole, cls=jsonschema.Draft202012Validator)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"].startswith("3.1")


def test_every_served_function_and_every_route_is_in_it(shop: World, document: dict[str, Any]) -> None:
    functions = {f"/v1/functions/demo:shop/cart@1.2.0/{f.name}" for f, _ in FUNCTIONS if f.name != "flow"}
    plane = [(vars(route)["path"], vars(route)["methods"]) for route in shop.app.routes]
    expected = {path: {"post"} for path in functions}
    for path, methods in plane:
        expected[path.replace(":path", "")] = {method.lower() for method in methods - {"HEAD"}}
    assert {path: set(operations) for path, operations in document["paths"].items()} == expected
    assert {"get", "post", "put", "delete"} == set().union(*expected.values())


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    found = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(found) == len(set(found))


def test_there_is_an_example_of_every_event_and_response() -> None:
    assert {type(event) for event in EVENTS} == set(Event.__args__)
    assert {type(response) for response in RESPONSES} == set(Response.__args__)
    assert {type(FAILED), Returned} == set(Outcome.__args__)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_as_documented(document: dict[str, Any], event: Event) -> None:
    entry = log_views.log_entry(LoggedEvent(version=1, at_us=AT, event=event))
    shown = msgspec.json.decode(msgspec.json.encode(entry))
    check(document, "LogEntry", shown)
    assert not re.search(r"_us\b", str(shown))


@pytest.mark.parametrize("response", RESPONSES)
def test_every_response_is_as_documented(document: dict[str, Any], response: Response) -> None:
    entry = log_views.response_entry(LoggedResponse(number=1, at_us=AT, response=response))
    check(document, "ResponseEntry", msgspec.json.decode(msgspec.json.encode(entry)))


def test_every_schema_is_used_and_describes_itself(document: dict[str, Any]) -> None:
    text = str(document["paths"]) + str(document["components"])
    for name in openapi.schemas():
        assert f"'#/components/schemas/{name}'" in text, name
        assert "\n    " not in str(document["components"]["schemas"][name].get("description", ""))


def test_a_function_documents_every_status_it_may_give(document: dict[str, Any]) -> None:
    responses = document["paths"]["/v1/functions/demo:shop/cart@1.2.0/reserve"]["post"]["responses"]
    expected = {200, 202, 400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 431, 500, 503, 504}
    assert {int(status) for status in responses} == expected
    nothing = document["paths"]["/v1/functions/demo:shop/cart@1.2.0/ping"]["post"]["responses"]
    assert set(nothing) & {"200", "204", "422"} == {"204"}


def test_examples_of_problems_have_codes_and_statuses_of_the_server(document: dict[str, Any]) -> None:
    shared = document["components"]["responses"]
    statuses: set[int] = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    named = shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
                    example = named["content"]["application/problem+json"]["example"]
                    check(document, "Problem", {key: item for key, item in example.items() if key != "error"})
                    assert errors.STATUS[example["code"]] == int(status), path
                    made = msgspec.json.decode(errors.body(example["code"], example["detail"]))
                    assert made.items() <= example.items()
                    statuses.add(int(status))
    assert {400, 403, 404, 408, 409, 413, 415, 422, 429, 431, 500, 503, 504} <= statuses


def test_a_function_is_described_as_obelisk_gen_describes_it(shop: World, document: dict[str, Any]) -> None:
    functions = [f for f in shop.api.registry.functions.values() if not f.unsupported]
    made: Any = openapi_document([describe.endpoint(f) for f in functions], title="t", version="1")
    for path, operations in made["paths"].items():
        assert document["paths"][path]["post"] == operations["post"]
    for kind, parts in made["components"].items():
        if kind != "links":  # they lead into the server's own document here
            assert document["components"][kind].items() >= msgspec.to_builtins(parts).items(), kind
    assert document["components"]["links"].keys() == made["components"]["links"].keys()
    for name, (method, path) in openapi_parts.FOLLOW_UPS.items():
        assert document["paths"][path][method]["operationId"] == name


def test_the_document_is_made_once_per_deployment(shop: World, http: Http) -> None:
    with mock.patch.object(openapi, "document", wraps=openapi.document) as made:
        first = http.get("/openapi.json").content
        assert http.get("/openapi.json").content == first
        shop.deployment.registry = Registry((component(("ping",)),))
        assert len(http.get("/openapi.json").content) < len(first)
        assert made.call_count == 2


def test_the_page_loads_only_what_the_server_serves(http: Http) -> None:
    page = http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert set(links) == {"data:,", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/start.js"}
    for link in set(links) - {"data:,"}:
        response = http.get(f"/{link}")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/css" if link.endswith("css") else "text/javascript")


@pytest.mark.parametrize("name", swagger.INTEGRITY)
def test_the_installed_files_are_the_reviewed_ones(http: Http, name: str) -> None:
    digest = hashlib.sha384(http.get(f"/docs/{name}").content).digest()
    assert swagger.INTEGRITY[name] == f"sha384-{base64.b64encode(digest).decode()}"
    assert swagger.INTEGRITY[name] in http.get("/docs").text


def test_documents_are_compressed_once(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [("Accept-Encoding", "br, gzip;q=0.5")]
    paths = ("/openapi.json", "/docs", *(f"/docs/{name}" for name in (*swagger.INTEGRITY, "start.js")))
    first = {path: http.request("GET", path, headers=asked) for path in paths}

    def compress(*_: object, **__: object) -> None:
        raise AssertionError("compressed again")

    for module in ("gzip.compress", "gzip.GzipFile"):
        monkeypatch.setattr(module, compress)
    for path in paths:
        again = http.request("GET", path, headers=asked)
        assert (again.content, again.headers["content-encoding"]) == (first[path].content, "gzip")
        assert "accept-encoding" in again.headers["vary"].lower()
        for header in ("identity", "gzip;q=0, identity", "br"):
            plain = http.request("GET", path, headers=[("Accept-Encoding", header)])
            assert (plain.content, "content-encoding" in plain.headers) == (again.content, False)


def test_other_files_are_not_served(http: Http) -> None:
    for name in ("docs.html", "..%2Fapp.py", "swagger-ui.js", "%2e%2e/app.py"):
        response = http.get(f"/docs/{name}")
        problem(response, 404, "route_not_found")


def test_answers_of_calls_link_to_what_may_be_asked_next(document: dict[str, Any]) -> None:
    operations = {o["operationId"] for path in document["paths"].values() for o in path.values()}
    links = document["components"]["links"]
    assert {link["operationId"] for link in links.values()} <= operations
    assert {"get-execution", "get-result", "cancel-execution", "follow-events"} <= links.keys()
    assert links["get-result"]["parameters"] == {"execution_id": "$response.header.Obelisk-Execution-Id"}
    answers = document["paths"]["/v1/functions/demo:shop/cart@1.2.0/reserve"]["post"]["responses"]
    for answer in (answers["200"], answers["422"], document["components"]["responses"]["Accepted"]):
        assert answer["links"]["get-result"] == {"$ref": "#/components/links/get-result"}
        assert "Obelisk-Execution-Id" in answer["headers"]
