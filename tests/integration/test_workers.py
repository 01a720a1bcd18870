"""Attempts that workers outside the engine run: claims, results, retries, times. Without HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TypeVar

import pytest

from external_world import FFQN, FIBOA, OTHERS, SETTINGS, Worker, child_of, opened, result, submitted
from obelisk.runtime import ids
from obelisk.runtime.errors import WorkerNotFound
from obelisk.runtime.external.exchange import (
    Exchange,
    Failure,
    Fate,
    Heartbeat,
    News,
    Offered,
    Result,
    SaidLine,
    State,
)
from obelisk.runtime.log import events as log
from obelisk.runtime.wiring.bootstrap import OpenRuntime

T = TypeVar("T")


def run(work: Coroutine[None, None, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 300))


async def kinds(runtime: OpenRuntime, execution_id: str) -> list[str]:
    """The names of an execution's events."""
    return [type(e.event).__name__ for e in await runtime.api.events(execution_id)]


def test_a_workflow_gets_what_a_worker_answers(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            waiting = asyncio.ensure_future(worker.take())
            await asyncio.sleep(0.1)
            workflow = await submitted(runtime, FIBOA, {"n": 7, "iterations": 3})
            attempt = await waiting
            assert (attempt.ffqn, attempt.params, attempt.attempt) == (FFQN, {"n": 7}, 1)
            assert 50_000 < attempt.remaining_ms <= 60_000
            for _ in range(2):
                answer = await worker.say(result(attempt, 13), limit=1, wait_ms=10_000)
                assert [verdict.state for verdict in answer.results] == [State.ACCEPTED]
                (attempt,) = answer.attempts
            answer = await worker.say(result(attempt, 13))
            assert [verdict.state for verdict in answer.results] == [State.ACCEPTED]
            outcome = await runtime.api.wait(workflow, 60)
            assert isinstance(outcome, log.Returned)
            assert bytes(outcome.value) == b'{"ok":13}'
            assert await kinds(runtime, attempt.execution_id) == ["Created", "Locked", "Finished"]

    run(work())


def test_what_is_pending_already_is_claimed_up_to_the_limits(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            for n in range(3):
                await submitted(runtime, FFQN, {"n": n})
            await submitted(runtime, OTHERS[1], {"name": "x"})
            worker = await Worker.register(runtime)
            answer = await worker.say(limit=10, per_function={FFQN: 2})
            assert sorted(a.ffqn for a in answer.attempts) == sorted([FFQN, FFQN, OTHERS[1]])
            answer = await worker.say(limit=10, functions=[OTHERS[1]])
            assert not answer.attempts
            answer = await worker.say(limit=10)
            assert [a.ffqn for a in answer.attempts] == [FFQN]

    run(work())


@pytest.mark.parametrize(
    ("failure", "events"),
    [
        (Failure(message="no"), ["TemporarilyFailed", "Locked", "Finished"]),
        (Failure(message="no", retryable=False), ["Finished"]),
    ],
)
def test_a_failure_is_tried_again_unless_it_says_not(tmp_path: Path, failure: Failure, events: list[str]) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nmax_retries = 1") as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            outcome = None
            while outcome is None:
                answer = await worker.say(limit=1, wait_ms=2_000)
                for attempt in answer.attempts:
                    failed = Result(execution_id=execution, run=attempt.run, failure=failure)
                    assert (await worker.say(failed)).results[0].state is State.ACCEPTED
                outcome = await runtime.api.outcome(execution)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.UNCATEGORIZED
            assert outcome.reason == "no"
            assert (await kinds(runtime, execution))[2:] == events

    run(work())


def test_an_err_of_a_variant_that_is_permanent_is_final(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            ends_of: tuple[tuple[object, str], ...] = (
                ("permanent_one", "Finished"),
                ({"gone_permanently": 1}, "Finished"),
                ({"later": "permanent"}, "TemporarilyFailed"),
            )
            for value, ends in ends_of:
                execution = await submitted(runtime, OTHERS[0], {})
                attempt = await worker.take()
                assert (await worker.say(result(attempt, value, "err"))).results[0].state is State.ACCEPTED
                assert (await kinds(runtime, execution))[-1] == ends

    run(work())


def test_a_retry_waits_as_long_as_the_worker_says(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            failure = Failure(message="busy", retry_after_ms=3_600_000)
            before_us = runtime.api.now_us()
            await worker.say(Result(execution_id=execution, run=attempt.run, failure=failure))
            (last,) = (await runtime.api.events(execution))[-1:]
            assert isinstance(last.event, log.TemporarilyFailed)
            assert last.event.pending_at_us >= before_us + 3_600_000_000

    run(work())


@pytest.mark.parametrize(
    ("ffqn", "params", "case", "value", "pointer"),
    [
        (FFQN, {"n": 1}, "ok", "no number", "/ok"),
        (FFQN, {"n": 1}, "err", 5, "/err"),
        (OTHERS[1], {"name": "x"}, "ok", 5, "/ok"),
        (OTHERS[1], {"name": "x"}, "err", None, "/err"),
        (OTHERS[2], {}, "ok", 5, "/ok"),
    ],
)
def test_a_result_of_the_wrong_type_is_told_by_its_place_and_counts_as_a_failure(
    tmp_path: Path, ffqn: str, params: object, case: str, value: object, pointer: str
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, ffqn, params)
            attempt = await worker.take()
            (verdict,) = (await worker.say(result(attempt, value, case))).results
            assert verdict.state is State.INVALID
            assert [problem.pointer for problem in verdict.problems] == [pointer]
            (last,) = (await runtime.api.events(execution))[-1:]
            assert isinstance(last.event, log.TemporarilyFailed)
            assert "the result does not have the type of" in last.event.reason

    run(work())


def test_results_that_are_too_large_twice_foreign_or_of_nothing_are_told_apart(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nmax_value_bytes = 1024") as runtime:
            worker, other = await Worker.register(runtime), await Worker.register(runtime)
            execution = await submitted(runtime, OTHERS[1], {"name": "x"})
            attempt = await worker.take()
            (verdict,) = (await other.say(result(attempt, ""))).results
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.NOT_YOURS)
            (verdict,) = (await worker.say(result(attempt, "A" * 4000))).results
            assert verdict.state is State.INVALID
            assert "at most 1024 are allowed" in verdict.detail
            (verdict,) = (await worker.say(result(attempt, ""))).results
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.ENDED)
            attempt = await worker.take()
            assert attempt.attempt == 2
            assert [(await worker.say(result(attempt, ""))).results[0].state for _ in range(2)] == [
                State.ACCEPTED,
                State.STALE,
            ]
            unknown = Result(execution_id=f"E_{ids.ulid(1, 1)}", run=attempt.run)
            assert (await worker.say(unknown)).results[0].fate is Fate.UNKNOWN
            lost = Result(execution_id=execution, run="Run_nobody")
            assert (await worker.say(lost)).results[0].fate is Fate.LOST
            assert await kinds(runtime, execution) == ["Created", "Locked", "TemporarilyFailed", "Locked", "Finished"]

    run(work())


def test_the_time_of_an_attempt_ends_it_though_its_worker_lives(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nattempt_timeout_ms = 200\nmax_retries = 0") as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            answer = await worker.say(limit=1, wait_ms=30_000)
            assert list(answer.news) == [News(execution_id=execution, run=attempt.run, fate=Fate.TIMED_OUT)]
            outcome = await runtime.api.wait(execution, 60)
            assert isinstance(outcome, log.Failed)
            assert outcome.kind is log.FailureKind.TIMED_OUT
            (verdict,) = (await worker.say(result(attempt, 1))).results
            assert (verdict.state, verdict.fate) == (State.STALE, Fate.TIMED_OUT)

    run(work())


@pytest.mark.parametrize(("what", "fate"), [("cancel", Fate.CANCELLED), ("pause", Fate.PAUSED)])
def test_a_worker_that_waits_hears_at_once_that_an_attempt_was_taken_away(
    tmp_path: Path, what: str, fate: Fate
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            waiting = asyncio.ensure_future(worker.say(limit=1, wait_ms=30_000))
            await asyncio.sleep(0.05)
            await getattr(runtime.api, what)(execution)
            assert [news.fate for news in (await waiting).news] == [fate]
            beat = Heartbeat(execution_id=execution, run=attempt.run)
            assert [news.fate for news in (await worker.say(beats=[beat])).news] == [fate]
            (verdict,) = (await worker.say(result(attempt, 1))).results
            assert (verdict.state, verdict.fate) == (State.STALE, fate)

    run(work())


def test_the_last_detail_of_a_heartbeat_is_given_to_the_next_attempt(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            assert attempt.heartbeat is None
            for detail in (b'{"page":1}', b'{"page":2}'):
                beat = Heartbeat(execution_id=execution, run=attempt.run, detail=detail)
                assert [news.fate for news in (await worker.say(beats=[beat])).news] == [Fate.RUNNING]
            await worker.say(Result(execution_id=execution, run=attempt.run, failure=Failure(message="x")))
            late = Heartbeat(execution_id=execution, run=attempt.run, detail=b'{"page":9}')
            assert [news.fate for news in (await worker.say(beats=[late])).news] == [Fate.ENDED]
            attempt = await worker.take()
            assert (attempt.attempt, attempt.heartbeat) == (2, b'{"page":2}')

    run(work())


def test_what_a_worker_says_is_in_the_log_of_the_execution_up_to_its_limit(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nmax_output_bytes = 1000") as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            lines = [SaidLine(execution_id=execution, run=attempt.run, level=2, text=f"line {n}") for n in range(50)]
            foreign = SaidLine(execution_id=execution, run="Run_other", level=2, text="foreign")
            await worker.say(result(attempt, 1), lines=[*lines, foreign])
            said = [line.line.text for line in (await runtime.api.lines(execution)).items]
            assert said == [f"line {n}" for n in range(14)]

    run(work())


def test_what_a_worker_offers_is_judged_by_what_is_deployed(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f'{SETTINGS}\nlabels = ["gpu"]') as runtime:
            worker = await Worker.register(runtime, FFQN, "demo:x/y.z", FIBOA)
            assert {o.ffqn: o.state for o in worker.registered.functions} == {
                FFQN: Offered.LABELS,
                "demo:x/y.z": Offered.UNKNOWN,
                FIBOA: Offered.NOT_EXTERNAL,
            }
            execution = await submitted(runtime, FFQN, {"n": 1})
            assert not (await worker.say(limit=1)).attempts
            assert (await runtime.api.get(execution)).reason == "no worker that is registered has the labels gpu"
            old = await Worker.register(runtime, FFQN, labels=("gpu",), signature="func(n: u16)")
            (offer,) = old.registered.functions
            assert offer.state is Offered.DIFFERS
            assert "generate its code anew" in offer.detail
            assert not (await old.say(limit=1)).attempts
            signature = runtime.api.registry.function(FFQN).signature
            fit = await Worker.register(runtime, FFQN, labels=("gpu",), signature=signature)
            assert [a.execution_id for a in (await fit.say(limit=1)).attempts] == [execution]

    run(work())


def test_two_workers_never_get_one_attempt(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            workers = [await Worker.register(runtime) for _ in range(4)]
            waiting = [asyncio.ensure_future(w.say(limit=3, wait_ms=1_000)) for w in workers]
            executions = await asyncio.gather(*(submitted(runtime, FFQN, {"n": n}) for n in range(12)))
            handed = [attempt for answer in await asyncio.gather(*waiting) for attempt in answer.attempts]
            handed += [a for worker in workers for a in (await worker.say(limit=12)).attempts]
            assert sorted(attempt.execution_id for attempt in handed) == sorted(executions)

    run(work())


def test_a_limit_on_concurrency_holds_for_workers(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, f"{SETTINGS}\nmax_concurrent = 2") as runtime:
            worker = await Worker.register(runtime)
            waiting = asyncio.ensure_future(worker.say(limit=10, wait_ms=5_000))
            for n in range(3):
                await submitted(runtime, FFQN, {"n": n})
            attempts = [*(await waiting).attempts]
            attempts += (await worker.say(limit=10, wait_ms=300)).attempts
            assert len(attempts) == 2
            answer = await worker.say(result(attempts[0], 1), limit=10, wait_ms=10_000)
            assert len(answer.attempts) == 1

    run(work())


def test_a_claim_that_nobody_waits_for_any_more_keeps_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker, other = await Worker.register(runtime), await Worker.register(runtime)
            gone = asyncio.ensure_future(worker.say(limit=1, wait_ms=30_000))
            await asyncio.sleep(0.05)
            gone.cancel()
            await asyncio.gather(gone, return_exceptions=True)
            execution = await submitted(runtime, FFQN, {"n": 1})
            assert (await other.take()).execution_id == execution

    run(work())


def test_a_newer_claim_ends_the_wait_of_the_older_one(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            older = asyncio.ensure_future(worker.say(limit=1, wait_ms=60_000))
            await asyncio.sleep(0.05)
            newer = asyncio.ensure_future(worker.say(limit=1, wait_ms=60_000))
            assert not (await older).attempts
            execution = await submitted(runtime, FFQN, {"n": 1})
            assert [a.execution_id for a in (await newer).attempts] == [execution]

    run(work())


def test_a_worker_that_drains_waits_no_longer_and_one_without_room_waits_for_news(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            execution = await submitted(runtime, FFQN, {"n": 1})
            await worker.take()
            full = asyncio.ensure_future(worker.say(limit=0, wait_ms=60_000))
            await asyncio.sleep(0.05)
            await runtime.api.cancel(execution)
            assert [news.fate for news in (await full).news] == [Fate.CANCELLED]
            waiting = asyncio.ensure_future(worker.say(limit=1, wait_ms=60_000))
            await asyncio.sleep(0.05)
            await worker.external.exchange(worker.id, Exchange(draining=True))
            assert not (await waiting).attempts
            await submitted(runtime, FFQN, {"n": 2})
            assert not (await worker.say(limit=0)).attempts

    run(work())


def test_a_worker_that_leaves_gives_back_what_it_holds(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker, other = await Worker.register(runtime), await Worker.register(runtime)
            await submitted(runtime, FFQN, {"n": 1})
            attempt = await worker.take()
            await worker.external.leave(worker.id)
            again = await other.take()
            assert (again.execution_id, again.attempt) == (attempt.execution_id, 1)
            with pytest.raises(WorkerNotFound):
                await worker.say(result(attempt, 1))

    run(work())


def test_a_child_of_a_workflow_that_is_cancelled_is_taken_from_its_worker(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as runtime:
            worker = await Worker.register(runtime)
            workflow = await submitted(runtime, FIBOA, {"n": 7, "iterations": 1})
            attempt = await worker.take()
            assert attempt.execution_id == await child_of(runtime, workflow)
            waiting = asyncio.ensure_future(worker.say(limit=1, wait_ms=30_000))
            await asyncio.sleep(0.05)
            await runtime.api.cancel(workflow)
            assert [news.fate for news in (await waiting).news] == [Fate.CANCELLED]

    run(work())
