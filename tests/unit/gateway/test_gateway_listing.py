"""Listings by condition, and the interventions that take the same conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import metadata
from urllib.parse import quote

import pytest

from gateway_world import PLAIN, Http, World, component, world
from obelisk import __version__
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.errors import ExecutionNotFound
from obelisk.runtime.log.events import Paused
from obelisk.runtime.usecases.effects import Intervened
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
FLOW = "/v1/functions/demo:plain/tools"
ASYNC = [("Prefer", "respond-async")]


@pytest.fixture
def shop() -> World:
    flow = component(("never",), interface=PLAIN, name="flow", kind=ComponentKind.WORKFLOW, cancellable=False)
    return world(component(), flow)


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def submit(http: Http, path: str, params: Sequence[object] = ()) -> str:
    return str(http.post(path, list(params), headers=ASYNC).headers["obelisk-execution-id"])


def listed(http: Http, **conditions: str) -> list[str]:
    return [item["execution_id"] for item in http.get("/v1/executions", **conditions).json()["items"]]


def test_executions_are_found_by_component_result_and_build(http: Http) -> None:
    ok, err = submit(http, f"{SHOP}/check", [True]), submit(http, f"{SHOP}/check", [False])
    trap, late = submit(http, f"{SHOP}/trap"), submit(http, f"{SHOP}/late")
    flow = submit(http, f"{FLOW}/never")
    assert listed(http, component="shop") == [late, trap, err, ok]
    assert listed(http, component="flow") == [flow]
    assert listed(http, result_kind="ok") == [ok]
    assert listed(http, result_kind="err") == [err]
    assert listed(http, result_kind="timed_out") == [late]
    assert listed(http, result_kind="failed") == [late, trap]
    assert listed(http, status="open") == [flow]
    build = "sha256:" + "ab" * 32
    assert listed(http, digest=build, component="flow", status="open") == [flow]
    assert listed(http, digest=build, component="flow", created_from="2026-01-01T00:00:00Z") == [flow]
    assert listed(http, digest="sha256:0", status="open") == []
    for more in ({}, {"status": "finished"}, {"result_kind": "ok"}, {"component": "flow"}):
        assert (
            problem(http.get("/v1/executions", digest=build, **more), 400, "parameter_invalid")["parameter"] == "digest"
        )
    unknown = problem(http.get("/v1/executions", component="nope"), 404, "component_not_found")
    assert unknown["component"] == "nope"


def test_executions_are_found_and_cancelled_by_their_tags(http: Http) -> None:
    def tagged(tags: str) -> str:
        answer = http.post(f"{SHOP}/never", headers=[*ASYNC, ("Obelisk-Tags", tags)])
        return str(answer.headers["obelisk-execution-id"])

    first, second, other = tagged("order=7,tenant=a"), tagged("order=8,tenant=a"), submit(http, f"{SHOP}/never")
    assert listed(http, tags="tenant=a") == [second, first]
    assert listed(http, tags="tenant=a , order=7") == [first]
    assert listed(http, tags="tenant=b") == []
    refused = problem(http.get("/v1/executions", tags="tenant"), 400, "parameter_invalid")
    assert refused["parameter"] == "tags"
    step = http.post("/v1/executions/cancel?tags=tenant%3Da").json()
    assert (step["done"], step["next_cursor"]) == (2, None)
    assert listed(http, status="cancelling") == [second, first]
    assert listed(http, status="locked") == [other]


def test_executions_are_found_by_the_instant_of_their_creation(http: Http) -> None:
    first, second = submit(http, f"{SHOP}/ping"), submit(http, f"{SHOP}/ping")
    at = http.get(f"/v1/executions/{second}").json()["created_at"]
    assert listed(http, created_from=at) == [second]
    assert listed(http, created_before=at) == [first]
    assert listed(http, created_from=at.replace("Z", "+00:00").replace("T", "t")) == [second]
    assert listed(http, created_from="2026-01-01T00:00:00+14:00", created_before="9999-12-31T23:59:59.123456789Z") == [
        second,
        first,
    ]
    assert listed(http, created_from="9999-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00 01:00", "0"]
)
def test_what_is_no_instant_is_refused(http: Http, text: str) -> None:
    refused = problem(http.get(f"/v1/executions?created_from={quote(text)}"), 400, "parameter_invalid")
    assert refused["parameter"] == "created_from"
    assert "expected an instant as 2030-01-31T12:00:00Z" in str(refused["detail"])


def test_a_pause_of_the_engine_says_why(shop: World, http: Http) -> None:
    execution_id = submit(http, f"{SHOP}/never")
    assert http.get(f"/v1/executions/{execution_id}").json()["reason"] is None
    http.run(shop.append(execution_id, Paused(reason="another build")))
    assert http.get(f"/v1/executions/{execution_id}").json()["reason"] == "another build"
    assert http.get("/v1/executions", status="paused").json()["items"][0]["reason"] == "another build"


# --- in bulk --------------------------------------------------------------------------------------------------------
def test_what_matches_is_cancelled_step_by_step(http: Http) -> None:
    some = [submit(http, f"{SHOP}/never") for _ in range(5)]
    submit(http, f"{SHOP}/ping")
    kept = submit(http, f"{FLOW}/never")
    effects, cursor, steps = 0, "", 0
    while steps == 0 or cursor:
        query = "function=demo:shop/&limit=2" + (f"&cursor={cursor}" if cursor else "")
        step = http.post(f"/v1/executions/cancel?{query}").json()
        effects, cursor, steps = effects + step["done"], step["next_cursor"], steps + 1
        assert (step["already"], step["finished"], step["refused"]) == (0, 0, 0)
    assert (effects, steps) == (5, 3)
    assert [http.get(f"/v1/executions/{one}").json()["status"] for one in some] == ["cancelling"] * 5
    assert http.get(f"/v1/executions/{kept}").json()["status"] == "locked"
    again = http.post("/v1/executions/cancel?function=demo:shop/").json()
    assert (again["done"], again["already"], again["next_cursor"]) == (0, 5, None)


def test_what_may_not_be_cancelled_is_counted_as_refused(http: Http) -> None:
    submit(http, f"{FLOW}/never")
    assert http.post("/v1/executions/cancel?status=open").json()["refused"] == 1


def test_what_is_gone_meanwhile_counts_as_finished(shop: World, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(http, f"{SHOP}/never")

    async def gone(execution_id: str) -> Intervened:
        raise ExecutionNotFound("no such execution", execution_id=execution_id)

    monkeypatch.setattr(shop.api, "cancel", gone)
    assert http.post("/v1/executions/cancel?top_level=true").json()["finished"] == 1


@pytest.mark.parametrize("query", ["", "?limit=5", "?top_level=false", "?status=finished", "?result_kind=ok&parent=E"])
def test_a_bulk_cancellation_names_what_it_means(http: Http, query: str) -> None:
    problem(http.post(f"/v1/executions/cancel{query}"), 400, "parameter_invalid")


# --- replay, fork, upgrade (what they do: integration/test_replay_over_http.py) ---------------------------------------
def test_what_is_no_workflow_is_not_replayed(http: Http) -> None:
    execution_id = submit(http, f"{SHOP}/ping")
    for verb in ("replay", "fork?version=1", "upgrade"):
        problem(http.post(f"/v1/executions/{execution_id}/{verb}"), 409, "not_replayable")
        problem(http.post(f"/v1/executions/E_1/{verb}"), 404, "execution_not_found")


def test_a_fork_needs_a_version(http: Http) -> None:
    refused = problem(http.post("/v1/executions/E_1/fork"), 400, "parameter_invalid")
    assert refused["parameter"] == "version"
    assert "How many events" in str(refused["detail"])


# --- deletion -------------------------------------------------------------------------------------------------------
def test_what_finished_long_ago_is_deleted_step_by_step(http: Http) -> None:
    old = [submit(http, f"{SHOP}/ping") for _ in range(5)]
    never = submit(http, f"{SHOP}/never")
    last = submit(http, f"{SHOP}/ping")
    assert http.post("/v1/executions/delete?finished_before=2020-01-01T00:00:00Z").json()["deleted"] == 0
    deleted, cursor = 0, 0
    while cursor is not None:
        path = f"/v1/executions/delete?finished_before=2100-01-01T00:00:00Z&limit=2&cursor={cursor}"
        step = http.post(path).json()
        deleted, cursor = deleted + step["deleted"], step["next_cursor"]
    assert deleted == 5
    assert listed(http) == [last, never], "the newest stays, and what has not finished"
    problem(http.get(f"/v1/executions/{old[0]}"), 404, "execution_not_found")


def test_what_is_deleted_can_be_chosen_and_counted_before(http: Http) -> None:
    def pinged(tags: str) -> str:
        return str(http.post(f"{SHOP}/ping", headers=[("Obelisk-Tags", tags)]).headers["obelisk-execution-id"])

    kept, _ = pinged("order=7"), [pinged("order=8") for _ in range(3)]
    trap, last = submit(http, f"{SHOP}/trap"), submit(http, f"{SHOP}/ping")
    chosen = "finished_before=2100-01-01T00:00:00Z&tags=order%3D8"
    assert http.get(f"/v1/executions/count?{chosen}").json() == {"count": 3}
    assert http.post(f"/v1/executions/delete?{chosen}").json() == {"deleted": 3, "next_cursor": None}
    assert listed(http) == [last, trap, kept]
    failed = "finished_before=2100-01-01T00:00:00Z&result_kind=failed&component=shop"
    assert http.post(f"/v1/executions/delete?{failed}").json()["deleted"] == 1
    assert listed(http) == [last, kept]
    problem(http.post(f"/v1/executions/delete?{failed.replace('shop', 'nope')}"), 404, "component_not_found")
    problem(http.post(f"/v1/executions/delete?{chosen}&status=open"), 400, "parameter_invalid")


def test_executions_are_counted(http: Http) -> None:
    submit(http, f"{SHOP}/ping")
    submit(http, f"{FLOW}/never")
    assert http.get("/v1/executions/count").json() == {"count": 2}
    assert http.get("/v1/executions/count", status="open", component="flow").json() == {"count": 1}
    assert listed(http, finished_before="2100-01-01T00:00:00Z", function="demo:plain") == []
    problem(http.get("/v1/executions/count", limit="1"), 400, "parameter_invalid")


def test_a_deletion_needs_an_instant(http: Http) -> None:
    refused = problem(http.post("/v1/executions/delete"), 400, "parameter_invalid")
    assert refused["parameter"] == "finished_before"


# --- functions, server ----------------------------------------------------------------------------------------------
def test_functions_are_found_by_name_and_component(http: Http) -> None:
    def found(**query: str) -> list[str]:
        return [item["ffqn"].rpartition(".")[2] for item in http.get("/v1/functions", **query).json()["items"]]

    assert found(component="flow") == ["never"]
    assert found(function="demo:shop/cart@1.2.0.p") == ["ping"]
    assert found(function="demo:shop/cart@1.2.0.p", component="flow") == []
    assert len(found()) == len(found(component="shop")) + 1
    problem(http.get("/v1/functions", component="nope"), 404, "component_not_found")


def test_a_server_says_what_runs(http: Http) -> None:
    info = http.get("/v1/info").json()
    assert info["version"] == __version__
    assert info["wasmtime"] == metadata.version("wasmtime")
    assert info["started_at"].endswith("Z")
