"""The control plane: what is deployed, what was called, what came of it; and refusals, never the framework's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import jsonschema  # type: ignore[import-untyped]  # it has no types
import msgspec
import pytest

from gateway_world import Http, World, world
from obelisk.gateway import errors
from obelisk.gateway.views import executions as views
from obelisk.gateway.views import logs as log_views
from obelisk.runtime import errors as runtime_errors
from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import Fault, Registry
from obelisk.runtime.deployment.reading import as_stored
from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, FailureKind, JoinSetRequest
from obelisk.runtime.ports.store import Create, LoggedEvent, Query, StoredComponent
from obelisk.runtime.store import rows
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
ASYNC = [("Prefer", "respond-async")]


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def submit(http: Http, function: str, params: object) -> str:
    return str(http.post(f"{SHOP}/{function}", params, headers=ASYNC).headers["obelisk-execution-id"])


# --- functions and components ---------------------------------------------------------------------------------------
def test_functions_are_listed_with_wit_and_schemas(http: Http) -> None:
    items = {item["ffqn"]: item for item in http.get("/v1/functions").json()["items"]}
    assert list(items) == sorted(items)
    reserve = items["demo:shop/cart@1.2.0.reserve"]
    assert reserve["wit"] == "reserve: func(item: item) -> result<item, shortage>"
    assert reserve["params"] == [{"name": "item", "type": "item"}]
    assert (reserve["component"], reserve["kind"], reserve["path"]) == ("shop", "activity", f"{SHOP}/reserve")
    assert reserve["docs"] == "Does reserve."
    jsonschema.validate(reserve["example"], reserve["params_schema"], cls=jsonschema.Draft202012Validator)
    result = http.post(reserve["path"], reserve["example"]).json()
    jsonschema.validate({"ok": result}, reserve["result_schema"], cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"item": {}}, reserve["params_schema"], cls=jsonschema.Draft202012Validator)


def test_functions_are_listed_with_the_documentation_of_their_types(http: Http) -> None:
    (reserve,) = http.get("/v1/functions", function="demo:shop/cart@1.2.0.reserve").json()["items"]
    assert [found["name"] for found in reserve["types"]] == ["size", "extras", "item", "shortage"]
    item = reserve["types"][2]
    assert item["interface"] == "demo:shop/cart@1.2.0"
    assert item["docs"] == "What is reserved."
    assert item["wit"].startswith("record item {\n  /// What it is.\n  item-name: string,\n")
    (add,) = http.get("/v1/functions", function="demo:shop/cart@1.2.0.add").json()["items"]
    assert add["types"] == []


def test_a_function_without_endpoint_says_why(http: Http) -> None:
    (flow,) = [item for item in http.get("/v1/functions").json()["items"] if item["ffqn"].endswith(".flow")]
    assert flow["path"] is None
    assert "stream" in flow["unsupported"]


def test_every_listed_example_is_accepted(http: Http) -> None:
    for item in http.get("/v1/functions").json()["items"]:
        if item["path"]:
            assert http.post(item["path"], item["example"], headers=ASYNC).status_code == 202, item


def test_components_are_listed(http: Http) -> None:
    (shown,) = http.get("/v1/components").json()["items"]
    assert (shown["name"], shown["kind"], shown["exports"]) == ("shop", "activity", ["demo:shop/cart@1.2.0"])
    assert shown["settings"]["max_retries"] == 5
    assert "demo:shop/cart@1.2.0.add" in shown["functions"]


def test_components_are_not_added_over_http(http: Http) -> None:
    problem(http.post("/v1/components", {}), 405, "method_not_allowed")


# --- executions -----------------------------------------------------------------------------------------------------
def test_an_execution_is_shown(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    shown = http.get(f"/v1/executions/{execution_id}").json()
    assert shown["ffqn"] == "demo:shop/cart@1.2.0.add"
    assert (shown["status"], shown["result_kind"], shown["parent"]) == ("finished", "ok", None)
    assert shown["created_at"].endswith("Z")
    assert shown["created_at"] <= shown["finished_at"]


def test_a_log_is_read_in_slices(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    path = f"/v1/executions/{execution_id}/events"
    whole = http.get(path).json()
    assert [entry["event"]["type"] for entry in whole["items"]] == ["created", "locked", "finished"]
    assert [entry["version"] for entry in whole["items"]] == [0, 1, 2]
    assert whole["next"] is None
    created = whole["items"][0]["event"]
    assert (created["params"], created["scheduled_at"][-1]) == ([1, 2], "Z")
    assert whole["items"][2]["event"]["outcome"] == {"type": "returned", "value": 3, "shape": "v"}
    first = http.get(path, limit=2).json()
    assert (first["items"], first["next"]) == (whole["items"][:2], 2)
    rest = http.get(path, **{"from": 2, "limit": 2}).json()
    assert (rest["items"], rest["next"]) == (whole["items"][2:], None)
    assert http.get(path, **{"from": 99}).json() == {"items": [], "next": None}


def test_responses_are_read(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    assert http.get(f"/v1/executions/{execution_id}/responses").json() == {"items": [], "next": None}


def test_a_result_answers_as_the_call_does(http: Http) -> None:
    for function, params in (("add", [1, 2]), ("ping", []), ("check", [False]), ("trap", []), ("late", [])):
        called = http.post(f"{SHOP}/{function}", params)
        execution_id = called.headers["obelisk-execution-id"]
        result = http.get(f"/v1/executions/{execution_id}/result")
        assert (result.status_code, result.content) == (called.status_code, called.content)
        assert result.headers["obelisk-execution-id"] == execution_id
    never = submit(http, "never", [])
    waiting = http.get(f"/v1/executions/{never}/result")
    assert (waiting.status_code, waiting.json()["execution_id"]) == (202, never)


def test_results_of_functions_that_are_gone_stay_readable(shop: World, http: Http) -> None:
    ids_ = [submit(http, "check", [True]), submit(http, "check", [False]), submit(http, "trap", [])]
    shop.deployment.registry = Registry()
    ok, err, trap = (http.get(f"/v1/executions/{execution_id}/result") for execution_id in ids_)
    assert ok.status_code == 204
    assert problem(err, 422, "returned_err")["error"] is None
    problem(trap, 500, "execution_failed")


def test_a_childs_id_is_understood_encoded_and_plain(shop: World, http: Http) -> None:
    parent = submit(http, "add", [1, 2])
    child = ids.child(parent, "n:a/events", 1)
    created = Created(ffqn="demo:shop/cart@1.2.0.ping", params=msgspec.Raw(b"[]"), scheduled_at_us=2**62, parent=parent)
    state = fold.start(created, None)

    async def create() -> None:
        shop.store.enqueue((Create(execution_id=child, created=created, locked=None, state=state, at_us=1),), print)

    http.run(create())
    for spelled in (child, child.replace("/", "%2F"), child.replace(":", "%3A")):
        assert http.get(f"/v1/executions/{spelled}").json()["execution_id"] == child
        (entry,) = http.get(f"/v1/executions/{spelled}/events").json()["items"]
        assert entry["event"]["scheduled_at"] == "9999-12-31T23:59:59.999999Z"
        accepted = http.get(f"/v1/executions/{spelled}/result")
        assert http.get(accepted.headers["location"]).json()["parent"] == parent
    assert [item["execution_id"] for item in http.get("/v1/executions", parent=parent).json()["items"]] == [child]


@pytest.mark.parametrize("id_", ["E_01BX5ZZKBKACTAV9WEVGEMMVRZ", "x", "", "E_%00", "..", "a/b/events", "%ff", "ü"])
@pytest.mark.parametrize("rest", ["", "/events", "/responses", "/result"])
def test_an_unknown_execution_is_404(http: Http, id_: str, rest: str) -> None:
    response = http.get(f"/v1/executions/{id_}{rest}")
    assert response.json()["code"] in ("execution_not_found", "route_not_found")
    problem(response, 404, response.json()["code"])
    assert "obelisk-execution-id" not in response.headers


def test_executions_are_paged_and_filtered(http: Http) -> None:
    added = [submit(http, "add", [n, n]) for n in range(5)]
    never = submit(http, "never", [])
    seen: list[str] = []
    params: dict[str, str | int] = {"limit": 2}
    while True:
        page = http.get("/v1/executions", **params).json()
        seen += [item["execution_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        params["cursor"] = page["next_cursor"]
        submit(http, "ping", [])
    assert seen == [never, *reversed(added)]
    assert [i["execution_id"] for i in http.get("/v1/executions", status="locked").json()["items"]] == [never]
    prefixed = http.get("/v1/executions", function="demo:shop/cart@1.2.0.add").json()["items"]
    assert {item["execution_id"] for item in prefixed} == set(added)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("limit=0", "expected an integer from 1 to 200"),
        ("limit=1e1", "expected an integer"),
        ("limit=", "expected an integer"),
        (f"limit={'9' * 5000}", "expected an integer"),
        ("limit=1&limit=2", "given twice"),
        ("status=done", "expected one of open, pending_at"),
        ("top_level=1", "expected true or false"),
        ("nope=1", "unknown query parameter nope; known here: function"),
        ("function=%ff", "percent-encoded UTF-8"),
        (f"function={'x' * 1025}", "at most 1024 characters"),
        ("&".join(f"a{n}=1" for n in range(40)), "more than 32"),
    ],
)
def test_query_parameters_are_checked(http: Http, query: str, said: str) -> None:
    assert said in str(problem(http.get(f"/v1/executions?{query}"), 400, "parameter_invalid")["detail"])


@pytest.mark.parametrize("cursor", ["x", "ä", "=", "ZXhlY3V0aW9ucy1iZWZvcmU6LTE="])
def test_a_foreign_cursor_is_refused(http: Http, cursor: str) -> None:
    problem(http.get("/v1/executions", cursor=cursor), 400, "cursor_invalid")


# --- everything else ------------------------------------------------------------------------------------------------
def test_health(http: Http) -> None:
    assert http.get("/livez").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok", "faults": 0}


def test_what_cannot_be_run_is_told(shop: World, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """One component that can be read and one that cannot."""
    known = shop.api.registry.components[0]
    stored = StoredComponent(name="zero", digest="sha256:0", kind="workflow", settings='{"hot":false}', added_at_us=0)
    faults = {
        known.name: Fault(stored=as_stored(known, 0), reason="its import is gone"),
        "zero": Fault(stored=stored, reason="damaged"),
    }
    monkeypatch.setattr(shop.deployment, "registry", replace(shop.api.registry, faults=faults))
    assert http.get("/readyz").json() == {"status": "ok", "faults": 2}
    shown = {item["name"]: item for item in http.get("/v1/components").json()["items"]}
    assert {name: item["fault"] for name, item in shown.items() if item["fault"]} == {
        known.name: "its import is gone",
        "zero": "damaged",
    }
    assert shown["zero"]["settings"] == {"hot": False}
    assert shown["zero"]["functions"] == []


def test_a_store_that_fails_is_503(shop: World, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Query) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(shop.store, "list", broken)
    response = http.get("/readyz")
    assert problem(response, 503, "store_unavailable")["detail"] == "the disk is full"
    assert response.headers["retry-after"] == "1"


def test_a_bug_is_a_500_that_tells_nothing_but_an_id(
    shop: World, http: Http, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Query) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(shop.store, "list", broken)
    response = http.get("/v1/executions")
    error_id = str(problem(response, 500, "internal")["error_id"])
    assert "secret" not in response.text
    assert error_id in caplog.text


@pytest.mark.parametrize(
    "path", ["/ui/x.js", "/v1", "/v1/", "/v1/functions/", "/docs/", "/docs/x.js", "/openapi.json/", "/%00"]
)
def test_an_unknown_route_is_a_problem_too(http: Http, path: str) -> None:
    response = http.get(path)
    status, code = (405, "method_not_allowed") if path == "/v1/functions/" else (404, "route_not_found")
    problem(response, status, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", f"{SHOP}/add", {"OPTIONS", "POST"}),
        ("DELETE", "/v1/executions", {"GET", "HEAD", "OPTIONS"}),
        ("NONSENSE", "/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_405_with_allow(http: Http, method: str, path: str, allowed: set[str]) -> None:
    response = http.request(method, path)
    problem(response, 405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


def test_every_answer_forbids_sniffing_and_caching(http: Http) -> None:
    for path in ("/livez", "/nope", "/docs", "/v1/executions/x"):
        headers = http.get(path).headers
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")


def test_every_code_of_the_runtime_has_a_status() -> None:
    declared = [e for e in vars(runtime_errors).values() if isinstance(e, type) and issubclass(e, ObeliskError)]
    assert len(declared) > 10
    assert {error.code for error in declared} <= set(errors.STATUS)


def test_a_hidden_error_tells_nothing() -> None:
    refusal = errors.refusal(runtime_errors.ConfigError("password = 'x'", key="password"))
    assert (refusal.status, refusal.code, refusal.members) == (500, "internal", {})
    assert "password" not in refusal.detail


def test_the_views_know_every_status_and_every_way_to_end() -> None:
    assert set(views.STATUSES) == set(get_args(views.Status)) == set(rows.STATUS_NAMES.values())
    assert set(get_args(views.ResultKind)) == {"ok", "err"} | {kind.value for kind in FailureKind}


def test_members_never_replace_the_standard_ones() -> None:
    body = msgspec.json.decode(errors.body("internal", "told", {"status": 200, "code": "x", "more": 1}))
    assert (body["status"], body["code"], body["more"]) == (500, "internal", 1)


def test_only_the_instants_of_an_event_change_at_the_edge() -> None:
    request = JoinSetRequest(join_set="n:a", child="E_1.n:a_1", ffqn="f", params=msgspec.Raw(b"[1]"))
    entry = log_views.log_entry(LoggedEvent(version=3, at_us=1_700_000_000_000_001, event=request))
    assert msgspec.json.decode(msgspec.json.encode(entry)) == {
        "version": 3,
        "at": "2023-11-14T22:13:20.000001Z",
        "event": {
            "type": "join_set_request",
            "join_set": "n:a",
            "child": "E_1.n:a_1",
            "ffqn": "f",
            "params": [1],
            "signature": "",
        },
    }
