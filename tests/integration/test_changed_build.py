"""A workflow whose component was replaced by a build that asks for something else: paused, and gone on with later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Summary
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
LATER = "demo:fibo/workflow.fibo-later"
HOUR_MS = 3_600_000
ORIGINAL = (FIBO / "workflow.wat").read_text()
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
MINUTES = "(i64.const 2)                                     ;; duration: minutes"
DIVERGING = ORIGINAL.replace(MILLISECONDS, MINUTES)
assert DIVERGING != ORIGINAL


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, policy: str) -> configuration.Config:
    text = (
        f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
        f'[component.workflow]\npath = "workflow.wat"\nupgrade = "{policy}"\n'
    )
    return configuration.parse(text, file=folder / "obelisk.toml")


async def asleep(folder: Path, policy: str = "replay") -> tuple[str, str]:
    """An execution of the original build that has slept its time out while nothing ran, and that build."""
    (folder / "workflow.wat").write_text(ORIGINAL)
    config = config_of(folder, policy)
    async with open_runtime(config, execute=True) as runtime:
        submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": HOUR_MS}))
        while (await runtime.api.get(submitted.execution_id)).waits_for is None:
            await asyncio.sleep(0.005)
        digest = digest_of(runtime)
    async with open_runtime(config, execute=False) as runtime:
        await runtime.api.cancel(f"Delay_{submitted.execution_id[2:]}.o:1_1")
    return submitted.execution_id, digest


def digest_of(runtime: OpenRuntime) -> str:
    component = runtime.api.registry.component("workflow")
    assert component is not None
    return component.digest


async def paused(runtime: OpenRuntime, execution_id: str) -> Summary:
    while (summary := await runtime.api.get(execution_id)).status != "paused":
        await asyncio.sleep(0.01)
    return summary


async def events_of(runtime: OpenRuntime, execution_id: str) -> list[log.Event]:
    return [e.event for e in await runtime.api.events(execution_id)]


@pytest.mark.parametrize("policy", ["replay", "auto"])
def test_what_diverges_is_paused_and_goes_on_after_the_rollback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, policy: str
) -> None:
    async def work() -> None:
        execution_id, before = await asleep(tmp_path, policy)
        (tmp_path / "workflow.wat").write_text(DIVERGING)
        async with open_runtime(config_of(tmp_path, policy), execute=True) as runtime:
            summary = await paused(runtime, execution_id)
            after = digest_of(runtime)
            cause = summary.cause
            assert isinstance(cause, log.Diverged)
            assert (cause.before, cause.digest, cause.divergence.index) == (before, after, 0)
            expected = msgspec.json.decode(cause.divergence.expected)
            actual = msgspec.json.decode(cause.divergence.actual)
            assert expected["type"] == actual["type"] == "delay_request"
            assert expected["schedule"] == {"in": {"milliseconds": HOUR_MS}}
            assert actual["schedule"] == {"in": {"minutes": HOUR_MS}}
            assert summary.reason == (
                f"logged with {before}, deployed is {after}: "
                "the guest asked for something else than history event 0 has"
            )
            kinds = [type(event) for event in await events_of(runtime, execution_id)]
            assert kinds == [log.Created, log.Locked, log.DelayRequest, log.Unlocked, log.Locked, log.Paused]
            families = {family.name: family.samples for family in await runtime.api.metrics()}
            assert families["obelisk_divergences"] == {(LATER,): 1}
            (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING and execution_id in r.getMessage()]
            assert summary.reason in warning.getMessage()
        (tmp_path / "workflow.wat").write_text(ORIGINAL)
        async with open_runtime(config_of(tmp_path, policy), execute=True) as runtime:
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            found = await events_of(runtime, execution_id)
            unpaused = [event for event in found if isinstance(event, log.Unpaused)]
            assert [event.reason for event in unpaused] == [f"{before} is deployed"]

    run(work())


def test_a_rollback_of_a_server_that_runs_is_enough(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "workflow.wat").write_text(ORIGINAL)
        async with open_runtime(config_of(tmp_path, "replay"), execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": HOUR_MS}))
            execution_id = submitted.execution_id
            while (await runtime.api.get(execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
            await runtime.api.add_component("workflow", DIVERGING.encode(), {})
            await runtime.api.pause(execution_id)
            await runtime.api.unpause(execution_id)
            assert isinstance((await paused(runtime, execution_id)).cause, log.Diverged)
            await runtime.api.unpause(execution_id)
            await asyncio.sleep(0.05)
            assert isinstance((await paused(runtime, execution_id)).cause, log.Diverged), "it diverges again"
            await runtime.api.add_component("workflow", ORIGINAL.encode(), {})
            while (await runtime.api.get(execution_id)).status == "paused":
                await asyncio.sleep(0.01)
            await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)

    run(work())


def test_another_build_that_fits_is_tried_too(tmp_path: Path) -> None:
    async def work() -> None:
        execution_id, _ = await asleep(tmp_path)
        (tmp_path / "workflow.wat").write_text(DIVERGING)
        async with open_runtime(config_of(tmp_path, "replay"), execute=True) as runtime:
            await paused(runtime, execution_id)
        (tmp_path / "workflow.wat").write_text(f"{ORIGINAL.rstrip()[:-1]}\n  (core module $unused))\n")
        async with open_runtime(config_of(tmp_path, "replay"), execute=True) as runtime:
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)

    run(work())


@pytest.mark.parametrize("policy", ["replay", "auto"])
def test_a_build_that_fails_before_it_has_asked_for_what_is_on_record_is_no_match(tmp_path: Path, policy: str) -> None:
    async def work() -> None:
        execution_id, before = await asleep(tmp_path, policy)
        config = config_of(tmp_path, policy)
        (tmp_path / "workflow.wat").write_text(ORIGINAL.replace("(call $sleep", "(unreachable) (call $sleep"))
        async with open_runtime(config, execute=True) as runtime:
            summary = await paused(runtime, execution_id)
            assert "the guest failed early: " in summary.reason
            assert isinstance(summary.cause, log.Diverged)
            assert summary.cause.divergence.index == 0
            assert summary.cause.divergence.actual == log.ABSENT
        (tmp_path / "workflow.wat").write_text(ORIGINAL)
        async with open_runtime(config, execute=True) as runtime:
            assert digest_of(runtime) == before
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)

    run(work())


@pytest.mark.parametrize("policy", ["replay", "auto", "manual"])
def test_a_fork_is_treated_like_what_it_was_forked_from(tmp_path: Path, policy: str) -> None:
    """Also behind the lock of a build that made nothing of the history."""

    async def work() -> None:
        execution_id, before = await asleep(tmp_path, policy)
        (tmp_path / "workflow.wat").write_text(DIVERGING)
        async with open_runtime(config_of(tmp_path, policy), execute=True) as runtime:
            locked = (await paused(runtime, execution_id)).version
            fork = await runtime.api.fork(execution_id, locked)
            await runtime.api.cancel(f"Delay_{fork[2:]}.o:1_1")
            cause = (await paused(runtime, fork)).cause
            assert isinstance(cause, log.Diverged | log.Outdated)
            assert cause.before == before
        (tmp_path / "workflow.wat").write_text(ORIGINAL)
        async with open_runtime(config_of(tmp_path, policy), execute=True) as runtime:
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            assert isinstance(await runtime.api.wait(fork, 300), log.Returned)

    run(work())
