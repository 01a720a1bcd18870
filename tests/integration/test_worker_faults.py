"""What goes wrong with workers: servers that die, answers that are lost, leases that run out. Without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from external_world import FFQN, FIBOA, SETTINGS, Worker, opened, result, serving, submitted
from obelisk.runtime.errors import ObeliskError, WorkerNotFound
from obelisk.runtime.external.exchange import Fate, Heartbeat, State
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Committed, Create, Transaction
from obelisk.runtime.wiring.bootstrap import OpenRuntime

T = TypeVar("T")
SHORT = 1_000


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 300))


async def kinds(runtime: OpenRuntime, execution_id: str) -> list[str]:
    return [type(e.event).__name__ for e in await runtime.api.events(execution_id)]


def test_a_server_that_died_between_claim_and_answer_costs_nothing(tmp_path: Path) -> None:
    """What is locked and did not reach the worker is handed out again under its run, by whichever server is asked."""

    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            assert runtime.executor is not None
            claim = Claim(
                executor=worker.id,
                digests={FFQN: runtime.deployment.find("fibo").digest},
                limit=1,
                now_us=runtime.api.now_us(),
                runs=("Run_1",),
            )
            assert len(await runtime.executor.store.claim(claim)) == 1
        async with opened(tmp_path) as runtime:
            worker = worker.at(runtime)
            assert not (await worker.say(limit=1)).attempts, "it does not say what it has"
            (attempt,) = (await worker.say(limit=1, holding=())).attempts
            assert (attempt.execution_id, attempt.run) == (execution, "Run_1")
            assert not (await worker.say(limit=1, holding=("Run_1",))).attempts
            assert (await worker.say(result(attempt, 1))).results[0].state is State.ACCEPTED
            assert await kinds(runtime, execution) == ["Created", "Locked", "Finished"]

    run(work())


def test_a_server_that_died_between_result_and_acknowledgement_has_it_on_record(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            assert (await worker.say(result(attempt, 1))).results[0].state is State.ACCEPTED
        async with opened(tmp_path) as runtime:
            (verdict,) = (await worker.at(runtime).say(result(attempt, 1))).results
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.ENDED)
            assert await kinds(runtime, execution) == ["Created", "Locked", "Finished"]

    run(work())


def test_any_server_of_a_store_takes_claim_heartbeat_and_result(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as one, opened(tmp_path) as two:
            worker = await Worker.register(one)
            workflow = await submitted(one, FIBOA, {"n": 7, "iterations": 3})
            for number in range(3):
                here, there = (worker.at(one), worker.at(two)) if number % 2 else (worker.at(two), worker.at(one))
                attempt = await here.take()
                beat = Heartbeat(execution_id=attempt.execution_id, run=attempt.run, detail=b"1")
                assert [news.fate for news in (await there.say(beats=[beat])).news] == [Fate.RUNNING]
                assert (await there.say(result(attempt, 13))).results[0].state is State.ACCEPTED
            outcome = await one.api.wait(workflow, 60)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":13}'

    run(work())


def test_a_server_forgets_an_attempt_that_ended_through_another_one(tmp_path: Path) -> None:
    """Not only when its time is over: it would not keep the lease of a worker that seems to have an attempt."""

    async def work() -> None:
        settings = f"{SETTINGS}\nattempt_timeout_ms = 3600000"
        async with opened(tmp_path, settings) as one, opened(tmp_path, settings) as two:
            worker = await Worker.register(one)
            await submitted(one, FFQN, {"n": 1})
            attempt = await worker.take()
            assert (await worker.at(two).say(result(attempt, 1))).results[0].state is State.ACCEPTED
            while serving(one).ends.held.count(worker.id):
                await asyncio.sleep(0.05)
            assert not (await worker.say()).news, "it has heard of it already"

    run(work())


def test_a_server_hears_of_a_cancellation_through_another_one(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as one, opened(tmp_path) as two:
            worker = await Worker.register(one)
            execution = await submitted(one, FFQN, {"n": 1})
            await worker.take()
            waiting = asyncio.ensure_future(worker.say(limit=1, wait_ms=60_000))
            await asyncio.sleep(0.05)
            await two.api.cancel(execution)
            assert [news.fate for news in (await waiting).news] == [Fate.CANCELLED]

    run(work())


def test_a_server_that_is_gone_does_not_keep_an_attempt_from_timing_out(tmp_path: Path) -> None:
    async def work() -> None:
        settings = f"{SETTINGS}\nattempt_timeout_ms = 1000\nmax_retries = 0"
        async with opened(tmp_path, settings) as runtime:
            worker = await Worker.register(runtime, lease_ms=300_000)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
        async with opened(tmp_path, settings) as runtime:
            outcome = await runtime.api.wait(execution, 60)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.TIMED_OUT
            (verdict,) = (await worker.at(runtime).say(result(attempt, 1))).results
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.TIMED_OUT)

    run(work())


def test_a_worker_that_is_silent_for_its_lease_loses_what_it_holds(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker, other = await Worker.register(runtime, lease_ms=SHORT), await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            again = await other.take(wait_ms=60_000)
            assert (again.execution_id, again.attempt) == (execution, 1)
            with pytest.raises(WorkerNotFound):
                await worker.say(result(attempt, 1))
            (verdict,) = (await other.say(result(attempt, 1))).results  # as if it had registered again
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.LOST)
            assert (await other.say(result(again, 2))).results[0].state is State.ACCEPTED
            outcome = await runtime.api.wait(execution, 60)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":2}'

    run(work())


def test_the_server_keeps_the_lease_of_an_idle_worker_that_waits_and_of_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            idle, busy = await Worker.register(runtime, lease_ms=SHORT), await Worker.register(runtime, lease_ms=SHORT)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await busy.take()
            waits_idle = asyncio.ensure_future(idle.say(limit=1, wait_ms=60_000))
            waits_busy = asyncio.ensure_future(busy.say(limit=1, wait_ms=60_000))
            (again,) = (await waits_idle).attempts
            assert again.execution_id == execution
            assert not (await waits_busy).attempts
            with pytest.raises(WorkerNotFound):
                await busy.say(result(attempt, 1))

    run(work())


def test_runs_that_are_cut_off_again_and_again_use_up_the_retries(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nmax_retries = 1") as runtime:
            execution = await submitted(runtime, FFQN, {"n": 1})
            for _ in range(3):
                worker = await Worker.register(runtime)
                await worker.take(wait_ms=60_000)
                store = serving(runtime).ends.store
                await store.release(worker.id, reason="silent", now_us=runtime.api.now_us(), expired_by_us=1 << 60)
            worker = await Worker.register(runtime)
            outcome = None
            while outcome is None:
                assert not (await worker.say(limit=1, wait_ms=100)).attempts
                outcome = await runtime.api.outcome(execution)
            assert isinstance(outcome, log.Failed)
            assert outcome.reason.startswith("cut off: 3 times in a row")

    run(work())


def test_a_worker_that_lost_its_lease_harms_no_workflow_that_counts_on_it(tmp_path: Path) -> None:
    """A lock that is refused because its worker was released is not tried again and again."""

    async def work() -> None:
        async with opened(tmp_path) as runtime:
            gone, other = await Worker.register(runtime), await Worker.register(runtime)
            waiting = asyncio.ensure_future(gone.say(limit=1, wait_ms=60_000))
            await asyncio.sleep(0.05)
            store = serving(runtime).ends.store
            await store.release(gone.id, reason="silent", now_us=runtime.api.now_us())
            workflow = await submitted(runtime, FIBOA, {"n": 7, "iterations": 1})
            attempt = await other.take(wait_ms=60_000)
            assert (await other.say(result(attempt, 13))).results[0].state is State.ACCEPTED
            assert isinstance(await runtime.api.wait(workflow, 60), log.Returned)
            with pytest.raises(WorkerNotFound):
                await waiting

    run(work())


@pytest.mark.parametrize(("timeout_ms", "handed"), [(60_000, 2), (150, 0)])
def test_a_claim_waits_for_a_lock_that_is_on_its_way_and_lets_everything_else_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout_ms: int, handed: int
) -> None:
    """Two executions are locked for one claim; the second commit is heard of late, perhaps after the time of both."""

    async def work() -> None:
        settings = f"{SETTINGS}\nattempt_timeout_ms = {timeout_ms}\nmax_retries = 0"
        async with opened(tmp_path, settings) as runtime:
            worker = await Worker.register(runtime)
            store, loop, created = serving(runtime).ends.store, asyncio.get_running_loop(), 0
            enqueue = store.enqueue

            def late(transaction: Transaction, committed: Committed) -> None:
                nonlocal created
                created += isinstance(transaction[0], Create)
                if created == 2 and isinstance(transaction[0], Create):

                    def told(error: ObeliskError | None) -> None:
                        loop.call_later(0.6, committed, error)

                    enqueue(transaction, told)
                else:
                    enqueue(transaction, committed)

            monkeypatch.setattr(store, "enqueue", late)
            waiting = asyncio.ensure_future(worker.say(limit=3, wait_ms=60_000))
            await asyncio.sleep(0.05)
            await asyncio.gather(*(submitted(runtime, FFQN, {"n": n}) for n in range(2)))
            answer = await waiting
            assert len(answer.attempts) == handed
            assert handed or Fate.TIMED_OUT in [news.fate for news in answer.news]

    run(work())


def test_a_changed_interface_pauses_what_does_not_fit_and_refuses_old_workers(tmp_path: Path) -> None:
    async def work() -> None:
        wit = "package demo:fibo; interface fibo { fibo: func(n: u8) -> result<u64, string>; }"
        changed = wit.replace("(n: u8)", "(n: u8, m: string)")
        async with opened(tmp_path, wit=wit, workflow=False) as runtime:
            signature = runtime.api.registry.function(FFQN).signature
            execution = await submitted(runtime, FFQN, {"n": 1})
        async with opened(tmp_path, wit=changed, workflow=False) as runtime:
            old = await Worker.register(runtime, FFQN, signature=signature)
            assert [offer.state.value for offer in old.registered.functions] == ["differs"]
            new = await Worker.register(runtime, FFQN)
            assert not (await new.say(limit=1, wait_ms=200)).attempts
            summary = await runtime.api.get(execution)
            assert summary.status == "paused"
            assert "has other types than the execution was begun with" in summary.reason

    run(work())
