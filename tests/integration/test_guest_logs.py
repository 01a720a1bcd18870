"""What guests log is kept per execution and run: attempts that fail, workflows that are replayed, another process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from obelisk.runtime.errors import ExecutionNotFound
from obelisk.runtime.log import events as log
from obelisk.runtime.log.lines import STDERR, STDOUT
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime

LOGGING = """(component
  (import "obelisk:log/log@1.0.0" (instance $log
    (export "info" (func (param "message" string)))
    (export "error" (func (param "message" string)))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 0) "before")
    (data (i32.const 16) "after"))
  (core instance $m (instantiate $memory))
  (core func $info (canon lower (func $log "info") (memory (core memory $m "memory"))))
  (core func $error (canon lower (func $log "error") (memory (core memory $m "memory"))))
"""
ACTIVITY = f"""{LOGGING}
  (core module $code
    (import "h" "info" (func $info (param i32 i32)))
    (import "h" "error" (func $error (param i32 i32)))
    (func (export "trap") (result i32)
      (call $info (i32.const 0) (i32.const 6))
      (call $error (i32.const 16) (i32.const 5))
      unreachable)
    (func (export "flood") (result i32)
      (loop $again (call $info (i32.const 0) (i32.const 6)) (br $again))
      unreachable))
  (core instance $i (instantiate $code
    (with "h" (instance (export "info" (func $info)) (export "error" (func $error))))))
  (func $trap (result u32) (canon lift (core func $i "trap")))
  (func $flood (result u32) (canon lift (core func $i "flood")))
  (instance (export "demo:talk/activity") (export "trap" (func $trap)) (export "flood" (func $flood))))"""
WORKFLOW = f"""{LOGGING}
  (import "obelisk:types/time@5.0.0" (instance $time
    (type $duration' (variant
      (case "milliseconds" u64) (case "seconds" u64) (case "minutes" u32) (case "hours" u32) (case "days" u32)))
    (export "duration" (type $duration (eq $duration')))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $schedule-at' (variant (case "now") (case "at" $datetime) (case "in" $duration)))
    (export "schedule-at" (type (eq $schedule-at')))))
  (alias export $time "datetime" (type $datetime))
  (alias export $time "schedule-at" (type $schedule-at))
  (import "obelisk:workflow/workflow-support@6.0.0" (instance $support
    (alias outer 1 $datetime (type $datetime'))
    (export "datetime" (type $datetime (eq $datetime')))
    (alias outer 1 $schedule-at (type $schedule-at'))
    (export "schedule-at" (type $schedule-at (eq $schedule-at')))
    (export "sleep" (func
      (param "schedule-at" $schedule-at) (param "name" (option string)) (result (result $datetime))))))
  (core func $sleep (canon lower (func $support "sleep") (memory (core memory $m "memory"))))
  (core module $code
    (import "h" "info" (func $info (param i32 i32)))
    (import "h" "sleep" (func $sleep (param i32 i64 i64 i32 i32 i32 i32)))
    (func (export "nap") (param $ms i32) (result i32)
      (call $info (i32.const 0) (i32.const 6))
      (call $sleep (i32.const 2) (i64.const 0) (i64.extend_i32_u (local.get $ms))
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
      (call $info (i32.const 16) (i32.const 5))
      (i32.const 7)))
  (core instance $i (instantiate $code
    (with "h" (instance (export "info" (func $info)) (export "sleep" (func $sleep))))))
  (func $nap (param "ms" u32) (result u32) (canon lift (core func $i "nap")))
  (instance (export "demo:talk/workflow") (export "nap" (func $nap))))"""
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


def config_of(folder: Path, activity: str = "", more: str = "") -> configuration.Config:
    (folder / "activity.wat").write_text(ACTIVITY)
    (folder / "workflow.wat").write_text(WORKFLOW)
    text = (
        f'{more}[component.activity]\npath = "activity.wat"\ninitial_backoff_ms = 1\n{activity}\n'
        '[component.workflow]\npath = "workflow.wat"\n'
    )
    return configuration.parse(text, file=folder / "obelisk.toml")


async def submit(runtime: OpenRuntime, function: str, **params: object) -> str:
    submitted = await runtime.api.submit(Submission(ffqn=f"demo:talk/{function}", params=params))
    return submitted.execution_id


async def outcome_of(runtime: OpenRuntime, execution_id: str) -> log.Outcome:
    outcome = await runtime.api.wait(execution_id, 300)
    assert outcome is not None
    return outcome


async def texts(runtime: OpenRuntime, execution_id: str) -> list[str]:
    return [item.line.text for item in (await runtime.api.lines(execution_id)).items]


def test_every_attempt_has_its_lines(tmp_path: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, "max_retries = 2"), execute=True) as runtime:
            execution_id = await submit(runtime, "activity.trap")
            assert isinstance(await outcome_of(runtime, execution_id), log.Failed)
            found = (await runtime.api.lines(execution_id)).items
            assert [(item.line.text, item.line.level) for item in found] == [("before", 2), ("after", 4)] * 3
            events = await runtime.api.events(execution_id)
            runs = [logged.event.run for logged in events if isinstance(logged.event, log.Locked)]
            assert [item.line.run for item in found] == [name for name in runs for _ in range(2)]
            instants = [item.line.at_us for item in found]
            assert instants == sorted(instants)
            assert events[0].at_us <= instants[0] <= instants[-1] <= events[-1].at_us
            errors = await runtime.api.lines(execution_id, level="error")
            assert [item.number for item in errors.items] == [1, 3, 5]

    run(work())


def test_a_replayed_workflow_repeats_no_line(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime:
            execution_id = await submit(runtime, "workflow.nap", ms=3_600_000)
            while (await runtime.api.get(execution_id)).waits_for is None:
                await asyncio.sleep(0.005)
            assert await texts(runtime, execution_id) == ["before"]
        async with open_runtime(config, execute=True) as runtime:
            await runtime.api.cancel(f"Delay_{execution_id[2:]}.o:1_1")
            assert isinstance(await outcome_of(runtime, execution_id), log.Returned)
            found = (await runtime.api.lines(execution_id)).items
            assert [item.line.text for item in found] == ["before", "after"]
            assert len({item.line.run for item in found}) == 2
            assert (await runtime.api.replay(execution_id)).ok
            assert await texts(runtime, execution_id) == ["before", "after"]

    run(work())


def test_another_process_reads_them(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path)
        async with open_runtime(config, execute=True) as runtime, open_runtime(config, execute=False) as other:
            execution_id = await submit(runtime, "workflow.nap", ms=1)
            await outcome_of(runtime, execution_id)
            while await texts(other, execution_id) != ["before", "after"]:
                await asyncio.sleep(0.01)
            with pytest.raises(ExecutionNotFound):
                await other.api.lines("E_01J00000000000000000000000")

    run(work())


def test_who_floods_is_stopped_and_the_newest_are_kept(tmp_path: Path) -> None:
    async def work() -> None:
        config = config_of(tmp_path, "max_retries = 0\nmax_output_bytes = 600000", "[store]\nlog_bytes = 70000\n")
        async with open_runtime(config, execute=True) as runtime:
            flood = await submit(runtime, "activity.flood")
            nap = await submit(runtime, "workflow.nap", ms=1)
            assert isinstance(await outcome_of(runtime, nap), log.Returned)
            outcome = await outcome_of(runtime, flood)
            assert isinstance(outcome, log.Failed)
            assert outcome.reason == "output limit: the guest said more than 600000 bytes in one attempt"
            found = await runtime.api.lines(flood, limit=10_000)
            assert 500 < len(found.items) <= 1_000
            assert found.dropped + len(found.items) == 100_000
            assert await texts(runtime, nap) == ["before", "after"]

    run(work())


def test_standard_streams_are_lines(tmp_path: Path) -> None:
    async def work() -> None:
        path = Path(__file__).parent / "printing.wat"
        config = config_of(tmp_path, more=f'[component.printing]\npath = "{path}"\nmax_retries = 0\n')
        async with open_runtime(config, execute=True) as runtime:
            execution_id = await submit(runtime, "printing.print")
            assert isinstance(await outcome_of(runtime, execution_id), log.Returned)
            found = [item.line for item in (await runtime.api.lines(execution_id)).items]
            said = {(line.source, line.level, line.text) for line in found}
            assert said == {(STDOUT, 2, "one"), (STDOUT, 2, "two"), (STDERR, 3, "dreadful")}
            assert [line.text for line in found if line.source == STDOUT] == ["one", "two"]
            outcome = await outcome_of(runtime, await submit(runtime, "printing.flood"))
            assert isinstance(outcome, log.Failed)
            assert outcome.reason.startswith("output limit: the guest said more than 1048576 bytes")

    run(work())
