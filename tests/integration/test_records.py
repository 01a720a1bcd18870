"""What is on record is answered as it was recorded, with real guests, whatever becomes of what is deployed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime import config as configuration
from obelisk.runtime.api import Submission
from obelisk.runtime.bootstrap import OpenRuntime, open_runtime
from obelisk.runtime.log import events as log
from record_guests import ASK, FLOW, child, workflow

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config(folder: Path) -> configuration.Config:
    return configuration.parse("", file=folder / "obelisk.toml")


async def deploy(runtime: OpenRuntime, folder: Path, *, hot: bool = True) -> None:
    await runtime.api.add_component("child", child(folder), {"retry_on_err": False})
    await runtime.api.add_component("flow", workflow(folder), {"hot": hot})


async def asleep(runtime: OpenRuntime) -> str:
    """A workflow that has its answer and sleeps for a day."""
    execution_id = (await runtime.api.submit(Submission(ffqn=FLOW, params={}))).execution_id
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
