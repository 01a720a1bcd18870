"""What is on record is answered as it was recorded, with real guests, whatever becomes of what is deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from obelisk.runtime.deployment.reading import Source
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.store import Query
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from record_guests import ASK, FLOW, TYPED, child, typed_workflow, workflow

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config(folder: Path) -> configuration.Config:
    return configuration.parse("", file=folder / "obelisk.toml")


async def deploy(runtime: OpenRuntime, folder: Path, *, hot: bool = True) -> None:
    await runtime.api.add_component("child", child(folder), {"retry_on_err": False})
    await runtime.api.add_component("flow", workflow(folder), {"hot": hot})


async def asleep(runtime: OpenRuntime, ffqn: str = FLOW) -> str:
    """A workflow that has its answer and sleeps for a day."""
    execution_id = (await runtime.api.submit(Submission(ffqn=ffqn, params={}))).execution_id
    while (await runtime.api.get(execution_id)).waits_for != "o:2":
        await asyncio.sleep(0.01)
    return execution_id


async def woken(runtime: OpenRuntime, execution_id: str) -> log.Outcome:
    """How it ends once its sleep is over."""
    await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:2_1")
    outcome = await runtime.api.wait(execution_id, 300)
    assert outcome is not None
    return outcome


async def changed(runtime: OpenRuntime, how: str, folder: Path) -> None:
    """Another deployment of the child."""
    if how == "removed":
        await runtime.api.remove_component("child", force=True)
    elif how == "retyped":
        await runtime.api.add_component("child", child(folder, param="string", result="string"), {})


ANSWER = b'[0,1,1,"\\"boom\\""]'
"""ok, in it err, in it some text: the JSON of the child's error."""


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "replayed"])
@pytest.mark.parametrize("how", ["kept", "removed", "retyped"])
def test_an_answer_stays_what_it_was(tmp_path: Path, how: str, hot: bool) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            await deploy(runtime, tmp_path, hot=hot)
            execution_id = await asleep(runtime)
            await changed(runtime, how, tmp_path)
            outcome = await woken(runtime, execution_id)
            assert isinstance(outcome, log.Returned), outcome
            assert bytes(outcome.value) == ANSWER

    run(work())


@pytest.mark.parametrize("how", ["removed", "retyped"])
def test_a_build_that_was_replaced_still_replays_its_log(tmp_path: Path, how: str) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            await deploy(runtime, tmp_path)
            digest = next(c.digest for c in runtime.api.registry.components if c.name == "flow")
            execution_id = await asleep(runtime)
            await woken(runtime, execution_id)
            await changed(runtime, how, tmp_path)
            await runtime.api.add_component("flow", workflow(tmp_path, params="[2]"), {})
            old, new = [await runtime.api.replay(execution_id, build) for build in (digest, "flow")]
            assert old.ok, old.reason
            assert not new.ok
            forked = await runtime.api.fork(execution_id, 1)
            created = (await runtime.api.events(forked))[0].event
            assert isinstance(created, log.Created)
            assert created.signature == runtime.api.registry.function(FLOW).signature

    run(work())


def test_records_tell_the_types_of_what_they_asked_for(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            await deploy(runtime, tmp_path)
            execution_id = await asleep(runtime)
            function = runtime.api.registry.function(ASK)
            request = next(
                e.event for e in await runtime.api.events(execution_id) if isinstance(e.event, log.JoinSetRequest)
            )
            first, *_, last = [e.event for e in await runtime.api.events(request.child)]
            assert isinstance(first, log.Created)
            assert isinstance(last, log.Finished)
            assert request.signature == first.signature == function.signature
            assert last.outcome == log.Returned(value=last.outcome.value, shape="vf")  # type: ignore[union-attr]

    run(work())


# --- what waits while its types change -------------------------------------------------------------------------------
NOBODY: dict[str, object] = {"labels": ["nobody"]}
ANYBODY: dict[str, object] = {"labels": [], "max_retries": 0}


async def waiting(runtime: OpenRuntime, folder: Path) -> str:
    """An execution of the child that was begun with the first types and that no executor may run yet."""
    await runtime.api.add_component("child", child(folder), NOBODY)
    return (await runtime.api.submit(Submission(ffqn=ASK, params={"p": 1}))).execution_id


async def paused(runtime: OpenRuntime, execution_id: str) -> str:
    """Why it is paused, once it is."""
    while (await runtime.api.get(execution_id)).status != "paused":
        await asyncio.sleep(0.01)
    return (await runtime.api.get(execution_id)).reason


@pytest.mark.parametrize("restarted", [False, True])
def test_work_that_does_not_fit_is_held_and_goes_on_after_a_rollback(
    tmp_path: Path, restarted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            execution_id = await waiting(runtime, tmp_path)
            await runtime.api.add_component("child", child(tmp_path, param="string", result="string"), ANYBODY)
            reason = await paused(runtime, execution_id)
            assert "has other types than the execution was begun with: params/0: expected string, found 1;" in reason
            assert "deploy a build that fits, or cancel" in reason
            counts = {family.name: family for family in await runtime.api.metrics()}
            assert sum(counts["obelisk_unfit"].samples.values()) == 1
            if not restarted:
                await runtime.api.add_component("child", child(tmp_path), ANYBODY)
                outcome = await runtime.api.wait(execution_id, 60)
                assert isinstance(outcome, log.Returned)
        if restarted:
            async with open_runtime(config(tmp_path), execute=True) as runtime:
                assert await paused(runtime, execution_id) == reason
                await runtime.api.add_component("child", child(tmp_path), ANYBODY)
                assert isinstance(await runtime.api.wait(execution_id, 60), log.Returned)
        assert "Traceback" not in caplog.text
        assert [r.levelname for r in caplog.records if "has other types" in r.message] == ["WARNING"]

    run(work())


def test_work_that_does_not_fit_can_be_cancelled(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            execution_id = await waiting(runtime, tmp_path)
            await runtime.api.add_component("child", child(tmp_path, param="string"), ANYBODY)
            await paused(runtime, execution_id)
            await runtime.api.cancel(execution_id)
            outcome = await runtime.api.wait(execution_id, 60)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.CANCELLED

    run(work())


def test_parameters_that_have_todays_types_too_run_and_are_shown_as_returned(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            execution_id = await waiting(runtime, tmp_path)
            await runtime.api.add_component("child", child(tmp_path, param="u16", result="string"), ANYBODY)
            assert await runtime.api.wait(execution_id, 60) == log.Returned(value=msgspec.Raw(b'"boom"'), shape="v")

    run(work())


def test_a_child_whose_result_changed_is_held(tmp_path: Path) -> None:
    """Its parent could not take what it returns."""

    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:
            await runtime.api.add_component("child", child(tmp_path), NOBODY)
            await runtime.api.add_component("flow", workflow(tmp_path), {})
            parent = (await runtime.api.submit(Submission(ffqn=FLOW, params={}))).execution_id
            of = f"{parent}.o:1_1"
            while await runtime.api.count(Query(parent=parent)) == 0:
                await asyncio.sleep(0.01)
            await runtime.api.add_component("child", child(tmp_path, result="string"), ANYBODY)
            assert "its result has another type than the parent asked for" in await paused(runtime, of)
            await runtime.api.add_component("child", child(tmp_path), ANYBODY)
            while (await runtime.api.get(parent)).waits_for != "o:2":
                await asyncio.sleep(0.01)
            outcome = await woken(runtime, parent)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == ANSWER

    run(work())


def test_an_answer_that_does_not_fit_another_build_pauses_it_until_one_is_deployed_that_it_fits(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config(tmp_path), execute=True) as runtime:

            async def deployed(result: str) -> None:
                contents = {"child": child(tmp_path, result=result), "typed": typed_workflow(tmp_path, result)}
                settings: dict[str, dict[str, object]] = {"child": ANYBODY, "typed": {"hot": False}}
                await runtime.api.deployment.add_all(
                    [Source(name=name, content=content, settings=settings[name]) for name, content in contents.items()]
                )

            await deployed("result<string, string>")
            execution_id = await asleep(runtime, TYPED)
            await deployed("string")
            await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:2_1")
            reason = await paused(runtime, execution_id)
            assert "an answer on record does not have the type that the guest asks for: ask: expected" in reason
            cause = (await runtime.api.get(execution_id)).cause
            assert isinstance(cause, log.Diverged)
            assert b'"join_next"' in bytes(cause.divergence.expected)
            await deployed("result<string, string>")
            outcome = await runtime.api.wait(execution_id, 60)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'"boom"'

    run(work())
