"""The bound on all attempts of an activity together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import msgspec

from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import Create
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
LATER = "E_01J00000000000000000000000"
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, settings: str) -> configuration.Config:
    (folder / "spin.wat").write_text(SPINNING)
    text = f'[component.spin]\npath = "spin.wat"\nmax_retries = 1000\n{settings}'
    return configuration.parse(text, file=folder / "obelisk.toml")


async def failure(runtime: OpenRuntime, function: str) -> tuple[str, log.Failed]:
    submitted = await runtime.api.submit(Submission(ffqn=f"demo:spin/spin.{function}", params={}))
    outcome = await runtime.api.wait(submitted.execution_id, 300)
    assert isinstance(outcome, log.Failed)
    assert outcome.kind is log.FailureKind.TIMED_OUT
    return submitted.execution_id, outcome


def test_the_last_attempt_gets_what_is_left(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "attempt_timeout_ms = 3600000\ntotal_timeout_ms = 300\n")
        async with open_runtime(config, execute=True) as runtime:
            execution_id, outcome = await failure(runtime, "spin")
            assert "300 ms" in outcome.reason
            events = await runtime.api.events(execution_id)
            assert [type(e.event) for e in events] == [log.Created, log.Locked, log.Finished]
            assert events[-1].at_us - events[0].at_us >= 300_000

    run(work())


def test_no_retry_is_begun_that_does_not_fit(tmp_path: Path) -> None:
    async def work() -> None:
        backoffs = "initial_backoff_ms = 500\nbackoff_factor = 100.0\n"
        config = config_of(tmp_path, f"{backoffs}total_timeout_ms = 40000\n")  # the second backoff is longer than that
        async with open_runtime(config, execute=True) as runtime:
            execution_id, outcome = await failure(runtime, "trap")
            assert "no other attempt fits into 40000 ms" in outcome.reason
            kinds = [type(e.event) for e in await runtime.api.events(execution_id)]
            assert kinds.count(log.TemporarilyFailed) == 1

    run(work())


def test_what_begins_too_late_is_not_begun(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "total_timeout_ms = 100\n")
        async with open_runtime(config, execute=False) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn="demo:spin/spin.spin", params={}))
            await asyncio.sleep(0.15)
        async with open_runtime(config, execute=True) as runtime:
            outcome = await runtime.api.wait(submitted.execution_id, 300)
            assert isinstance(outcome, log.Failed)
            assert outcome.reason.startswith("the execution took longer than 100 ms")

    run(work())


def test_what_nobody_claims_times_out(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, 'total_timeout_ms = 300\nlabels = ["nowhere"]\n')
        async with open_runtime(config, execute=True) as runtime:
            execution_id, outcome = await failure(runtime, "spin")
            assert outcome.reason == "the execution took longer than 300 ms; it was waiting for an executor"
            events = await runtime.api.events(execution_id)
            assert [type(e.event) for e in events] == [log.Created, log.Finished]
            assert events[-1].at_us - events[0].at_us >= 300_000

    run(work())


def test_what_is_paused_times_out(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "total_timeout_ms = 1500\n")
        async with open_runtime(config, execute=False) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn="demo:spin/spin.spin", params={}))
            await runtime.api.pause(submitted.execution_id)
        async with open_runtime(config, execute=True) as runtime:
            outcome = await runtime.api.wait(submitted.execution_id, 20)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.TIMED_OUT
            assert outcome.reason == "the execution took longer than 1500 ms; it was paused"
            events = await runtime.api.events(submitted.execution_id)
            assert [type(e.event) for e in events] == [log.Created, log.Paused, log.Unpaused, log.Finished]

    run(work())


def test_what_is_scheduled_for_later_has_its_time_from_then_on(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, 'total_timeout_ms = 300\nlabels = ["nowhere"]\n')
        async with open_runtime(config, execute=True) as runtime:
            store, at_us = runtime.api._store, time.time_ns() // 1000 + 2_000_000  # pyright: ignore[reportPrivateUsage]
            created = log.Created(ffqn="demo:spin/spin.spin", params=msgspec.Raw(b"[]"), scheduled_at_us=at_us)
            state = fold.start(created)
            later = Create(execution_id=LATER, created=created, locked=None, state=state, at_us=at_us - 2_000_000)
            await commit(store, (later,))
            outcome = await runtime.api.wait(LATER, 20)
            assert isinstance(outcome, log.Failed)
            events = await runtime.api.events(LATER)
            assert events[-1].at_us - at_us >= 300_000

    run(work())
