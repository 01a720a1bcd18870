"""Changes of what is deployed: only what changed is prepared, what has to be is prepared side by side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.errors import ComponentError, ComponentInUse, ComponentNotFound, ImportRefused, StoreError
from obelisk.runtime.host.guests import WasmtimeHost
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.store.sqlite.store import SqliteStore
from obelisk.runtime.wiring.clock import SystemClock

EXAMPLES = Path(__file__).parents[2] / "examples/fibo"
ACTIVITY, WORKFLOW = (EXAMPLES / "activity.wat").read_bytes(), (EXAMPLES / "workflow.wat").read_bytes()


class Watched:
    """Two deployments over one database, as two processes have them; `prepared` are the names, as they were begun."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prepared: list[str] = []
        self.at_once = threading.Barrier(1)
        self.store = SqliteStore.open(folder / "db.sqlite")
        self.host = WasmtimeHost(folder / "cache")
        self.changes: list[tuple[str, ...]] = []

        def watched(host: Any, component: Component, registry: Registry, binary: bytes) -> Prepared:
            self.prepared.append(component.name)
            self.at_once.wait(300)
            return prepare(host, component, registry, binary)

        monkeypatch.setattr("obelisk.runtime.deployment.deployment.prepare", watched)

    def deployment(self) -> Deployment:
        def changed(registry: Registry, prepared: Mapping[str, Prepared]) -> None:
            assert {one.digest for one in registry.components} <= prepared.keys()
            self.changes.append(tuple(one.name for one in registry.components))

        return Deployment(store=self.store, host=self.host, clock=SystemClock(), changed=changed)

    def told(self) -> list[str]:
        """What was prepared since this was last asked."""
        names, self.prepared[:] = list(self.prepared), []
        return sorted(names)

    async def close(self) -> None:
        await self.store.close()
        self.host.close()


def source(name: str, content: bytes, **settings: object) -> Source:
    return Source(name=name, content=content, settings=settings)


def test_only_what_changed_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        here, there = world.deployment(), world.deployment()
        await here.add_all([source("act", ACTIVITY), source("flow", WORKFLOW)])
        assert world.told() == ["act", "flow"]
        await here.load()
        assert world.told() == [], "what it deployed itself it has"
        await there.load()
        assert world.told() == ["act", "flow"]
        await here.add("act", ACTIVITY, {"max_retries": 7})
        assert world.told() == ["act"]
        world.changes.clear()
        await here.load()
        assert (world.told(), world.changes) == ([], []), "nothing is new to who changed it"
        await there.load()
        assert (world.told(), world.changes) == (["act"], [("act", "flow")])
        found = there.registry.component("act")
        assert found is not None
        assert found.settings.max_retries == 7
        assert there.registry.functions["demo:fibo/fibo.fibo"].component is found
        await here.remove("flow")
        await there.load()
        assert (world.told(), world.changes[-1]) == ([], ("act",))
        await world.close()

    asyncio.run(work())


def test_what_two_processes_deploy_at_once_fits_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither has heard of the other's change when it makes its own."""

    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        here, there = world.deployment(), world.deployment()
        await here.add("act", ACTIVITY, {})
        await there.load()
        await there.add("flow", WORKFLOW, {})
        with pytest.raises(ComponentInUse, match="flow"):
            await here.remove("act")
        await here.add("act", ACTIVITY, {"max_retries": 7})
        await there.remove("flow")
        assert [one.name for one in there.registry.components] == ["act"]
        with pytest.raises(ComponentNotFound):
            await here.remove("flow")
        await here.remove("act")
        with pytest.raises(ImportRefused):
            await there.add("flow", WORKFLOW, {})
        assert await world.store.components() == ()
        await world.close()

    asyncio.run(work())


def test_what_another_process_has_replaced_is_deployed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollback through a process that has not heard of what it takes back."""

    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        here, there = world.deployment(), world.deployment()
        await here.add("act", ACTIVITY, {"max_retries": 1})
        await there.load()
        await there.add("act", ACTIVITY, {"max_retries": 7})
        await here.add("act", ACTIVITY, {"max_retries": 1})
        await there.load()
        for deployment in (here, there):
            found = deployment.registry.component("act")
            assert found is not None
            assert found.settings.max_retries == 1
        await world.close()

    asyncio.run(work())


def test_nothing_is_deployed_of_what_cannot_be_recorded_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        deployment = world.deployment()
        with pytest.raises(StoreError):
            await deployment.add_all([source("act", ACTIVITY), source("\ud800", WORKFLOW)])
        assert await world.store.components() == ()
        assert deployment.registry.components == ()
        await world.close()

    asyncio.run(work())


def test_components_are_prepared_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        world.at_once = threading.Barrier(2)  # which breaks unless two are prepared at the same time
        deployment = world.deployment()
        await deployment.add_all([source("act", ACTIVITY), source("flow", WORKFLOW)])
        await world.deployment().load()
        assert world.told() == ["act", "act", "flow", "flow"]
        await world.close()

    asyncio.run(work())


def test_the_first_that_is_refused_is_named_and_nothing_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        world = Watched(tmp_path, monkeypatch)
        deployment = world.deployment()
        refused = source("flow", WORKFLOW, env={"A": "b"})
        with pytest.raises(ComponentError, match=r"component\.flow: component\.flow\.env: a workflow reaches nothing"):
            await deployment.add_all([source("act", ACTIVITY), refused])
        assert await world.store.components() == ()
        assert deployment.registry.components == ()
        await world.close()

    asyncio.run(work())
