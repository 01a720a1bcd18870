"""Replay, fork and upgrade as routes over the real runtime: the fibo workflow, as it is and changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
LATER = "/v1/functions/demo:fibo/workflow/fibo-later"
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
MINUTES = "(i64.const 2)                                     ;; duration: minutes"


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[tuple[OpenRuntime, httpx.AsyncClient]]:
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
    config = configuration.parse(text, file=folder / "obelisk.toml")
    async with open_runtime(config, execute=True) as runtime:
        transport = httpx.ASGITransport(app=create_app(runtime.api, GatewaySettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://obelisk") as http:
            yield runtime, http


def test_a_log_is_replayed_forked_and_refused_for_another_build(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as (runtime, http):
            called = await http.post(LATER, json={"n": 10, "milliseconds": 1}, headers={"Prefer": "wait=20"})
            assert (called.status_code, called.json()) == (200, 55)
            execution = f"/v1/executions/{called.headers['obelisk-execution-id']}"
            verdict = (await http.post(f"{execution}/replay")).json()
            assert verdict == {"digest": verdict["digest"], "ok": True, "reason": None, "divergence": None}

            forked = await http.post(f"{execution}/fork", params={"version": 4, "build": "workflow"})
            assert forked.status_code == 201
            assert forked.headers["location"] == forked.json()["execution"]
            assert forked.headers["obelisk-execution-id"] == forked.json()["execution_id"]
            result = await http.get(forked.json()["result"], params={"wait": 300})
            assert (result.status_code, result.json()) == (200, 55)
            refused = await http.post(f"{execution}/fork", params={"version": 99})
            assert (refused.status_code, refused.json()["code"], refused.json()["version"]) == (409, "fork_invalid", 99)
            assert (await http.post(f"{execution}/upgrade")).json()["effect"] == "finished"

            changed = (FIBO / "workflow.wat").read_text().replace(MILLISECONDS, MINUTES).encode()
            digest = await runtime.api.add_component("workflow", changed, {})
            verdict = (await http.post(f"{execution}/replay")).json()
            assert (verdict["ok"], verdict["digest"], verdict["divergence"]["index"]) == (False, digest, 0)
            assert verdict["divergence"]["expected"]["type"] == "delay_request"
            assert verdict["divergence"]["actual"] != verdict["divergence"]["expected"]
            refused = await http.post(f"{execution}/fork", params={"version": 4, "build": digest})
            assert (refused.status_code, refused.json()["code"]) == (409, "incompatible")

    asyncio.run(asyncio.wait_for(work(), 600))


def test_a_workflow_goes_on_with_the_build_that_is_deployed(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as (runtime, http):
            body = {"n": 10, "milliseconds": 3_600_000}
            called = await http.post(LATER, json=body, headers={"Prefer": "respond-async"})
            execution = called.headers["location"]
            while (await http.get(execution)).json()["waits_for"] is None:
                await asyncio.sleep(0.01)
            assert (await http.post(f"{execution}/upgrade")).json()["effect"] == "already"
            same = (FIBO / "workflow.wat").read_text() + "\n;; another build, nothing else\n"
            same = same.replace("(component", '(component (core module (func (export "unused")))', 1)
            digest = await runtime.api.add_component("workflow", same.encode(), {})
            assert (await http.post(f"{execution}/upgrade")).json()["effect"] == "done"
            await runtime.api.cancel(f"Delay_{called.headers['obelisk-execution-id'][2:]}.o:1_1")
            result = await http.get(f"{execution}/result", params={"wait": 300})
            assert (result.status_code, "error" in result.json()) == (422, True), "the sleep did not end as it was to"
            with_it = (
                await http.get("/v1/executions", params={"digest": digest, "created_from": "2020-01-01T00:00:00Z"})
            ).json()["items"]
            assert [item["execution_id"] for item in with_it] == [called.headers["obelisk-execution-id"]]

    asyncio.run(asyncio.wait_for(work(), 600))
