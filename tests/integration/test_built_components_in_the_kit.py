"""Built components in the test kit: on virtual time, next to native ones, and replaying what those have recorded."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import kept
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.catalog.settings import ComponentKind, ComponentSettings
from obelisk.runtime.deployment.preparing import prepare
from obelisk.runtime.workers.verification import verify
from obelisk.testing import built, histories
from obelisk.testing.project import Project
from obelisk.testing.virtual_time import VirtualLoop
from obelisk.testing.world import World

ROOT = Path(__file__).resolve().parents[2]
FFQN = "demo:trip/workflow.book-trip"


@pytest.fixture
def fibo(tmp_path: Path) -> Iterator[Project]:
    """The example in component text as a project."""
    shutil.copytree(ROOT / "examples/fibo", tmp_path, dirs_exist_ok=True)
    tables = [f'[component.{name}]\npath = "{name}.wat"\n' for name in ("activity", "workflow")]
    (tmp_path / "obelisk.toml").write_text("".join(tables))
    project = Project(tmp_path)
    yield project
    project.forget_bindings()


def module(project: Project, name: str) -> Any:
    return project.bindings.space.load(f"wit_world.imports.{name}")


def test_components_in_another_language_run_on_virtual_time(fibo: Project) -> None:
    with World(fibo) as world:
        begin = world.now
        assert world.run_sync(module(fibo, "workflow").fibo_later, 10, 3_600_000) == 55
        assert world.now - begin == timedelta(hours=1)
        assert world.run_sync(module(fibo, "workflow").fiboa_concurrent, 10, 20) == 55
        assert len(world.calls(module(fibo, "fibo").fibo)) == 21


def test_functions_stand_for_those_of_a_built_component(fibo: Project) -> None:
    with World(fibo) as world:
        world.replace(module(fibo, "fibo").fibo, 7000)
        assert world.run_sync(module(fibo, "workflow").fiboa, 7, 3) == 7000


@pytest.mark.parametrize("path", sorted((ROOT / "examples/trip/tests/histories").glob("*.json")), ids=lambda p: p.stem)
def test_the_built_component_replays_what_its_source_has_recorded_natively(path: Path) -> None:
    """From every prefix: the two ask for the same in the same order, the seed of `random` included."""
    stored = histories.read(path)
    loop = VirtualLoop()
    host = built.host(loop, kept.COMPILED)
    kinds = {"activities": ComponentKind.ACTIVITY, "workflow": ComponentKind.WORKFLOW}
    binaries = {name: (ROOT / f".cache/examples/trip/{name}.wasm").read_bytes() for name in kinds}
    components = {
        name: Component(name=name, kind=kind, settings=ComponentSettings(), description=describe(binaries[name]))
        for name, kind in kinds.items()
    }
    registry = Registry(tuple(components.values()))
    prepared = prepare(host, components["workflow"], registry, binaries["workflow"])

    async def replay(length: int) -> str:
        verdict = await verify(
            histories.prefix(stored, length),
            digest=components["workflow"].digest,
            function=registry.function(FFQN),
            prepared=prepared,
            registry=registry,
            now_us=0,
        )
        return verdict.reason

    try:
        assert [asyncio.run(replay(length)) for length in range(1, len(stored.events) + 1)] == [""] * len(stored.events)
    finally:
        host.close()
        loop.close()
