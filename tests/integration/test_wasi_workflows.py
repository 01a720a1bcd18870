"""A Python workflow over WASI: clocks, dice and sleeps come from its log, whoever runs it and however often."""

from __future__ import annotations

import ast
import asyncio
import itertools
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.usecases.api import Submission
from obelisk.runtime.wiring import config as configuration
from obelisk.runtime.wiring.bootstrap import OpenRuntime, open_runtime
from wasi_runs import CACHE, GUESTS, python_guest

KEEP = "test:chronicle/diary@1.0.0.keep"
MS = 1_000_000
T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 600))


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("diary") / "diary.wasm"
    path.write_bytes(python_guest("chronicle", "keeping"))
    return path


def config_of(folder: Path, diary: Path, keys: str = "") -> configuration.Config:
    text = (
        f'[cache]\npath = "{CACHE / "compiled"}"\n[component.notes]\npath = "{GUESTS / "notes.wat"}"\n'
        f'[component.diary]\npath = "{diary}"\n{keys}\n'
    )
    return configuration.parse(text, file=folder / "obelisk.toml")


async def kept(runtime: OpenRuntime, execution_id: str) -> list[tuple[Any, ...]]:
    """What the guest returned: what it saw in each round."""
    outcome = await runtime.api.wait(execution_id, 300)
    assert isinstance(outcome, log.Returned), outcome
    return [ast.literal_eval(line) for line in json.loads(bytes(outcome.value))]


async def events(runtime: OpenRuntime, execution_id: str) -> list[log.Event]:
    return [logged.event for logged in await runtime.api.events(execution_id, limit=1000)]


async def fingerprint(runtime: OpenRuntime, execution_id: str) -> bytes:
    logged = await runtime.api.events(execution_id, limit=1000)
    return msgspec.json.encode([(one.version, one.at_us, one.event) for one in logged])


def noted(found: list[log.Event]) -> list[tuple[Any, ...]]:
    """What the log says that the guest asked its activity to note."""
    return [ast.literal_eval(json.loads(bytes(e.params))[0]) for e in found if isinstance(e, log.JoinSetRequest)]


async def clock_of(runtime: OpenRuntime, execution_id: str) -> list[int]:
    """What a guest's clock shows when it asks for a note: the instant of the history before, in nanoseconds."""
    logged = await runtime.api.events(execution_id, limit=1000)
    history = [one for one in logged if isinstance(one.event, log.HistoryEvent)]
    pairs = itertools.pairwise(history)
    return [before.at_us * 1000 for before, asked in pairs if isinstance(asked.event, log.JoinSetRequest)]


def test_it_is_replayed_a_hundred_times_with_equal_bytes(tmp_path: Path, diary: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, diary), execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=KEEP, params=[3]))
            seen = await kept(runtime, submitted.execution_id)
            found = await events(runtime, submitted.execution_id)
            shown = await clock_of(runtime, submitted.execution_id)
            before = await fingerprint(runtime, submitted.execution_id)
            for _ in range(100):
                assert (await runtime.api.replay(submitted.execution_id)).ok
            assert await fingerprint(runtime, submitted.execution_id) == before
            other = await runtime.api.submit(Submission(ffqn=KEEP, params=[3]))
            assert await kept(runtime, other.execution_id) != seen, "another execution sees other things"
            lines = await runtime.api.lines(submitted.execution_id)
        assert [item.line.text for item in lines.items] == ["round 0", "round 1", "round 2"]
        assert noted(found) == seen
        (seed,) = [event for event in found if isinstance(event, log.Persist)]
        assert (bytes(seed.request), len(seed.value)) == (b'"wasi-random-seed"', 66)
        times = [(now_ns, since_ns) for _, now_ns, since_ns, *_ in seen]
        assert [now_ns for now_ns, _ in times] == shown
        assert all(later[1] - earlier[1] >= 50 * MS for earlier, later in itertools.pairwise(times))
        assert len({now_ns - since_ns for now_ns, since_ns in times}) == 1
        assert len({line[3] for line in seen}) == 3, "each round has numbers of its own"
        assert all(line[7:] == ({}, "FileNotFoundError", "PermissionError") for line in seen)

    run(work())


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_crash_in_the_middle_changes_nothing(tmp_path: Path, diary: Path, after: int) -> None:
    async def begin() -> str:
        async with open_runtime(config_of(tmp_path, diary), execute=True) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=KEEP, params=[5]))
            while len(await events(runtime, submitted.execution_id)) < 2 + after:
                await asyncio.sleep(0.002)
            assert runtime.executor is not None
            runtime.executor.abandon()
        return submitted.execution_id

    async def go_on(execution_id: str) -> None:
        async with open_runtime(config_of(tmp_path, diary), execute=True) as runtime:
            seen = await kept(runtime, execution_id)
            found = await events(runtime, execution_id)
            assert noted(found) == seen
            assert sum(isinstance(event, log.Locked) for event in found) == 2, "it ran twice"
            assert (await runtime.api.replay(execution_id)).ok

    run(go_on(run(begin())))


def test_one_that_is_unloaded_at_each_wait_sees_the_same(tmp_path: Path, diary: Path) -> None:
    async def work() -> None:
        async with open_runtime(
            config_of(tmp_path, diary, "hot = false\n[executor]\nlinger_ms = 0"), execute=True
        ) as runtime:
            submitted = await runtime.api.submit(Submission(ffqn=KEEP, params=[3]))
            seen = await kept(runtime, submitted.execution_id)
            found = await events(runtime, submitted.execution_id)
        assert noted(found) == seen
        assert sum(isinstance(event, log.Locked) for event in found) > 3

    run(work())


def test_a_fork_sees_what_the_old_one_saw(tmp_path: Path, diary: Path) -> None:
    async def work() -> None:
        async with open_runtime(config_of(tmp_path, diary), execute=True) as runtime:
            old = (await runtime.api.submit(Submission(ffqn=KEEP, params=[3]))).execution_id
            seen, found = await kept(runtime, old), await events(runtime, old)
            second = [n for n, event in enumerate(found) if isinstance(event, log.JoinSetRequest)][1]
            new = await runtime.api.fork(old, second + 1)
            forked = await kept(runtime, new)
            assert forked[:2] == seen[:2]
            assert forked[2][1] > seen[2][1], "its own time goes on"
            assert (await runtime.api.replay(new)).ok

    run(work())
