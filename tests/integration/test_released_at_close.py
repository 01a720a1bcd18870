"""What a runtime takes from the system goes when it is closed, not when the garbage collector comes by."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from obelisk.runtime.host.wasmtime import engine
from obelisk.runtime.host.wasmtime.room import SystemMeasures
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
WORKFLOW = Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 10, "iterations": 2})
GIB = 1 << 30


@pytest.fixture
def _large_pools(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """As large as in production."""
    monkeypatch.setattr(engine, "POOL_SLOTS", 1000)


def config_of(folder: Path, settings: str = "") -> configuration.Config:
    text = f"""
[component.activity]
path = "{FIBO}/activity.wat"
{settings}
[component.workflow]
path = "{FIBO}/workflow.wat"
"""
    return configuration.parse(text, file=folder / "obelisk.toml")


async def works(runtime: OpenRuntime) -> None:
    submitted = await runtime.api.submit(WORKFLOW)
    outcome = await runtime.api.wait(submitted.execution_id, 30)
    assert isinstance(outcome, log.Returned)


@pytest.mark.usefixtures("without_collector", "_large_pools")
def test_runtimes_that_are_closed_leave_nothing(tmp_path: Path) -> None:
    """Each pool would take 4.7 TB and 2,000 maps: 27 of them are the end of the process."""
    measures = SystemMeasures()

    async def open_and_close(number: int) -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            if number % 10 == 0:
                await works(runtime)

    for number in range(5):
        asyncio.run(open_and_close(number))
    maps, size = measures.maps(), measures.address_bytes()
    for number in range(5, 200):
        asyncio.run(open_and_close(number))
    assert measures.maps() < maps + 200
    assert measures.address_bytes() < size + GIB


@pytest.mark.usefixtures("without_collector", "_large_pools")
def test_runtimes_that_are_open_share_a_pool(tmp_path: Path) -> None:
    measures = SystemMeasures()

    async def side_by_side() -> int:
        async with AsyncExitStack() as stack:

            async def another(number: int) -> OpenRuntime:
                folder = tmp_path / str(number)
                folder.mkdir()
                return await stack.enter_async_context(open_runtime(config_of(folder), execute=True))

            await works(await another(0))
            size, maps = measures.address_bytes(), measures.maps()
            for number in range(1, 29):
                await another(number)
            await works(await another(29))
            assert measures.address_bytes() < size + 100 * GIB
            return measures.maps() - maps

    before = measures.maps()
    assert asyncio.run(asyncio.wait_for(side_by_side(), 120)) < 1_500
    assert measures.maps() < before + 500


@pytest.mark.usefixtures("without_collector")
def test_a_runtime_that_cannot_open_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.wat").write_text('(component (import (interface "a:b/c") (func)))')
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.bad]\npath = "bad.wat"\n'
    config = configuration.parse(text, file=tmp_path / "obelisk.toml")
    measures = SystemMeasures()

    async def refused() -> None:
        with pytest.raises(Exception, match="bad"):
            async with open_runtime(config, execute=True):
                pass

    asyncio.run(refused())
    before = measures.maps()
    for _ in range(20):
        asyncio.run(refused())
    assert measures.maps() < before + 50
