"""Cancelling, pausing and unpausing over HTTP, and giving a stub its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
import pytest

from gateway_world import Http, World, component, world
from obelisk.gateway.views import executions as views
from obelisk.runtime import ids
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.catalog.settings import ComponentKind
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, DelayRequest, Failed, FailureKind, Locked, TemporarilyFailed
from obelisk.runtime.log.state import LockedBy
from obelisk.runtime.ports.store import AddDelay, Append, Create
from obelisk.runtime.usecases.effects import Effect
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"
ASYNC = [("Prefer", "respond-async")]
UNKNOWN = "E_01BX5ZZKBKACTAV9WEVGEMMVRZ"


@pytest.fixture
def shop() -> World:
    return world()


@pytest.fixture
def http(shop: World) -> Iterator[Http]:
    with shop.client() as client:
        yield client


def submit(http: Http, function: str = "never", params: object = ()) -> str:
    return str(http.post(f"{SHOP}/{function}", params, headers=ASYNC).headers["obelisk-execution-id"])


def steer(http: Http, execution_id: str, what: str) -> str:
    """POST an intervention; its effect."""
    response = http.post(f"/v1/executions/{execution_id.replace('/', '%2F')}/{what}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    shown = response.json()
    assert shown == {"execution_id": execution_id, "effect": shown["effect"]}
    return str(shown["effect"])


async def ask_for_delay(shop: World, execution_id: str, delay: str) -> None:
    """Record that an execution waits for a delay."""
    state = await shop.store.state(execution_id)
    assert state is not None
    join_set = "n:a/b"
    event = DelayRequest(join_set=join_set, delay=delay, schedule=msgspec.Raw(b"null"), expires_at_us=2**62)
    append = Append(
        execution_id=execution_id, version=state.version, events=(event,), state=fold.apply(state, event), at_us=1
    )
    add = AddDelay(execution_id=execution_id, join_set=join_set, delay=delay, expires_at_us=2**62)
    shop.store.enqueue((append, add), lambda error: None)


async def fail_once(shop: World, execution_id: str, pending_at_us: int) -> None:
    """Record an attempt that failed, and when the next one is to be made."""
    state = await shop.store.state(execution_id)
    assert state is not None
    locked = Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
    failed = TemporarilyFailed(error_id="Err_1", reason="it failed", pending_at_us=pending_at_us)
    events = (failed,) if isinstance(state.status, LockedBy) else (locked, failed)
    after = state
    for event in events:
        after = fold.apply(after, event)
    append = Append(execution_id=execution_id, version=state.version, events=events, state=after, at_us=1)
    shop.store.enqueue((append,), lambda error: None)


def status(http: Http, execution_id: str) -> str:
    return str(http.get(f"/v1/executions/{execution_id}").json()["status"])


def test_every_effect_has_its_word() -> None:
    assert set(get_type_hints(views.Intervention)["effect"].__args__) == {effect.value for effect in Effect}


def test_an_execution_is_cancelled_once(http: Http) -> None:
    execution_id = submit(http)
    assert steer(http, execution_id, "cancel") == "done"
    assert status(http, execution_id) == "cancelling"
    assert steer(http, execution_id, "cancel") == "already"
    assert [steer(http, execution_id, what) for what in ("pause", "unpause", "retry")] == ["cancelling"] * 3
    log = http.get(f"/v1/executions/{execution_id}/events").json()["items"]
    assert [entry["event"]["type"] for entry in log] == ["created", "locked", "cancellation_requested"]


def test_what_has_finished_is_left_alone(http: Http) -> None:
    execution_id = submit(http, "add", [1, 2])
    assert [steer(http, execution_id, what) for what in ("cancel", "pause", "unpause", "retry")] == ["finished"] * 4
    assert http.get(f"/v1/executions/{execution_id}/result").json() == 3


def test_a_cancelled_execution_is_a_failure_of_that_kind(shop: World, http: Http) -> None:
    execution_id = submit(http)
    steer(http, execution_id, "cancel")

    async def end() -> None:
        state = await shop.store.state(execution_id)
        assert state is not None
        shop.executor.finish(execution_id, state, Failed(kind=FailureKind.CANCELLED, error_id="Err_1", reason="so"))

    http.run(end())
    told = problem(http.get(f"/v1/executions/{execution_id}/result"), 500, "execution_failed")
    assert told["kind"] == "cancelled"
    assert http.get(f"/v1/executions/{execution_id}").json()["result_kind"] == "cancelled"


def test_an_execution_is_paused_and_goes_on(http: Http) -> None:
    execution_id = submit(http)
    assert steer(http, execution_id, "unpause") == "already"
    assert steer(http, execution_id, "pause") == "done"
    assert status(http, execution_id) == "paused"
    assert steer(http, execution_id, "pause") == "already"
    assert steer(http, execution_id, "unpause") == "done"
    assert status(http, execution_id) == "pending_at"


def test_the_next_attempt_is_made_now(shop: World, http: Http) -> None:
    execution_id = submit(http)
    assert steer(http, execution_id, "retry") == "already"  # it is due
    http.run(fail_once(shop, execution_id, pending_at_us=4 * 10**15))
    assert http.get(f"/v1/executions/{execution_id}").json()["pending_at"].startswith("2096")
    assert steer(http, execution_id, "retry") == "done"
    shown = http.get(f"/v1/executions/{execution_id}").json()
    assert (shown["status"], shown["attempts"]) == ("pending_at", 1)
    assert shown["pending_at"] <= shown["updated_at"]
    assert steer(http, execution_id, "retry") == "already"
    assert steer(http, execution_id, "pause") == "done"
    assert steer(http, execution_id, "retry") == "done"  # what is paused goes on
    assert status(http, execution_id) == "pending_at"


def test_a_delay_is_cancelled_by_its_id(shop: World, http: Http) -> None:
    execution_id = submit(http)
    delay = ids.DELAY + ids.child(execution_id, "n:a/b", 1).removeprefix(ids.EXECUTION)
    problem(http.post(f"/v1/executions/{delay.replace('/', '%2F')}/cancel"), 404, "execution_not_found")
    http.run(ask_for_delay(shop, execution_id, delay))
    assert [steer(http, delay, "cancel") for _ in range(2)] == ["done", "already"]
    (response,) = http.get(f"/v1/executions/{execution_id}/responses").json()["items"]
    assert (response["response"]["delay"], response["response"]["cancelled"]) == (delay, True)
    problem(http.post(f"/v1/executions/{delay}/pause"), 404, "execution_not_found")


def test_a_workflow_may_refuse() -> None:
    stubborn = component(kind=ComponentKind.WORKFLOW, cancellable=False)
    with world(stubborn).client() as http:
        execution_id = submit(http)
        refused = http.post(f"/v1/executions/{execution_id}/cancel")
        told = problem(refused, 409, "not_cancellable")
        assert (told["execution_id"], told["ffqn"]) == (execution_id, "demo:shop/cart@1.2.0.never")
        assert refused.headers["obelisk-execution-id"] == execution_id
        assert steer(http, execution_id, "pause") == "done"


@pytest.mark.parametrize(
    "id_", [UNKNOWN, "x", "", "Delay_x", "Delay_01BX5ZZKBKACTAV9WEVGEMMVRZ.o:1_1", "a/cancel", "ü"]
)
@pytest.mark.parametrize("what", ["cancel", "pause", "unpause", "retry"])
def test_nothing_is_404(http: Http, id_: str, what: str) -> None:
    response = http.post(f"/v1/executions/{id_}/{what}")
    problem(response, 404, "execution_not_found")
    assert "obelisk-execution-id" not in response.headers


@pytest.mark.parametrize("what", ["cancel", "pause", "unpause", "retry"])
def test_neither_parameters_nor_a_body_are_taken(http: Http, what: str) -> None:
    execution_id = submit(http)
    path = f"/v1/executions/{execution_id}/{what}"
    told = problem(http.post(f"{path}?force=true"), 400, "parameter_invalid")
    assert told["detail"] == "unknown query parameter force; none is known here"
    assert problem(http.post(path, {}), 400, "body_invalid")["detail"] == "no body is taken here"
    assert status(http, execution_id) == "locked"
    assert http.post(path, content=b"", headers=[("Content-Type", "application/json")]).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize(("what", "allowed"), [("cancel", "POST"), ("pause", "POST"), ("stub", "PUT")])
def test_a_path_has_its_one_method(http: Http, method: str, what: str, allowed: str) -> None:
    response = http.request(method, f"/v1/executions/{UNKNOWN}/{what}")
    assert (response.status_code, response.headers["allow"]) == (405, ", ".join(sorted((allowed, "OPTIONS"))))


# --- stubs ----------------------------------------------------------------------------------------------------------
def put(http: Http, execution_id: str, result: bytes, media_type: str = "application/json") -> Any:
    path = f"/v1/executions/{execution_id}/stub"
    return http.request("PUT", path, content=result, headers=[("Content-Type", media_type)])


@pytest.fixture
def stubs() -> Iterator[Http]:
    with world(component(kind=ComponentKind.STUB)).client() as client:
        yield client


def test_a_stub_gets_its_result_once(stubs: Http) -> None:
    execution_id = submit(stubs, "add", [1, 2])
    assert stubs.get(f"/v1/executions/{execution_id}/result").status_code == 202
    assert put(stubs, execution_id, b"4").json() == {"execution_id": execution_id, "effect": "done"}
    assert stubs.get(f"/v1/executions/{execution_id}/result").json() == 4
    assert put(stubs, execution_id, b"4.0").json()["effect"] == "already"
    assert problem(put(stubs, execution_id, b"5"), 409, "result_conflict")["execution_id"] == execution_id


def test_a_stub_may_return_err_or_nothing(stubs: Http) -> None:
    check, ping = submit(stubs, "check", [True]), submit(stubs, "ping")
    assert put(stubs, check, b'{"err": null}').json()["effect"] == "done"
    problem(stubs.get(f"/v1/executions/{check}/result"), 422, "returned_err")
    assert put(stubs, ping, b"null").json()["effect"] == "done"
    assert stubs.get(f"/v1/executions/{ping}/result").status_code == 204


def test_a_result_is_checked(stubs: Http) -> None:
    listed = {item["ffqn"].rpartition(".")[2]: item for item in stubs.get("/v1/functions").json()["items"]}
    execution_id = submit(stubs, "reserve", listed["reserve"]["example"])
    told: Any = problem(put(stubs, execution_id, b'{"err": {"only_left": -1}}'), 400, "result_invalid")
    assert [(fault["pointer"], fault["expected"]) for fault in told["errors"]] == [("/err/only_left", "u32")]
    problem(put(stubs, execution_id, b'{"err"'), 400, "body_invalid")
    problem(put(stubs, execution_id, b""), 400, "body_invalid")
    problem(put(stubs, execution_id, b"1", "text/plain"), 415, "media_type_unsupported")
    problem(put(stubs, execution_id, b'"' + b"x" * 20_000_000 + b'"'), 413, "body_too_large")
    assert status(stubs, execution_id) == "awaiting_result"


def test_only_stubs_get_a_result(http: Http) -> None:
    execution_id = submit(http)
    assert problem(put(http, execution_id, b"1"), 409, "not_a_stub")["execution_id"] == execution_id
    problem(put(http, UNKNOWN, b"1"), 404, "execution_not_found")


def test_a_result_is_as_large_as_a_value_may_be() -> None:
    with world(component(kind=ComponentKind.STUB, max_value_bytes=1024)).client() as http:
        execution_id = submit(http, "maybe", [None])
        told = problem(put(http, execution_id, b'"' + b"x" * 1023 + b'"'), 413, "value_too_large")
        assert told["detail"] == "the result has 1025 bytes as JSON, at most 1024 are allowed"
        assert put(http, execution_id, b'"' + b"x" * 1022 + b'"').json()["effect"] == "done"


def test_an_open_stub_of_an_earlier_version_is_no_part_of_the_queue_and_takes_its_result() -> None:
    """Its log does not say that it awaits a result."""
    stubs = world(component(kind=ComponentKind.STUB))
    execution_id = "E_01BX5ZZKBKACTAV9WEVGEMMVRZ"
    old = Created(ffqn="demo:shop/cart@1.2.0.add", params=msgspec.Raw(b"[1,2]"), scheduled_at_us=0)
    create = Create(execution_id=execution_id, created=old, locked=None, state=fold.start(old), at_us=0)
    with stubs.client() as http:
        http.run(stubs.write(create))
        newer = submit(http, "add", [1, 2])
        assert [status(http, one) for one in (execution_id, newer)] == ["pending_at", "awaiting_result"]
        told = {line.split()[0]: line.split()[1] for line in http.get("/metrics").text.splitlines()}
        gauges = [told[f"obelisk_{name}"] for name in ("pending", "awaiting_result", "queue_lag_seconds")]
        assert list(map(float, gauges)) == [0, 2, 0]
        assert put(http, execution_id, b"4").json()["effect"] == "done"


def test_what_awaits_its_result_does_so_whatever_is_deployed() -> None:
    stubs = world(component(kind=ComponentKind.STUB))
    with stubs.client() as http:
        execution_id = submit(http, "add", [1, 2])
        stubs.deployment.registry = Registry((component(),))
        assert status(http, execution_id) == "awaiting_result"
        assert [item["execution_id"] for item in listed(http, "awaiting_result")] == [execution_id]
        assert put(http, execution_id, b"4").json()["effect"] == "done"
        assert listed(http, "awaiting_result") == []


def listed(http: Http, wanted: str) -> list[Any]:
    return list(http.get(f"/v1/executions?status={wanted}").json()["items"])
