"""What is tried again and what is not: traps and errors, but for a case that says it is for good."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import open_runtime

FAILING = """(component
  (type $fault (variant (case "again") (case "permanent-damage")))
  (core module $code
    (memory (export "memory") 1)
    (data (i32.const 16) "\\01\\00")                                   ;; err(again)
    (data (i32.const 32) "\\01\\01")                                   ;; err(permanent-damage)
    (data (i32.const 48) "\\01\\00\\00\\00\\40\\00\\00\\00\\09\\00\\00\\00")   ;; err("permanent")
    (data (i32.const 64) "permanent")
    (func (export "again") (result i32) (i32.const 16))
    (func (export "permanent") (result i32) (i32.const 32))
    (func (export "text") (result i32) (i32.const 48))
    (func (export "trap") (result i32) unreachable))
  (core instance $code (instantiate $code))
  (alias core export $code "memory" (core memory $memory))
  (func $again (result (result (error $fault))) (canon lift (core func $code "again") (memory $memory)))
  (func $permanent (result (result (error $fault))) (canon lift (core func $code "permanent") (memory $memory)))
  (func $text (result (result (error string))) (canon lift (core func $code "text") (memory $memory)))
  (func $trap (result (result (error $fault))) (canon lift (core func $code "trap") (memory $memory)))
  (component $named
    (type $fault' (variant (case "again") (case "permanent-damage")))
    (import "fault" (type $fault (eq $fault')))
    (import "again" (func $again (result (result (error $fault)))))
    (import "permanent" (func $permanent (result (result (error $fault)))))
    (import "text" (func $text (result (result (error string)))))
    (import "trap" (func $trap (result (result (error $fault)))))
    (export $fault-out "fault" (type $fault))
    (export "again" (func $again) (func (result (result (error $fault-out)))))
    (export "permanent" (func $permanent) (func (result (result (error $fault-out)))))
    (export "text" (func $text) (func (result (result (error string)))))
    (export "trap" (func $trap) (func (result (result (error $fault-out))))))
  (instance $named (instantiate $named
    (with "fault" (type $fault)) (with "again" (func $again)) (with "permanent" (func $permanent))
    (with "text" (func $text)) (with "trap" (func $trap))))
  (export "demo:retry/retry" (instance $named)))"""
BACKOFF_US, FACTOR, CAP_US, JITTER = 20_000, 3.0, 50_000, 0.1
SETTINGS = f"""
[component.retry]
path = "retry.wat"
max_retries = 3
initial_backoff_ms = {BACKOFF_US // 1000}
backoff_factor = {FACTOR}
max_backoff_ms = {CAP_US // 1000}
"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


async def log_of(folder: Path, function: str) -> list[log.Event]:
    (folder / "retry.wat").write_text(FAILING)
    config = configuration.parse(SETTINGS, file=folder / "obelisk.toml")
    async with open_runtime(config, execute=True) as runtime:
        submitted = await runtime.api.submit(Submission(ffqn=f"demo:retry/retry.{function}", params={}))
        assert await runtime.api.wait(submitted.execution_id, 300) is not None
        logged = await runtime.api.events(submitted.execution_id)
        failures = [e for e in logged if isinstance(e.event, log.TemporarilyFailed)]
        for retry, failure in enumerate(failures):
            assert isinstance(failure.event, log.TemporarilyFailed)
            wait_us = failure.event.pending_at_us - failure.at_us
            most_us = min(BACKOFF_US * FACTOR**retry, CAP_US)
            assert most_us * (1 - JITTER) - 1 <= wait_us <= most_us
            again = logged[failure.version + 1]
            assert isinstance(again.event, log.Locked)
            assert again.at_us >= failure.event.pending_at_us
        return [e.event for e in logged]


@pytest.mark.parametrize(
    ("function", "retries", "result"),
    [
        ("again", 3, b'{"err":"again"}'),
        ("permanent", 0, b'{"err":"permanent_damage"}'),
        ("text", 3, b'{"err":"permanent"}'),  # a text is no case
    ],
)
def test_an_error_is_tried_again_unless_its_case_is_permanent(
    tmp_path: Path, function: str, retries: int, result: bytes
) -> None:
    events = run(log_of(tmp_path, function))
    failures = [event for event in events if isinstance(event, log.TemporarilyFailed)]
    assert len(failures) == retries
    assert all(failure.err is not None and bytes(failure.err) == result for failure in failures)
    last = events[-1]
    assert isinstance(last, log.Finished)
    assert isinstance(last.outcome, log.Returned)
    assert bytes(last.outcome.value) == result


def test_a_trap_is_tried_again_and_each_has_an_id_and_its_frames(tmp_path: Path) -> None:
    events = run(log_of(tmp_path, "trap"))
    failures = [event for event in events if isinstance(event, log.TemporarilyFailed)]
    last = events[-1]
    assert isinstance(last, log.Finished)
    assert isinstance(last.outcome, log.Failed)
    assert last.outcome.kind is log.FailureKind.TRAPPED
    assert len(failures) == 3
    assert len({failure.error_id for failure in failures} | {last.outcome.error_id}) == 4
    for reason, detail in [(f.reason, f.detail) for f in failures] + [(last.outcome.reason, last.outcome.detail)]:
        assert "unreachable" in reason
        assert "wasm" in detail
