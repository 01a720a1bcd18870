"""A server answers while components are compiled: it says how far it is, and calls are recorded and wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from obelisk.gateway.app import create_app
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.deployment.progress import Preparing
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
CONFIGURED = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
CALL = "/v1/functions/demo:fibo/workflow/fiboa"
PARAMS = {"n": 10, "iterations": 2}


class Compilers:
    """Each component is prepared once `go` of it was set; `begun` are the names in the order of their turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.go = {"activity": threading.Event(), "workflow": threading.Event()}
        self.fails = False

        def held(host: Any, component: Component, registry: Registry, binary: bytes) -> Prepared:
            self.begun.append(component.name)
            assert self.go[component.name].wait(300)
            if self.fails:
                raise ComponentError("it is no good")
            return prepare(host, component, registry, binary)

        monkeypatch.setattr("obelisk.runtime.deployment.deployment.prepare", held)

    def let(self, *names: str) -> None:
        for name in names:
            self.go[name].set()

    def hold(self) -> None:
        self.begun.clear()
        for event in self.go.values():
            event.clear()


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, text: str = CONFIGURED) -> configuration.Config:
    return configuration.parse(text, file=folder / "obelisk.toml")


def client(runtime: OpenRuntime) -> httpx.AsyncClient:
    app = create_app(runtime.api, GatewaySettings())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=300)


async def until(runtime: OpenRuntime, names: set[str]) -> None:
    """Until exactly these are being prepared."""
    while runtime.api.deployment.preparing is None or set(runtime.api.deployment.preparing.names) != names:
        await asyncio.sleep(0.005)


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> Compilers:
    return Compilers(monkeypatch)


def test_a_first_start_refuses_calls_for_the_time_being_and_says_how_far_it_is(
    tmp_path: Path, compilers: Compilers
) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True, early=True) as runtime, client(runtime) as http:
            await until(runtime, {"activity", "workflow"})
            assert (await http.get("/livez")).status_code == 200
            compilers.let("activity")
            await until(runtime, {"workflow"})
            for answer in (await http.get("/readyz"), await http.post(CALL, json=PARAMS)):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
                assert answer.json()["detail"] == (
                    "the server is starting: 1 of 2 components are prepared; now workflow"
                )
                told = {key: answer.json()[key] for key in ("code", "done", "total", "names")}
                assert told == {"code": "not_ready", "done": 1, "total": 2, "names": ["workflow"]}
            compilers.let("workflow")
            await runtime.completed
            assert (await http.get("/readyz")).json() == {"status": "ok", "faults": 0}
            assert (await http.post(CALL, json=PARAMS)).json() == 55
            unknown = await http.post("/v1/functions/demo:fibo/workflow/none", json={})
            assert unknown.status_code == 404

    run(work())


def test_a_restart_records_calls_at_once_and_runs_each_component_when_it_is_ready(
    tmp_path: Path, compilers: Compilers
) -> None:
    async def work() -> None:
        compilers.let("activity", "workflow")
        async with open_runtime(config_of(tmp_path), execute=False):
            pass
        compilers.hold()
        async with open_runtime(config_of(tmp_path), execute=True, early=True) as runtime, client(runtime) as http:
            waits = await http.post(CALL, json=PARAMS, headers={"Prefer": "respond-async"})
            assert waits.status_code == 202
            assert (await http.get("/readyz")).status_code == 503
            compilers.let("activity")
            assert (await http.post("/v1/functions/demo:fibo/fibo/fibo", json={"n": 10})).json() == 55
            shown = await http.get(waits.headers["location"])
            assert shown.json()["status"] == "pending_at"
            compilers.let("workflow")
            result = await http.get(f"{waits.headers['location']}/result", params={"wait": "60"})
            assert result.json() == 55
            await runtime.completed
            assert (await http.get("/readyz")).status_code == 200

    run(work())


def test_a_build_that_the_configuration_replaces_is_not_prepared_again(tmp_path: Path, compilers: Compilers) -> None:
    async def work() -> None:
        compilers.let("activity", "workflow")
        async with open_runtime(config_of(tmp_path), execute=False):
            pass
        compilers.begun.clear()
        changed = CONFIGURED + "max_history_events = 5000\n"
        async with open_runtime(config_of(tmp_path, changed), execute=False):
            assert sorted(compilers.begun) == ["activity", "workflow"]

    run(work())


def test_nothing_is_counted_before_it_is_known_what_there_is() -> None:
    assert str(Preparing(total=0)) == "it reads what is to be deployed"
    begun = Preparing(total=2).begun("a").begun("b").ended("a")
    assert str(begun) == "1 of 2 components are prepared; now b"
    assert str(begun.ended("b")) == "2 of 2 components are prepared"


def test_what_is_wrong_with_a_component_ends_the_start(tmp_path: Path, compilers: Compilers) -> None:
    async def work() -> None:
        compilers.fails = True
        async with open_runtime(config_of(tmp_path), execute=True, early=True) as runtime:
            compilers.let("activity", "workflow")
            with pytest.raises(ComponentError, match=r"component\.activity: it is no good"):
                await runtime.completed
            assert runtime.api.registry.components == ()

    run(work())
