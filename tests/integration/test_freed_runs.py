"""Runs are freed when they end, without the garbage collector: to look for them took it an eighth of a call."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

EXAMPLES = Path(__file__).parents[2] / "examples"
CONFIG = f"""
[store]
path = "store.sqlite"
[executor]
hot_workflows = 2
[component.activity]
path = "{EXAMPLES}/fibo/activity.wat"
[component.workflow]
path = "{EXAMPLES}/fibo/workflow.wat"
"""
WORK = {
    "an activity": Submission(ffqn="demo:fibo/fibo.fibo", params={"n": 10}),
    "children in series": Submission(ffqn="demo:fibo/workflow.fiboa", params={"n": 10, "iterations": 3}),
    "children at once": Submission(ffqn="demo:fibo/workflow.fiboa-concurrent", params={"n": 10, "iterations": 3}),
    "a sleep": Submission(ffqn="demo:fibo/workflow.fibo-later", params={"n": 10, "milliseconds": 30}),
}


@pytest.fixture
def kept() -> Iterator[list[object]]:
    """What only the collector can free is kept here instead."""
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield gc.garbage
    gc.set_debug(0)
    gc.garbage.clear()


@pytest.mark.parametrize("submission", WORK.values(), ids=WORK)
def test_a_run_that_has_ended_is_freed_at_once(tmp_path: Path, kept: list[object], submission: Submission) -> None:
    async def work() -> None:
        config = configuration.parse(CONFIG, file=tmp_path / "obelisk.toml")
        async with open_runtime(config, execute=True) as runtime:
            made = [(await runtime.api.submit(submission)).execution_id for _ in range(5)]
            for execution_id in made:
                assert isinstance(await runtime.api.wait(execution_id, 300), log.Returned)
            await asyncio.sleep(0)
            gc.collect()
            found = Counter(type(o).__qualname__ for o in kept if type(o).__module__.startswith("obelisk.runtime"))
            assert found == Counter()

    asyncio.run(asyncio.wait_for(work(), 600))
