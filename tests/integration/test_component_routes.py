"""Components over HTTP on the real runtime: deploy, show, take out, and every reason to refuse it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.wiring.bootstrap import open_runtime
from obelisk.runtime.wiring.config import parse

pytestmark = pytest.mark.anyio

FIBO = Path(__file__).parents[2] / "examples/fibo"
ACTIVITY = (FIBO / "activity.wat").read_bytes()
WORKFLOW = (FIBO / "workflow.wat").read_bytes()
BYTES = {"Content-Type": "application/octet-stream"}
HANDLER = b"""(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $out))
  (core module $m (func (export "handle") (param i32 i32)))
  (core instance $i (instantiate $m))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out)) (canon lift (core func $i "handle")))
  (component $shim
    (import "request" (type $request (sub resource))) (import "out" (type $out (sub resource)))
    (import "handle" (func $handle (param "request" (own $request)) (param "response-out" (own $out))))
    (export "handle" (func $handle)))
  (instance $handler (instantiate $shim
    (with "request" (type $request)) (with "out" (type $out)) (with "handle" (func $handle))))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"""


@dataclass(frozen=True, slots=True)
class Gateway:
    http: httpx.AsyncClient

    async def add(self, name: str, content: bytes, settings: str = "") -> httpx.Response:
        params = {"settings": settings} if settings else {}
        return await self.http.put(f"/v1/components/{name}", content=content, params=params, headers=BYTES)

    async def remove(self, name: str, **params: str) -> httpx.Response:
        return await self.http.post(f"/v1/components/{name}/remove", params=params)

    async def names(self) -> list[str]:
        return [item["name"] for item in (await self.http.get("/v1/components")).json()["items"]]

    async def call(self, function: str, params: object, prefer: str = "wait=20") -> httpx.Response:
        headers = {"Prefer": prefer}
        return await self.http.post(f"/v1/functions/demo:fibo/{function}", json=params, headers=headers)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    config = parse("", file=tmp_path / "obelisk.toml")
    async with open_runtime(config, execute=True) as runtime:
        app = create_app(runtime.api, GatewaySettings(max_component_bytes=100_000))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=300) as http:
            yield Gateway(http)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


async def test_deployed_components_are_served_at_once(gateway: Gateway) -> None:
    added = await gateway.add("fibo-activity", ACTIVITY, '{"max_retries": 2}')
    assert added.status_code == 200, added.text
    view = added.json()
    assert (view["kind"], view["settings"]["max_retries"]) == ("activity", 2)
    assert view["functions"] == ["demo:fibo/fibo.fibo"]
    assert (await gateway.add("fibo-workflow", WORKFLOW)).status_code == 200
    assert await gateway.names() == ["fibo-activity", "fibo-workflow"]
    answer = await gateway.call("workflow/fiboa", {"n": 10, "iterations": 3})
    assert (answer.status_code, answer.json()) == (200, 55)
    wit = await gateway.http.get("/v1/components/fibo-activity/wit")
    assert wit.headers["content-type"].startswith("text/plain")
    assert "package demo:fibo" in wit.text
    assert "fibo: func(n: u8) -> result<u64, string>;" in wit.text


async def test_what_is_missing_is_named(gateway: Gateway) -> None:
    refused = problem(await gateway.add("fibo-workflow", WORKFLOW), 422, "import_unknown")
    assert "demo:fibo/fibo.fibo: no deployed component exports it" in refused["imports"]
    assert await gateway.names() == []


async def test_settings_are_kept_unless_others_are_given(gateway: Gateway) -> None:
    await gateway.add("a", ACTIVITY, '{"max_retries": 2, "kind": "stub"}')
    kept = (await gateway.add("a", ACTIVITY)).json()
    assert (kept["kind"], kept["settings"]["max_retries"]) == ("stub", 2)
    others = (await gateway.add("a", ACTIVITY, '{"max_pending": 7}')).json()
    assert (others["kind"], others["settings"]["max_retries"], others["settings"]["max_pending"]) == ("activity", 5, 7)
    assert (await gateway.add("a", ACTIVITY, "{}")).json()["settings"]["max_pending"] == 0


async def test_nothing_else_is_deployed(gateway: Gateway) -> None:
    body = problem(await gateway.add("x", b"(module)"), 422, "component_invalid")
    assert "core WebAssembly module" in body["detail"]
    problem(await gateway.add("x", b"x" * 100_001), 413, "body_too_large")
    problem(await gateway.http.put("/v1/components/x", json={}), 415, "media_type_unsupported")
    problem(await gateway.add("no%20name", ACTIVITY), 400, "parameter_invalid")
    for settings, part in {
        "[]": "expected a JSON object",
        "{": "expected a JSON object",
        '{"max_retrys": 1}': "max_retrys",
        '{"max_retries": -1}': "settings.max_retries: must lie in 0…1000000",
        '{"env":' + "[" * 3_000 + "]" * 3_000 + "}": "nested deeper than 200 levels",
    }.items():
        refused = problem(await gateway.add("x", ACTIVITY, settings), 400, "parameter_invalid")
        assert part in refused["detail"]
    assert await gateway.names() == []


async def test_a_component_that_is_needed_stays(gateway: Gateway) -> None:
    await gateway.add("fibo-activity", ACTIVITY, '{"kind": "stub"}')
    await gateway.add("fibo-workflow", WORKFLOW)
    refused = problem(await gateway.remove("fibo-activity", force="true"), 409, "component_in_use")
    assert "demo:fibo/fibo.fibo: no deployed component exports it" in refused["imports"]
    started = await gateway.call("workflow/fiboa", {"n": 1, "iterations": 1}, "respond-async")
    assert started.status_code == 202
    refused = problem(await gateway.remove("fibo-workflow"), 409, "component_in_use")
    assert refused["executions"] == 1
    removed = await gateway.remove("fibo-workflow", force="true")
    assert (removed.status_code, removed.json()["name"]) == (200, "fibo-workflow")
    problem(await gateway.remove("fibo-workflow"), 404, "component_not_found")
    problem(await gateway.http.get("/v1/components/fibo-workflow/wit"), 404, "component_not_found")
    problem(await gateway.call("workflow/fiboa", {"n": 1, "iterations": 1}), 404, "function_not_found")
    assert await gateway.names() == ["fibo-activity"]


async def test_what_was_taken_out_can_be_deployed_again(gateway: Gateway) -> None:
    first = (await gateway.add("one", ACTIVITY)).json()
    removed = (await gateway.remove("one")).json()
    assert removed["digest"] == first["digest"]
    assert (await gateway.add("two", ACTIVITY)).json()["digest"] == first["digest"]
    assert (await gateway.call("fibo/fibo", {"n": 7})).json() == 13


async def test_changes_at_the_same_time_know_of_each_other(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.add(name, ACTIVITY) for name in ("one", "two", "three")))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422]
    refused = next(answer for answer in answers if answer.status_code == 422)
    assert "is exported by both" in problem(refused, 422, "component_invalid")["detail"]
    assert len(await gateway.names()) == 1


async def test_what_waits_for_requests_is_refused_by_name(gateway: Gateway) -> None:
    detail = problem(await gateway.add("hook", HANDLER), 422, "component_invalid")["detail"]
    assert detail.startswith(
        "component.hook: all that it exports is wasi:http/incoming-handler@0.2.0, but no HTTP requests"
    )
    assert await gateway.names() == []
