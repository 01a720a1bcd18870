"""Old builds finish old work: with ``upgrade = "pin"`` an execution goes on with the build that it began with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.store.sqlite.store import SqliteStore
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
PINNED = {"upgrade": "pin"}


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def config_of(folder: Path) -> configuration.Config:
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


def digest_of(runtime: OpenRuntime) -> str:
    return runtime.deployment.find("workflow").digest


async def asleep(runtime: OpenRuntime, milliseconds: int) -> str:
    submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": milliseconds}))
    while (await runtime.api.get(submitted.execution_id)).waits_for is None:
        await asyncio.sleep(0.005)
    return submitted.execution_id


async def wake(runtime: OpenRuntime, execution_id: str) -> None:
    await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")


async def unload(runtime: OpenRuntime, execution_id: str) -> None:
    """Its next run is a replay."""
    await runtime.api.pause(execution_id)
    await runtime.api.unpause(execution_id)


async def locks(runtime: OpenRuntime, execution_id: str) -> list[str]:
    found = await runtime.api.events(execution_id)
    return [logged.event.digest for logged in found if isinstance(logged.event, log.Locked)]


def test_old_and_new_executions_run_side_by_side(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            old = await runtime.api.add_component("workflow", ORIGINAL.encode(), PINNED)
            first = await asleep(runtime, 3_600_000)
            new = await runtime.api.add_component("workflow", DIVERGING.encode(), PINNED)
            second = await asleep(runtime, 3_600_000)
            for execution_id in (first, second):
                await unload(runtime, execution_id)
                await wake(runtime, execution_id)
                assert isinstance(await runtime.api.wait(execution_id, 30), log.Returned)
            assert set(await locks(runtime, first)) == {old}
            assert set(await locks(runtime, second)) == {new}

    run(work())


def test_another_process_has_the_old_builds_too_and_says_how_many_drive_which(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            old = await runtime.api.add_component("workflow", ORIGINAL.encode(), PINNED)
            first = await asleep(runtime, 3_600_000)
            new = await runtime.api.add_component("workflow", DIVERGING.encode(), PINNED)
            second = await asleep(runtime, 3_600_000)
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            assert digest_of(runtime) == new
            used = {use.build: use.count for use in await runtime.deployment.builds_in_use() if use.ffqn == LATER}
            assert used == {old: 1, new: 1}
            assert (await runtime.api.get(first)).build == old
            for execution_id in (first, second):
                await wake(runtime, execution_id)
                assert isinstance(await runtime.api.wait(execution_id, 30), log.Returned)
            assert set(await locks(runtime, first)) == {old}
            await runtime.deployment.load()
            assert runtime.deployment.registry.builds == ()

    run(work())


def test_what_has_diverged_goes_on_with_its_build_once_it_is_pinned(tmp_path: Path) -> None:
    """A bad deployment is mended by the policy alone."""

    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            old = await runtime.api.add_component("workflow", ORIGINAL.encode(), {})
            execution_id = await asleep(runtime, 3_600_000)
            await runtime.api.add_component("workflow", DIVERGING.encode(), {})
            await unload(runtime, execution_id)
            while (await runtime.api.get(execution_id)).status != "paused":
                await asyncio.sleep(0.01)
            assert (await runtime.api.get(execution_id)).build == old
            await runtime.api.add_component("workflow", DIVERGING.encode(), PINNED)
            while (await runtime.api.get(execution_id)).status == "paused":
                await asyncio.sleep(0.01)
            await wake(runtime, execution_id)
            assert isinstance(await runtime.api.wait(execution_id, 30), log.Returned)
            assert (await locks(runtime, execution_id))[-1] == old

    run(work())


def test_an_executor_without_the_build_leaves_it_alone_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: SqliteStore, __: str) -> None:
        return None

    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            old = await runtime.api.add_component("workflow", ORIGINAL.encode(), PINNED)
            execution_id = await asleep(runtime, 3_600_000)
            with monkeypatch.context() as patch:
                patch.setattr(SqliteStore, "component_binary", nothing)
                new = await runtime.api.add_component("workflow", COMPATIBLE.encode(), PINNED)
                assert runtime.deployment.registry.builds == ()
                await unload(runtime, execution_id)
                while not (summary := await runtime.api.get(execution_id)).reason:
                    await asyncio.sleep(0.01)
                assert summary.status == "pending_at"
                assert f"the build {old} that it began with, which cannot be loaded" in summary.reason
            assert (await runtime.api.upgrade(execution_id)).effect is Effect.DONE
            await wake(runtime, execution_id)
            assert isinstance(await runtime.api.wait(execution_id, 30), log.Returned)
            assert await locks(runtime, execution_id) == [old, new]

    run(work())
