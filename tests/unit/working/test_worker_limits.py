"""What a worker does when the server wants it otherwise: limits, refusals, older types, too large results."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_server import Call, FakeServer
from obelisk.worker import WorkerRefused
from worker_world import CARD, CHARGE, PING, REFUND, in_virtual_time, payments, serving

CHARGED = {"card": CARD, "cents": 7}


def test_limits_of_the_worker_and_of_a_function_hold() -> None:
    running: dict[str, int] = {"ping": 0, "refund": 0}
    most: dict[str, int] = {"ping": 0, "refund": 0, "both": 0}

    async def enter(name: str) -> None:
        running[name] += 1
        most[name] = max(most[name], running[name])
        most["both"] = max(most["both"], sum(running.values()))
        await asyncio.sleep(1)
        running[name] -= 1

    async def ping(self: object) -> None:
        await enter("ping")

    async def refund(self: object, cents: int) -> None:
        await enter("refund")

    async def world() -> None:
        server = FakeServer()
        calls = [server.call(name, params) for _ in range(20) for name, params in ((PING, {}), (REFUND, {"cents": 1}))]
        handler = payments(ping=ping, refund=refund)
        async with serving(server, [handler], concurrency=7, per_function={PING: 2}):
            for call in calls:
                await call.ended.wait()

    in_virtual_time(world())
    assert most["ping"] == 2
    assert most["both"] == 7


def test_a_wrong_token_ends_the_worker_with_the_reason() -> None:
    async def world() -> None:
        server = FakeServer()
        server.token = "right"
        async with serving(server, [payments()], token="wrong") as (_, task):
            with pytest.raises(WorkerRefused, match="scope `work`"):
                await task

    with pytest.raises(WorkerRefused):
        in_virtual_time(world())


def test_a_function_of_other_types_is_told_and_not_claimed(caplog: pytest.LogCaptureFixture) -> None:
    async def world() -> tuple[Call, list[Any]]:
        server = FakeServer(refused={CHARGE: "differs"})
        call, other = server.call(CHARGE, CHARGED), server.call(PING)
        async with serving(server, [payments()]):
            await other.ended.wait()
        return call, server.registered[0]["functions"]

    call, functions = in_virtual_time(world())
    assert call.attempt == 0
    assert f"the server gives no work for {CHARGE}: differs" in caplog.text
    assert all(item["signature"] for item in functions)


def test_a_function_that_is_deployed_later_is_served_then() -> None:
    async def world() -> Call:
        server = FakeServer(refused={PING: "unknown"})
        async with serving(server, [payments()]):
            await asyncio.sleep(5)
            server.refused.clear()
            call = server.call(PING)
            await call.ended.wait()
        return call

    assert in_virtual_time(world()).outcome == {"ok": None}


def test_an_attempt_of_a_function_that_has_changed_meanwhile_fails_with_the_reason() -> None:
    async def world() -> Call:
        server = FakeServer()
        call = server.call(PING, signature="-.other.types")
        async with serving(server, [payments()]):
            while not call.failures:
                await asyncio.sleep(0.1)
        return call

    failure = in_virtual_time(world()).failures[0]
    assert "other types than this worker was generated for" in failure["message"]
    assert failure["retryable"] is True


def test_a_result_that_the_server_does_not_take_is_a_failure_and_others_are_sent() -> None:
    async def charge(self: object, card: Any, cents: int) -> str:
        return "x" * cents

    async def world() -> list[Call]:
        server = FakeServer()
        server.max_body = 20_000
        calls = [server.call(CHARGE, {"card": CARD, "cents": cents}) for cents in (15_000, 15_000, 50_000, 15_000)]
        async with serving(server, [payments(charge=charge)]):
            for call in calls:
                await call.ended.wait()
        return calls

    first, second, large, last = in_virtual_time(world())
    for call in (first, second, last):
        assert call.outcome == {"ok": "x" * 15_000}
    (failure,) = large.failures
    assert "too large" in failure["message"]
