"""How an executor ends: drained, or broken; what it held goes on elsewhere."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest
from msgspec import structs

from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.pool import Pool
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.store.sqlite.store import SqliteStore
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

SPINNING = """(component
  (core module $m
    (func (export "spin") (result i32) (loop $again (br $again)) unreachable)
    (func (export "trap") (result i32) unreachable))
  (core instance $i (instantiate $m))
  (func $spin (result u32) (canon lift (core func $i "spin")))
  (func $trap (result u32) (canon lift (core func $i "trap")))
  (instance (export "demo:spin/spin") (export "spin" (func $spin)) (export "trap" (func $trap))))"""
SPIN = Submission(ffqn="demo:spin/spin.spin", params={})
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path) -> configuration.Config:
    (folder / "spin.wat").write_text(SPINNING)
    text = '[executor]\nthreads = 1\ngrace_ms = 400\n[component.spin]\npath = "spin.wat"\nmax_retries = 0\n'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def locked(runtime: OpenRuntime, execution_id: str) -> bool:
    return (await runtime.api.get(execution_id)).status == "locked"


def keep_threads(_: Pool) -> bool:
    """Instead of `Pool.is_wanted`."""
    return False


def test_what_has_not_begun_is_let_go_before_the_drain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only thread is not given back, as by a guest in a host call that takes long: two wait for it."""
    monkeypatch.setattr(Pool, "is_wanted", keep_threads)

    async def work() -> None:
        config, before = config_of(tmp_path), fibers.live_count()
        async with open_runtime(config, execute=True) as runtime:
            started = [(await runtime.api.submit(SPIN)).execution_id]
            while not any(thread.name == "obelisk-computing" for thread in threading.enumerate()):
                await asyncio.sleep(0.005)
            started += [(await runtime.api.submit(SPIN)).execution_id for _ in range(2)]
            while not all([await locked(runtime, one) for one in started]):
                await asyncio.sleep(0.005)
            assert fibers.live_count() == before + 1
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
            executor = runtime.executor
            assert executor is not None
            execution_id = (await runtime.api.submit(SPIN)).execution_id
            while not executor.is_running(execution_id):
                await asyncio.sleep(0.005)

            async def cancelling() -> tuple[str, ...]:
                raise ZeroDivisionError("a bug")

            monkeypatch.setattr(executor.store, "cancelling", cancelling)
            while not failed:
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


def test_a_callback_that_breaks_ends_the_executor_loudly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def give_back(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    async def work() -> None:
        failed: list[str] = []
        async with open_runtime(config_of(tmp_path), execute=True, on_failed=failed.append) as runtime:
            executor = runtime.executor
            assert executor is not None
            monkeypatch.setattr(executor.places, "give_back", give_back)
            await runtime.api.submit(Submission(ffqn="demo:spin/spin.trap", params={}))
            while not failed:
                await asyncio.sleep(0.05)
            assert failed == ["_attempt_ended broke: ZeroDivisionError: a bug"]
            monkeypatch.undo()

    with caplog.at_level(logging.CRITICAL):
        run(work())
    assert "_attempt_ended broke: dropping all runs" in caplog.text


def test_what_is_locked_here_without_a_run_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a claim can be lost after it was recorded."""

    async def work() -> None:
        async with open_runtime(config_of(tmp_path), execute=False) as runtime:
            execution_id = (await runtime.api.submit(Submission(ffqn="demo:spin/spin.trap", params={}))).execution_id
        config = config_of(tmp_path)
        config = dataclasses.replace(config, executor=structs.replace(config.executor, lease_ms=2_000))
        right = SqliteStore.claim
        lost: list[str] = []

        async def claim(store: SqliteStore, wanted: Claim) -> tuple[Stored, ...]:
            taken = await right(store, wanted)
            lost.extend(stored.execution_id for stored in taken)
            if len(lost) == 1 and taken:
                raise StoreError("the answer was lost", reason="io")
            return taken

        monkeypatch.setattr(SqliteStore, "claim", claim)
        async with open_runtime(config, execute=True) as runtime:
            assert isinstance(await runtime.api.wait(execution_id, 300), log.Failed)
            assert lost == [execution_id]

    run(work())
