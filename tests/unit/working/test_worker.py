"""A worker and what its server sees: results, failures, cuts of the network, leases, cancellation, drains, limits."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from fake_server import Call, FakeServer
from obelisk.worker import Err, NotRetryable, Ok, RetryAfter, Served, Worker, current
from worker_world import CARD, CHARGE, NESTED, PING, REFUND, TOTAL, in_virtual_time, payments, serving, types


def outcome_of(ffqn: str, params: dict[str, Any], handler: Served, **options: Any) -> Call:
    """A call that a worker has served, with its outcome or its failures."""

    async def world() -> Call:
        server = FakeServer()
        call = server.call(ffqn, params)
        async with serving(server, [handler], **options):
            while call.outcome is None and not call.failures:
                await asyncio.sleep(0.1)
        return call

    return in_virtual_time(world())


CHARGED = {"card": CARD, "cents": 7}


async def receipt(self: object, card: Any, cents: int) -> str:
    return f"{card.number} {cents} {current().attempt}"


async def wrapped(self: object, card: Any, cents: int) -> Any:
    return Ok("wrapped")


async def returned(self: object, card: Any, cents: int) -> Any:
    return Err(types().Refusal_Broke())


async def raised(self: object, card: Any, cents: int) -> str:
    raise Err(types().Refusal_Declined(card.number))


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (receipt, {"ok": "4711 7 1"}),
        (wrapped, {"ok": "wrapped"}),
        (returned, {"err": "broke"}),
        (raised, {"err": {"declined": "4711"}}),
    ],
)
def test_a_result_is_sent_in_its_json_form(method: Any, expected: object) -> None:
    assert outcome_of(CHARGE, CHARGED, payments(charge=method)).outcome == expected


def test_functions_without_a_value_and_without_an_error_have_outcomes() -> None:
    async def total(self: object, cents: list[int]) -> int:
        return sum(cents)

    assert outcome_of(PING, {}, payments()).outcome == {"ok": None}
    assert outcome_of(REFUND, {"cents": 1}, payments()).outcome == {"ok": None}
    assert outcome_of(TOTAL, {"cents": [1, 2]}, payments(total=total)).outcome == {"ok": 3}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Ok(None), {"ok": None}),
        (Ok(Ok(1)), {"ok": {"ok": 1}}),
        (Ok(Err("e")), {"ok": {"err": "e"}}),
        (Err("x"), {"err": "x"}),
    ],
)
def test_results_of_results_keep_their_levels(value: object, expected: object) -> None:
    async def nested(self: object, n: int) -> object:
        return value

    assert outcome_of(NESTED, {"n": 1}, payments(nested=nested)).outcome == expected


@pytest.mark.parametrize("value", [-1, 1 << 32, "7", None, 1.5])
def test_a_result_of_the_wrong_type_is_a_failure_that_says_where(value: object) -> None:
    async def total(self: object, cents: list[int]) -> Any:
        return value

    (failure,) = outcome_of(TOTAL, {"cents": []}, payments(total=total)).failures
    assert failure["message"].startswith(f"{TOTAL} returned what is not of its type")
    assert "expected u32" in failure["message"]


def test_an_err_that_the_wit_does_not_declare_is_no_reason_to_try_again() -> None:
    async def total(self: object, cents: list[int]) -> int:
        raise Err("none")

    (failure,) = outcome_of(TOTAL, {"cents": []}, payments(total=total)).failures
    assert "its WIT declares no error" in failure["message"]
    assert failure["retryable"] is False


def is_even(error: BaseException) -> bool:
    return "odd" not in str(error)


@pytest.mark.parametrize(
    ("error", "retryable", "expected"),
    [
        (ValueError("odd"), None, {"message": "ValueError: odd", "retryable": True}),
        (NotRetryable("never"), None, {"message": "never", "retryable": False}),
        (RetryAfter(2.5, "later"), (), {"message": "later", "retryable": True, "retry_after_ms": 2500}),
        (ConnectionError("gone"), (OSError,), {"message": "ConnectionError: gone", "retryable": True}),
        (ValueError("odd"), (OSError,), {"message": "ValueError: odd", "retryable": False}),
        (ValueError("odd"), is_even, {"message": "ValueError: odd", "retryable": False}),
        (asyncio.CancelledError(), None, {"message": "CancelledError", "retryable": True}),
    ],
)
def test_an_exception_says_whether_another_attempt_is_of_use(
    error: BaseException, retryable: Any, expected: Any
) -> None:
    async def ping(self: object) -> None:
        raise error

    (failure,) = outcome_of(PING, {}, payments(ping=ping), retryable=retryable).failures
    assert "Traceback" in failure.pop("detail")
    assert failure == expected


def test_quick_functions_cost_one_request_each() -> None:
    async def world() -> int:
        server = FakeServer()
        async with serving(server, [payments()]):
            for _ in range(50):
                await server.call(PING).ended.wait()
        return len(server.requests)

    assert in_virtual_time(world()) <= 50 + 5


def test_a_thousand_attempts_wait_at_once() -> None:
    async def ping(self: object) -> None:
        await asyncio.sleep(100)

    async def world() -> tuple[int, float]:
        server = FakeServer()
        calls = [server.call(PING) for _ in range(1000)]
        async with serving(server, [payments(ping=ping)], concurrency=1000):
            for call in calls:
                await call.ended.wait()
        return server.most_running, asyncio.get_running_loop().time()

    most, took_s = in_virtual_time(world())
    assert most == 1000
    assert took_s < 150


def test_an_idle_worker_asks_less_than_once_in_20_seconds() -> None:
    async def world() -> int:
        server = FakeServer()
        async with serving(server, [payments()]):
            await asyncio.sleep(10)
            server.requests.clear()
            await asyncio.sleep(2000)
            return len(server.requests)

    assert in_virtual_time(world()) < 100


@pytest.mark.parametrize("concurrency", [1, 100])
@pytest.mark.parametrize("state", ["cancelled", "paused", "timed_out"])
def test_an_attempt_that_the_server_ends_is_cancelled(state: str, concurrency: int) -> None:
    ends: list[bool] = []

    async def ping(self: object) -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            ends.append(current().cancelled)
            raise

    async def world() -> float:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)], concurrency=concurrency):
            await asyncio.sleep(20)
            server.cancel(call, state)
            cancelled_s = asyncio.get_running_loop().time()
            while not ends:
                await asyncio.sleep(0.1)
            took_s = asyncio.get_running_loop().time() - cancelled_s
        assert not server.judged
        return took_s

    assert in_virtual_time(world()) < 5
    assert ends == [True]


def test_time_is_up_by_the_worker_s_own_clock() -> None:
    async def ping(self: object) -> None:
        deadline = current().deadline
        assert deadline is not None
        assert deadline.year == 2026
        await asyncio.sleep(1000)

    async def world() -> float:
        server = FakeServer()
        server.call(PING, remaining_ms=3000)
        async with serving(server, [payments(ping=ping)]) as (worker, _):
            await asyncio.sleep(1)
            worker.stop()
            await _
        return asyncio.get_running_loop().time()

    assert in_virtual_time(world()) < 7


def test_heartbeats_reach_the_next_attempt() -> None:
    found: list[object] = []

    async def ping(self: object) -> None:
        found.append(current().heartbeat_detail)
        for step in range(3):
            current().heartbeat({"step": step})
        await asyncio.sleep(1)
        if current().attempt == 1:
            raise RuntimeError("again")

    async def world() -> int:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)]):
            await call.ended.wait()
        return sum(len(body.get("heartbeats", ())) for _, body in server.requests)

    assert in_virtual_time(world()) == 2
    assert found == [None, {"step": 2}]


@pytest.mark.parametrize(("detail", "error"), [(object(), TypeError), ("x" * 100_000, ValueError)])
def test_a_heartbeat_takes_json_of_modest_size(detail: Any, error: type[Exception]) -> None:
    async def ping(self: object) -> None:
        with pytest.raises(error):
            current().heartbeat(detail)

    assert outcome_of(PING, {}, payments(ping=ping)).outcome == {"ok": None}


def test_log_records_of_an_attempt_and_no_others_are_lines_of_its_log() -> None:
    async def ping(self: object) -> None:
        logging.getLogger("shop").warning("charged %d", 7)
        try:
            raise ValueError("odd")
        except ValueError:
            logging.getLogger("shop").exception("failed")
        logging.getLogger("shop").debug("too fine")

    async def world() -> tuple[Call, list[Any]]:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)]):
            logging.getLogger("shop").warning("of no attempt")
            await call.ended.wait()
        return call, server.lines

    call, lines = in_virtual_time(world())
    assert [(line["execution_id"], line["level"]) for line in lines] == [
        (call.execution_id, "warn"),
        (call.execution_id, "error"),
    ]
    assert lines[0]["message"] == "charged 7"
    assert "ValueError: odd" in lines[1]["message"]


def test_wrong_settings_are_told_at_once() -> None:
    handler = payments()
    with pytest.raises(ValueError, match="handlers: expected"):
        Worker(handlers=[])
    with pytest.raises(ValueError, match="two of them implement"):
        Worker(handlers=[handler, payments()])
    with pytest.raises(ValueError, match=r"per_function: no handler has a:b/c\.d"):
        Worker(handlers=[handler], per_function={"a:b/c.d": 1})
    with pytest.raises(ValueError, match="concurrency"):
        Worker(handlers=[handler], concurrency=0)
    with pytest.raises(LookupError, match="no attempt"):
        current()
