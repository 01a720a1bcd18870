"""A workflow whose component was replaced by a build that asks for something else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from obelisk.runtime import config as configuration
from obelisk.runtime.api import Submission
from obelisk.runtime.bootstrap import open_runtime
from obelisk.runtime.log import events as log
from obelisk.runtime.ports import LoggedEvent

FIBO = Path(__file__).parents[2] / "examples" / "fibo"
MILLISECONDS = "(i64.const 0)                                     ;; duration: milliseconds"
MINUTES = "(i64.const 2)                                     ;; duration: minutes"


def test_replay_of_a_changed_build_ends_as_nondeterminism_and_keeps_the_log(tmp_path: Path) -> None:
    original = (FIBO / "workflow.wat").read_text()
    assert MILLISECONDS in original
    (tmp_path / "workflow.wat").write_text(original)
    config = configuration.parse(
        f'[component.activity]\npath = "{FIBO}/activity.wat"\n[component.workflow]\npath = "workflow.wat"\n',
        file=tmp_path / "obelisk.toml",
    )

    async def before() -> tuple[str, str]:
        async with open_runtime(config, execute=True) as runtime:
            params = {"n": 10, "milliseconds": 300}
            submitted = await runtime.api.submit(Submission(ffqn="demo:fibo/workflow.fibo-later", params=params))
            assert await runtime.api.wait(submitted.execution_id, 0.05) is None
            component = runtime.api.registry.component("workflow")
            assert component is not None
            return submitted.execution_id, component.digest

    async def after(execution_id: str) -> tuple[log.Outcome | None, list[LoggedEvent]]:
        async with open_runtime(config, execute=True) as runtime:
            outcome = await runtime.api.wait(execution_id, 20)
            return outcome, list(await runtime.api.events(execution_id))

    execution_id, digest = asyncio.run(before())
    (tmp_path / "workflow.wat").write_text(original.replace(MILLISECONDS, MINUTES))
    outcome, logged = asyncio.run(after(execution_id))
    assert isinstance(outcome, log.Failed)
    assert outcome.kind is log.FailureKind.NONDETERMINISM_DETECTED
    assert outcome.divergence is not None
    assert outcome.divergence.index == 0
    expected = msgspec.json.decode(outcome.divergence.expected)
    actual = msgspec.json.decode(outcome.divergence.actual)
    assert expected["type"] == actual["type"] == "delay_request"
    assert expected["schedule"] == {"in": {"milliseconds": 300}}
    assert actual["schedule"] == {"in": {"minutes": 300}}
    kinds = [type(e.event) for e in logged]
    assert kinds == [log.Created, log.Locked, log.DelayRequest, log.Unlocked, log.Locked, log.Finished]
    locks = [e.event for e in logged if isinstance(e.event, log.Locked)]
    assert locks[0].digest == digest
    assert locks[1].digest != digest
