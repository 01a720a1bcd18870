"""Replaying and forking on the real runtime: the fibo workflow, as it is and changed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ExecutionNotFound, ForkInvalid, Incompatible, NotReplayable
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
CONCURRENT = "demo:fibo/workflow.fiboa-concurrent"
LATER = "demo:fibo/workflow.fibo-later"
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
MINUTES = "(i64.const 2)                                     ;; duration: minutes"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path) -> configuration.Config:
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "{FIBO}/workflow.wat"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def finished(runtime: OpenRuntime, ffqn: str, params: object) -> str:
    submission = Submission(ffqn=ffqn, params=params, tags=("order=7",))
    execution_id = (await runtime.api.submit(submission)).execution_id
    assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
    return execution_id


async def logged(runtime: OpenRuntime, execution_id: str) -> list[log.Event]:
    return [e.event for e in await runtime.api.events(execution_id, limit=1000)]


def test_a_log_replays_with_its_own_build_and_not_with_another(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            many = await finished(runtime, CONCURRENT, {"n": 10, "iterations": 3})
            slept = await finished(runtime, LATER, {"n": 10, "milliseconds": 1})
            before = await logged(runtime, slept)
            verdict = await runtime.api.replay(many)
            assert (verdict.ok, verdict.reason, verdict.divergence) == (True, "", None)
            old = verdict.digest
            changed = (FIBO / "workflow.wat").read_text().replace(MILLISECONDS, MINUTES).encode()
            new = await runtime.api.add_component("workflow", changed, {})
            assert (await runtime.api.replay(many)).ok
            verdict = await runtime.api.replay(slept)
            assert (verdict.ok, verdict.digest) == (False, new)
            assert verdict.divergence is not None
            assert verdict.divergence.index == 0
            assert (await runtime.api.replay(slept, old)).ok
            assert (await runtime.api.replay(slept, "workflow")).digest == new
            assert await logged(runtime, slept) == before
            with pytest.raises(Incompatible):
                await runtime.api.fork(slept, 4, "workflow")
            with pytest.raises(NotReplayable):
                await runtime.api.fork(slept, 4, old)

    run(work())


def test_what_is_no_workflow_or_no_build_cannot_be_replayed(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            activity = await finished(runtime, "demo:fibo/fibo.fibo", {"n": 10})
            workflow = await finished(runtime, CONCURRENT, {"n": 1, "iterations": 1})
            digest = (await runtime.api.replay(workflow, "workflow")).digest
            for execution_id, build in (
                (activity, None),
                (activity, digest),
                (workflow, "sha256:0"),
                (workflow, "activity"),
            ):
                with pytest.raises(NotReplayable):
                    await runtime.api.replay(execution_id, build)
            with pytest.raises(ExecutionNotFound):
                await runtime.api.replay(f"E_01J{0:023}")

    run(work())


def test_every_fork_of_a_log_comes_to_the_same_result(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            old = await finished(runtime, CONCURRENT, {"n": 10, "iterations": 3})
            events = await logged(runtime, old)
            for version in range(1, len(events) + 1):
                new = await runtime.api.fork(old, version, "workflow")
                outcome = await runtime.api.wait(new, 300)
                assert isinstance(outcome, log.Returned)
                assert bytes(outcome.value) == b'{"ok":55}'
                forked = await logged(runtime, new)
                prefix = [type(e) for e in events[:version] if isinstance(e, log.HistoryEvent)]
                assert [type(e) for e in forked if isinstance(e, log.HistoryEvent)][: len(prefix)] == prefix
                assert old[2:] not in str(log_text(forked[2 : 2 + len(prefix)]))
            found = await runtime.api.list(Query(tags=("order=7",)))
            assert len(found.items) == 1 + len(events)
            for version in (0, len(events) + 1):
                with pytest.raises(ForkInvalid):
                    await runtime.api.fork(old, version)

    run(work())


def log_text(events: list[log.Event]) -> list[str]:
    return [repr(event) for event in events]


def test_a_fork_waits_for_the_delay_that_its_prefix_asked_for(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": 3_600_000}))
            while (await runtime.api.get(submitted.execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
            fork = await runtime.api.fork(submitted.execution_id, 3)
            await runtime.api.cancel(submitted.execution_id)
            assert await runtime.api.wait(fork, 0.3) is None
            await runtime.api.cancel(f"Delay_{fork[2:]}.o:1_1")
            assert isinstance(await runtime.api.wait(fork, 300), log.Returned)

    run(work())


def test_what_trapped_goes_on_with_a_build_that_is_fixed(tmp_path: Path) -> None:
    fixed = (FIBO / "workflow.wat").read_text()
    broken = fixed.replace("(call $fibo (local.get $n) (i32.const 16))", "(unreachable)")
    assert broken != fixed
    (tmp_path / "workflow.wat").write_text(broken)
    text = f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "workflow.wat"\n'
    config = configuration.parse(text, file=tmp_path / "obelisk.toml")

    async def work() -> None:
        async with open_runtime(config, execute=True) as runtime:
            execution_id = (
                await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": 1}))
            ).execution_id
            outcome = await runtime.api.wait(execution_id, 300)
            assert isinstance(outcome, log.Failed)
            assert (outcome.kind, "unreachable" in outcome.reason) == (log.FailureKind.TRAPPED, True)
            assert "wasm function" in outcome.detail
            assert outcome.error_id.startswith("Err_")
            await runtime.api.add_component("workflow", fixed.encode(), {})
            assert (await runtime.api.replay(execution_id, "workflow")).ok
            events = await logged(runtime, execution_id)
            forked = await runtime.api.fork(execution_id, len(events) - 1, "workflow")
            outcome = await runtime.api.wait(forked, 300)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":55}'
            assert await logged(runtime, execution_id) == events

    run(work())
