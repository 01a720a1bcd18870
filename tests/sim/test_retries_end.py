"""What the store refuses again and again: it is tried ever less often, counted, and in the end somebody hears of it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.executor.reloading import MOST_REFUSALS
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Append, Committed, Transaction
from obelisk.runtime.store.memory.store import MemoryStore
from obelisk.runtime.usecases.api import Submission
from sim_builds import registry
from sim_faults import Faults
from sim_names import FLOW, WORK
from sim_store import FaultyStore
from sim_time import VirtualLoop
from sim_world import Process, World

Patch = pytest.MonkeyPatch
HOUR_S = 3_600


def alone(scenario: Callable[[World, Process], Coroutine[Any, Any, None]]) -> None:
    """Runs a scenario in a kind world with one process."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    world = World(seed=1, faults=Faults(), loop=loop, dice=random.Random(1), kind=True)

    async def live() -> None:
        process = await world.start_process()
        await scenario(world, process)
        await process.executor.stop()
        await process.watchers.stop()

    try:
        loop.run_until_complete(live())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert world.broken == []


def retries(process: Process, what: str) -> int:
    return process.executor.metrics.retries.by_labels.get((what,), 0)


class Refusing:
    """Stands before a store: refuses the transactions that `wrong` names, and notes when they came."""

    def __init__(self, patch: Patch, wrong: Callable[[Append], bool], error: ObeliskError) -> None:
        self.at_s: list[float] = []
        self.ends = False
        right = MemoryStore.enqueue

        def enqueue(store: MemoryStore, transaction: Transaction, committed: Committed) -> None:
            loop = asyncio.get_running_loop()
            if not self.ends and any(isinstance(write, Append) and wrong(write) for write in transaction):
                self.at_s.append(loop.time())
                loop.call_soon(committed, error)
            else:
                right(store, transaction, committed)

        patch.setattr(FaultyStore, "enqueue", enqueue)

    @property
    def pauses_s(self) -> list[float]:
        """The seconds between one refusal and the next."""
        return [later - one for one, later in itertools.pairwise(self.at_s)]


def test_what_cannot_be_run_here_any_more_is_let_go_once(monkeypatch: Patch, caplog: pytest.LogCaptureFixture) -> None:
    """Its component was removed while the answer to its claim was under way: nobody claims it until it is back."""

    async def scenario(world: World, process: Process) -> None:
        executor, ffqn, prepared = process.executor, f"{WORK}.double", dict(process.executor.prepared)
        monkeypatch.setattr(type(executor), "takes_work", False)
        submitted = (await process.api.submit(Submission(ffqn=ffqn, params=[4]))).execution_id
        executor.serve(Registry(), {})
        claim = Claim(
            executor=executor.id, digests={ffqn: "sha256:work"}, limit=1, now_us=executor.now_us(), runs=("Run_1",)
        )
        assert len(await executor.store.claim(claim)) == 1
        await asyncio.sleep(HOUR_S)
        events = [logged.event for logged in world.database.executions[submitted].events]
        assert [type(event) for event in events] == [log.Created, log.Locked, log.Unlocked]
        assert isinstance(events[-1], log.Unlocked)
        assert (events[-1].reason, events[-1].cut_off) == ("its build is not deployed here any more", 0)
        monkeypatch.undo()
        executor.serve(registry(), prepared)
        assert isinstance(await process.api.wait(submitted, 100), log.Returned)

    with caplog.at_level(logging.WARNING):
        alone(scenario)
    assert len([line for line in caplog.messages if "it is let go" in line]) == 1
    assert "not deployed" not in "".join(line for line in caplog.messages if "it is let go" not in line)


def asks(write: Append) -> bool:
    return any(isinstance(event, log.DelayRequest) for event in write.events)


def returns(write: Append) -> bool:
    return any(isinstance(event, log.Finished) and isinstance(event.outcome, log.Returned) for event in write.events)


@pytest.mark.parametrize(
    "error", [Conflict("a bug of ours"), StoreError("a value cannot be stored", reason="unstorable")], ids=str
)
def test_progress_that_is_refused_for_ever_is_paused_and_goes_on_once_it_is_not(
    error: ObeliskError, monkeypatch: Patch
) -> None:
    async def scenario(world: World, process: Process) -> None:
        refusing = Refusing(monkeypatch, asks, error)
        submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.sleepy", params=[4]))
        await asyncio.sleep(HOUR_S)
        assert len(refusing.at_s) == MOST_REFUSALS
        assert refusing.pauses_s == sorted(refusing.pauses_s)
        assert sum(refusing.pauses_s) > 120
        summary = await process.api.get(submitted.execution_id)
        assert (summary.status, summary.attempts) == ("paused", 0)
        assert summary.reason == f"what it records was refused {MOST_REFUSALS} times in a row: {error.message}"
        assert retries(process, "read") == MOST_REFUSALS
        refusing.ends = True
        await process.api.unpause(submitted.execution_id)
        assert isinstance(await process.api.wait(submitted.execution_id, 1_000), log.Returned)
        assert world.unfinished() == 0

    alone(scenario)


def test_a_result_that_no_store_takes_ends_the_attempts(monkeypatch: Patch) -> None:
    async def scenario(world: World, process: Process) -> None:
        error = StoreError("a value cannot be stored: a number needs more than 64 bits", reason="unstorable")
        refusing = Refusing(monkeypatch, returns, error)
        submitted = await process.api.submit(Submission(ffqn=f"{WORK}.double", params=[4]))
        outcome = await process.api.wait(submitted.execution_id, HOUR_S)
        assert isinstance(outcome, log.Failed)
        assert outcome.reason == f"its end cannot be recorded: {error.message}"
        events = world.database.executions[submitted.execution_id].events
        failures = [logged for logged in events if isinstance(logged.event, log.TemporarilyFailed)]
        assert len(refusing.at_s) == len(failures) + 1, "each attempt is recorded as failed, at its first refusal"

    alone(scenario)


def test_a_store_that_fails_for_long_is_tried_ever_less_often(monkeypatch: Patch) -> None:
    """For a reason that is no trouble of the store as a whole: else it would be waited for."""

    async def scenario(_: World, process: Process) -> None:
        refusing = Refusing(monkeypatch, returns, StoreError("closed", reason="closed"))
        submitted = await process.api.submit(Submission(ffqn=f"{WORK}.double", params=[4]))
        await asyncio.sleep(HOUR_S)
        assert HOUR_S / 30 - 10 < len(refusing.at_s) < HOUR_S / 30 + 10
        assert refusing.pauses_s == sorted(refusing.pauses_s)
        assert retries(process, "record") == len(refusing.at_s)
        refusing.ends = True
        assert isinstance(await process.api.wait(submitted.execution_id, 60), log.Returned)

    alone(scenario)


@pytest.mark.parametrize("what", ["cancellation", "cancellations"])
def test_what_cannot_be_read_is_asked_for_ever_less_often(what: str, monkeypatch: Patch) -> None:
    """A cancellation that is driven, and the loop that looks for some."""

    async def scenario(world: World, process: Process) -> None:
        submitted = await process.api.submit(Submission(ffqn=f"{FLOW}.approving", params=[4]))
        await asyncio.sleep(1)
        fails = True

        async def state(store: MemoryStore, execution_id: str) -> ExecutionState | None:
            if fails:
                raise ObeliskError("a bug of ours")
            return await MemoryStore.state(store, execution_id)

        async def cancelling(store: MemoryStore) -> tuple[str, ...]:
            if fails:
                raise ObeliskError("a bug of ours")
            return await MemoryStore.cancelling(store)

        await process.api.cancel(submitted.execution_id)
        if what == "cancellation":
            monkeypatch.setattr(FaultyStore, "state", state)
            process.executor.cancelling.settle(submitted.execution_id)
        monkeypatch.setattr(FaultyStore, "cancelling", cancelling)
        await asyncio.sleep(HOUR_S)
        assert 30 < retries(process, what) < 200
        fails = False
        outcome = await process.api.wait(submitted.execution_id, 1_000)
        assert isinstance(outcome, log.Failed)
        assert outcome.kind is log.FailureKind.CANCELLED
        await asyncio.sleep(100)
        assert world.unfinished() == 0

    alone(scenario)
