"""What an operator asks of the whole: rates, executors, the store, what a token may do."""

from __future__ import annotations

from gateway_world import world
from guarded_gateway import GUARDED, KEPT, TOKENS, bearer
from obelisk.gateway.auth.tokens import Scope
from problems import problem

SHOP = "/v1/functions/demo:shop/cart@1.2.0"


def test_what_started_and_finished_is_counted_minute_by_minute() -> None:
    with world().client() as http:
        for _ in range(3):
            assert http.post(f"{SHOP}/ping").status_code in (200, 204)
        http.post(f"{SHOP}/add", [1, 2], headers=[("Prefer", "respond-async")])
        rates = http.get("/v1/rates?minutes=2").json()
        hour = http.get("/v1/rates").json()
    assert rates["step_ms"] == 60_000
    assert (len(rates["started"]), len(rates["finished"])) == (2, 2)
    assert sum(rates["started"]) == 4
    assert 3 <= sum(rates["finished"]) <= 4
    assert (len(hour["started"]), sum(hour["started"])) == (60, 4)


def test_a_window_has_bounds() -> None:
    with world().client() as http:
        for wrong in ("0", "1441", "-1", "x", ""):
            problem(http.get(f"/v1/rates?minutes={wrong}"), 400, "parameter_invalid")


def test_the_store_says_what_it_takes() -> None:
    with world().client() as http:
        assert http.get("/v1/store").json() == {"kind": "memory", "bytes": 0, "log_bytes": 0, "free_bytes": None}
        assert http.get("/v1/executors").json() == {"items": []}


def test_a_token_is_told_what_it_may_do() -> None:
    with world(access=GUARDED).client() as http:
        for scope, issued in TOKENS.items():
            told = http.request("GET", "/v1/token", headers=bearer(scope)).json()
            assert told == {"id": issued.token.id, "name": scope.word, "scope": scope.word, "expires_at": None}
        assert http.get("/v1/token").json() == {"id": None, "name": None, "scope": "public", "expires_at": None}
    with world().client() as http:
        assert http.get("/v1/token").json()["scope"] == "admin"


def test_the_name_of_the_caller_is_on_record() -> None:
    assert {token.name for token in KEPT.items} >= {"submit"}
    with world(access=GUARDED).client() as http:
        submitted = http.post(f"{SHOP}/add", [1, 2], headers=[("Prefer", "respond-async"), *bearer(Scope.SUBMIT)])
        path = f"/v1/executions/{submitted.json()['execution_id']}/events"
        created = http.request("GET", path, headers=bearer(Scope.READ)).json()["items"][0]["event"]
    assert created["caller"] == "submit"
    with world().client() as http:
        submitted = http.post(f"{SHOP}/add", [1, 2], headers=[("Prefer", "respond-async")])
        created = http.get(f"/v1/executions/{submitted.json()['execution_id']}/events").json()["items"][0]["event"]
    assert created["caller"] == ""
