"""How an executor ends: drained, or broken; what it held goes on elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime import config as configuration
from obelisk.runtime.api import Submission
from obelisk.runtime.bootstrap import open_runtime
from obelisk.runtime.log import events as log

SPINNING = """(component
  (core module $m (func (export "spin") (result i32) (loop $again (br $again)) unreachable))
  (core instance $i (instantiate $m))
  (func $spin (result u32) (canon lift (core func $i "spin")))
  (instance (export "demo:spin/spin") (export "spin" (func $spin))))"""
SPIN = Submission(ffqn="demo:spin/spin.spin", params={})
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


def config_of(folder: Path) -> configuration.Config:
    (folder / "spin.wat").write_text(SPINNING)
    text = '[executor]\nthreads = 1\ngrace_ms = 400\n[component.spin]\npath = "spin.wat"\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


def test_what_has_not_begun_is_let_go_before_the_drain(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime:
            started = [(await runtime.api.submit(SPIN)).execution_id for _ in range(3)]
            await asyncio.sleep(0.3)
        async with open_runtime(config, execute=False) as runtime:
            ends = [(await runtime.api.events(execution_id))[-1] for execution_id in started]
        reasons = [end.event.reason for end in ends if isinstance(end.event, log.Unlocked)]
        assert reasons == ["the executor stopped", "the executor stops", "the executor stops"]
        assert ends[0].at_us - ends[1].at_us >= 400_000

    run(work())


def test_a_loop_that_breaks_ends_the_executor_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        failed: list[str] = []
        async with open_runtime(config, execute=True, on_failed=failed.append) as runtime:
            execution_id = (await runtime.api.submit(SPIN)).execution_id
            await asyncio.sleep(0.2)
            executor = runtime.executor
            assert executor is not None

            async def cancelling() -> tuple[str, ...]:
                raise ZeroDivisionError("a bug")

            monkeypatch.setattr(executor.store, "cancelling", cancelling)
            for _ in range(100):
                if failed:
                    break
                await asyncio.sleep(0.05)
            assert failed == ["the cancellations loop broke: ZeroDivisionError: a bug"]
            assert not executor.is_running(execution_id)
            assert executor.stopping
        async with open_runtime(config, execute=False) as runtime:
            assert (await runtime.api.get(execution_id)).status == "pending_at"

    with caplog.at_level(logging.CRITICAL):
        run(work())
    assert "the cancellations loop broke" in caplog.text
    assert "ZeroDivisionError" in caplog.text
