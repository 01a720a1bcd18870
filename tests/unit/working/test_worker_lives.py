"""A worker and its server out of touch: cuts of the network, lost answers, leases that run out, drains."""

from __future__ import annotations

import asyncio

import pytest

from fake_server import Call, FakeServer
from obelisk.worker import current
from worker_world import PING, in_virtual_time, payments, serving


@pytest.mark.parametrize("lease_ms", [60_000, 10_000])
def test_a_result_is_kept_while_the_network_is_cut(lease_ms: int, caplog: pytest.LogCaptureFixture) -> None:
    """With a lease longer than the cut the result counts; with a shorter one it is stale, and the attempt repeated."""
    ran: list[int] = []

    async def ping(self: object) -> None:
        ran.append(current().attempt)
        await asyncio.sleep(1)

    async def world() -> list[str]:
        server = FakeServer(lease_ms=lease_ms)
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)]):
            await asyncio.sleep(0.5)
            server.is_cut = True
            await asyncio.sleep(30)
            server.is_cut = False
            await call.ended.wait()
        assert call.outcome == {"ok": None}
        return [told["state"] for told in server.judged]

    states = in_virtual_time(world())
    assert states[0] == ("accepted" if lease_ms == 60_000 else "stale")
    assert states.count("accepted") == 1  # an answer may be lost as well: what is sent again then is told as stale
    assert ran == ([1] if lease_ms == 60_000 else [1, 2])
    assert ("the result came too late: lost" in caplog.text) is (lease_ms == 10_000)


def test_what_a_lost_answer_handed_out_is_handed_out_again_and_runs_once() -> None:
    ran: list[str] = []

    async def ping(self: object) -> None:
        ran.append(current().execution_id)

    async def world() -> Call:
        server = FakeServer()
        async with serving(server, [payments(ping=ping)]):
            await asyncio.sleep(1)
            server.loses_answers = 3
            call = server.call(PING)
            await call.ended.wait()
            await asyncio.sleep(5)
        return call

    call = in_virtual_time(world())
    assert call.attempt == 1
    assert ran == [call.execution_id]


def test_a_worker_without_its_lease_begins_anew_and_lets_go_of_its_attempts() -> None:
    ends: list[str] = []

    async def ping(self: object) -> None:
        try:
            await asyncio.sleep(5 if current().attempt == 2 else 1000)
        except asyncio.CancelledError:
            ends.append(f"{current().attempt} {current().cancelled}")
            raise

    async def world() -> int:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)]):
            await asyncio.sleep(1)
            for leased in server.workers.values():
                leased.until_s = -1.0
            await call.ended.wait()
        return len(server.registered)

    assert in_virtual_time(world()) == 2
    assert ends == ["1 True"]


def test_a_drain_lets_attempts_end_and_claims_no_more() -> None:
    async def ping(self: object) -> None:
        await asyncio.sleep(20)

    async def world() -> tuple[Call, Call, str]:
        server = FakeServer()
        first = server.call(PING)
        async with serving(server, [payments(ping=ping)]) as (worker, task):
            await asyncio.sleep(10)
            worker.stop()
            await asyncio.sleep(0.1)
            second = server.call(PING)
            await task
        assert not server.workers
        return first, second, server.requests[-1][0].partition("/")[0].strip()

    first, second, last = in_virtual_time(world())
    assert first.outcome == {"ok": None}
    assert second.attempt == 0
    assert last == "DELETE"


def test_what_a_drain_cannot_wait_for_is_given_to_others() -> None:
    cancelled: list[bool] = []

    async def ping(self: object) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            cancelled.append(current().cancelled)

    async def world() -> tuple[Call, float]:
        server = FakeServer()
        call = server.call(PING)
        async with serving(server, [payments(ping=ping)], drain_s=15) as (worker, task):
            await asyncio.sleep(1)
            worker.stop()
            await task
        return call, asyncio.get_running_loop().time()

    call, took_s = in_virtual_time(world())
    assert cancelled == [True]
    assert (call.outcome, call.worker) == (None, "")
    assert 15 < took_s < 25


def test_a_worker_that_has_never_reached_its_server_stops_when_told() -> None:
    async def world() -> float:
        server = FakeServer()
        server.is_cut = True
        async with serving(server, [payments()]) as (worker, task):
            await asyncio.sleep(60)
            worker.stop()
            await task
        return asyncio.get_running_loop().time()

    assert in_virtual_time(world()) < 70
