"""What becomes of a workflow under way when another build of its component is deployed, by policy."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import Incompatible
from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.usecases.effects import Effect
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
LATER = "demo:fibo/workflow.fibo-later"
ORIGINAL = (FIBO / "workflow.wat").read_text()
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
MINUTES = "(i64.const 2)                                     ;; duration: minutes"
DIVERGING = ORIGINAL.replace(MILLISECONDS, MINUTES)
COMPATIBLE = f"{ORIGINAL.rstrip()[:-1]}\n  (core module $unused))\n"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, policy: str) -> configuration.Config:
    text = (
        f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
        f'[component.workflow]\npath = "workflow.wat"\nupgrade = "{policy}"\n'
    )
    return configuration.parse(text, file=folder / "obelisk.toml")


async def asleep(folder: Path, policy: str) -> str:
    """An execution of the original build that sleeps while nobody runs it."""
    (folder / "workflow.wat").write_text(ORIGINAL)
    async with open_runtime(config_of(folder, policy), execute=True) as runtime:
        params = {"n": 10, "milliseconds": 3_600_000}
        submitted = await runtime.api.submit(Submission(ffqn=LATER, params=params))
        while (await runtime.api.get(submitted.execution_id)).waits_for is None:
            await asyncio.sleep(0.005)
        return submitted.execution_id


async def wake(runtime: OpenRuntime, execution_id: str) -> None:
    """End the sleep before its time."""
    assert (await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")).effect is Effect.DONE


async def kinds(runtime: OpenRuntime, execution_id: str) -> list[str]:
    return [type(e.event).__name__ for e in await runtime.api.events(execution_id)]


async def paused(runtime: OpenRuntime, execution_id: str) -> str:
    """Why the engine paused it, once it has."""
    while (await runtime.api.get(execution_id)).status != "paused":
        await asyncio.sleep(0.01)
    return (await runtime.api.get(execution_id)).reason


def test_auto_replays_then_switches(tmp_path: Path) -> None:
    async def work() -> None:
        execution_id = await asleep(tmp_path, "auto")
        (tmp_path / "workflow.wat").write_text(COMPATIBLE)
        async with open_runtime(config_of(tmp_path, "auto"), execute=True) as runtime:
            await wake(runtime, execution_id)
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            found = await kinds(runtime, execution_id)
            assert found[:4] == ["Created", "Locked", "DelayRequest", "Unlocked"]
            assert found[4:7] == ["Locked", "ComponentUpgraded", "JoinNext"]
            assert found.count("ComponentUpgraded") == 1

    run(work())


def test_auto_leaves_alone_what_diverges_until_a_build_fits(tmp_path: Path) -> None:
    async def work() -> None:
        execution_id = await asleep(tmp_path, "auto")
        (tmp_path / "workflow.wat").write_text(DIVERGING)
        async with open_runtime(config_of(tmp_path, "auto"), execute=True) as runtime:
            await wake(runtime, execution_id)
            reason = await paused(runtime, execution_id)
            assert "history event 0" in reason
            assert (await kinds(runtime, execution_id))[-1] == "Paused"
            with pytest.raises(Incompatible) as refused:
                await runtime.api.upgrade(execution_id)
            assert refused.value.fields["index"] == 0
        (tmp_path / "workflow.wat").write_text(COMPATIBLE)
        async with open_runtime(config_of(tmp_path, "auto"), execute=True) as runtime:
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            assert (await kinds(runtime, execution_id)).count("ComponentUpgraded") == 1
            assert (await runtime.api.upgrade(execution_id)).effect is Effect.FINISHED

    run(work())


def test_manual_waits_for_somebody(tmp_path: Path) -> None:
    async def work() -> None:
        execution_id = await asleep(tmp_path, "manual")
        (tmp_path / "workflow.wat").write_text(COMPATIBLE)
        async with open_runtime(config_of(tmp_path, "manual"), execute=True) as runtime:
            await wake(runtime, execution_id)
            assert "waits to be upgraded" in await paused(runtime, execution_id)
            assert (await runtime.api.upgrade(execution_id)).effect is Effect.DONE
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            found = await kinds(runtime, execution_id)
            assert found[found.index("Paused") :][:3] == ["Paused", "ComponentUpgraded", "Unpaused"]

    run(work())


def test_what_runs_with_the_deployed_build_is_up_to_date(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "workflow.wat").write_text(ORIGINAL)
        async with open_runtime(config_of(tmp_path, "manual"), execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": 3_600_000}))
            assert (await runtime.api.upgrade(submitted.execution_id)).effect is Effect.ALREADY
            await runtime.api.add_component("workflow", COMPATIBLE.encode(), {"upgrade": "manual"})
            assert (await runtime.api.upgrade(submitted.execution_id)).effect is Effect.DONE
            await runtime.api.cancel(f"Delay_{submitted.execution_id[2:]}.o:1_1")
            assert isinstance(await runtime.api.wait(submitted.execution_id, 300), log.Returned)

    run(work())
