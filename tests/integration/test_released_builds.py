"""What a server has loaded of builds that were replaced goes when nothing needs it, without the garbage collector."""

from __future__ import annotations

import asyncio
import weakref
from pathlib import Path

import pytest

from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
LATER = "demo:fibo/workflow.fibo-later"
HOUR_MS = 3_600_000
ORIGINAL = (FIBO / "workflow.wat").read_text()
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
DEPLOYMENTS = 40
MOST = 6
"""The activity, the workflow as it is and was deployed, what is asleep, and some that are on their way."""


def build(number: int) -> bytes:
    """A build like no other."""
    text = ORIGINAL.replace(MILLISECONDS, f"(i64.const {1000 + number}) drop {MILLISECONDS}")
    assert text != ORIGINAL
    return text.encode()


def digest_of(runtime: OpenRuntime) -> str:
    return runtime.api.deployment.find("workflow").digest


class Loaded:
    """What was loaded and is still there."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._seen: dict[int, weakref.ref[Prepared]] = {}

    def look(self) -> int:
        for prepared in self._executor.prepared.values():
            self._seen[id(prepared)] = weakref.ref(prepared)
        return sum(ref() is not None for ref in self._seen.values())


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("policy", ["replay", "pin"])
def test_builds_that_nothing_needs_are_released(tmp_path: Path, policy: str) -> None:
    (tmp_path / "workflow.wat").write_bytes(build(0))
    text = (
        f'[component.activity]\npath = "{FIBO}/activity.wat"\n'
        f'[component.workflow]\npath = "workflow.wat"\nupgrade = "{policy}"\n'
    )
    config = configuration.parse(text, file=tmp_path / "obelisk.toml")

    async def work() -> None:
        async with open_runtime(config, execute=True) as runtime:
            executor = runtime.executor
            assert executor is not None
            loaded, first = Loaded(executor), digest_of(runtime)
            asleep = await runtime.api.submit(Submission(ffqn=LATER, params={"n": 10, "milliseconds": HOUR_MS}))
            while (await runtime.api.get(asleep.execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
            for number in range(1, DEPLOYMENTS):
                await runtime.api.add_component("workflow", build(number), None)
                assert loaded.look() <= MOST
                assert len(executor.prepared) <= MOST
                assert len({digest for _, digest in executor._functions}) <= MOST  # pyright: ignore[reportPrivateUsage]
                assert first in executor.prepared, "the workflow that is asleep has it"
            await runtime.api.cancel(f"Delay_{asleep.execution_id[2:]}.o:1_1")
            assert isinstance(await runtime.api.wait(asleep.execution_id, 300), log.Returned)
            events = await runtime.api.events(asleep.execution_id)
            assert {e.event.digest for e in events if isinstance(e.event, log.Locked)} == {first}
            for number in range(DEPLOYMENTS, DEPLOYMENTS + 2):
                await runtime.api.add_component("workflow", build(number), None)
            assert first not in executor.prepared

    asyncio.run(asyncio.wait_for(work(), 600))
