"""What requests, responses and their bodies keep counts in the memory of their guest, and for as long as they do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_network

import pytest

from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpExchange, HttpLimits
from obelisk.runtime.host.wasi.http.fields import Fields
from obelisk.runtime.host.wasi.http.flows import AHEAD, IN_FLIGHT, Inflow, Outflow
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, OutgoingRequest, Request, Timeouts
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule
from obelisk.runtime.ports.guest import HostMemory, JsonValue, OutOfHostMemory

KIB = 1 << 10
HEADERS = 30
VALUE = "x" * 2_000


def append(fields: Fields, count: int) -> None:
    for _ in range(count):
        fields.append("x", b"")


# --- parts -----------------------------------------------------------------------------------------------------------
def test_headers_count_with_what_each_takes() -> None:
    memory = HostMemory(40 * KIB)
    fields = Fields(memory)
    with pytest.raises(OutOfHostMemory, match="max_host_bytes"):
        append(fields, 1000)
    count, used = len(fields.entries()), memory.used
    assert 40 * KIB - KIB < used <= 40 * KIB
    with pytest.raises(OutOfHostMemory):
        fields.clone()
    assert (len(fields.entries()), memory.used) == (count, used), "what was refused left nothing"
    fields.delete("x")
    assert memory.used == 0
    fields.set("y", [b"1", b"2"])
    assert 0 < memory.used < KIB
    del fields
    assert memory.used == 0


def in_a_case(text: str) -> JsonValue:
    return {"other": text}


def as_it_is(text: str) -> JsonValue:
    return text


@pytest.mark.parametrize("attribute", ["method", "scheme", "authority", "path"])
def test_what_is_set_of_a_request_counts_once(attribute: str) -> None:
    memory = HostMemory(64 * KIB)
    request = OutgoingRequest(Fields(memory), memory)
    other = in_a_case if attribute in ("method", "scheme") else as_it_is
    for size in (10_000, 20_000, 10_000):
        request.set(attribute, other("x" * size))
        assert size < memory.used < size + KIB
    with pytest.raises(OutOfHostMemory):
        request.set(attribute, other("x" * 70_000))
    assert getattr(request, attribute) == other("x" * 10_000)
    request.set(attribute, other("\U0001f600" * 10_000))
    assert memory.used >= 40_000, "as Python keeps them"
    del request
    assert memory.used == 0


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def is_refused(flow: Outflow, data: bytes) -> bool:
    try:
        flow.write(data)
    except OutOfHostMemory:
        return True
    return False


def test_what_waits_to_be_sent_counts() -> None:
    async def work() -> None:
        memory = HostMemory(50_000)
        flow = Outflow(asyncio.get_running_loop(), None, memory)
        flow.write(bytes(30_000))
        before = memory.used
        assert await flow.first() is None
        parts = flow.chunks()
        assert await anext(parts) == bytes(30_000)
        assert memory.used == before - 30_000
        flow.write(bytes(30_000))
        assert is_refused(flow, bytes(30_000))
        flow.close()
        assert memory.used == before - 30_000, "what will not be sent is not kept"

    run(work())


def test_a_response_is_read_ahead_as_far_as_there_is_memory() -> None:
    async def work() -> None:
        memory = HostMemory(100_000)
        loop = asyncio.get_running_loop()
        one, other = Inflow(loop, memory), Inflow(loop, memory)
        putting = [asyncio.ensure_future(flow.put(b"x" * IN_FLIGHT)) for flow in (one, other)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in putting)
        assert 100_000 - AHEAD < memory.used <= 100_000
        read = 0
        while read < IN_FLIGHT:  # the other one is full, and its guest waits for this one alone
            read += len(one.read(IN_FLIGHT))
            await asyncio.sleep(0)
        await putting[0]
        assert not putting[1].done()
        assert len(other.read(IN_FLIGHT)) >= AHEAD, "it has what each has at any rate"
        putting[1].cancel()
        for flow in (one, other):
            flow.discard()
        assert memory.used == 0

    run(work())


# --- whole exchanges -------------------------------------------------------------------------------------------------
async def many_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server whose responses have much of a head and no body."""
    lines = [f"x-{number}: {VALUE}\r\n" for number in range(HEADERS)]
    writer.write(f"HTTP/1.1 204 No Content\r\n{''.join(lines)}connection: close\r\n\r\n".encode())
    await writer.drain()
    writer.close()


async def exchanged(memory: HostMemory, count: int) -> list[HttpExchange]:
    """So many exchanges of one guest, which have ended and which it still has."""
    listening = await asyncio.start_server(many_headers, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    rule = Rule(host="*", schemes=("http",), ports=(port,), networks=(ip_network("127.0.0.0/8"),))
    client = HttpClient([HttpPolicy((rule,))], HttpLimits())
    request = Request(
        method="GET",
        scheme="http",
        authority=f"127.0.0.1:{port}",
        path="/",
        headers=(("x", b"y" * 1_000),),
        timeouts=Timeouts(),
        body=None,
        memory=memory,
    )
    try:
        exchanges: list[HttpExchange] = []
        for _ in range(count):
            exchange = client.send(request)
            while exchange.task is None:
                await asyncio.sleep(0)
            await exchange.task
            exchanges.append(exchange)
        return exchanges
    finally:
        await client.close()
        listening.close()


def test_heads_of_responses_count() -> None:
    async def work() -> None:
        memory = HostMemory(200 * KIB)
        exchanges = await exchanged(memory, 4)
        ends = [exchange.outcome for exchange in exchanges]
        assert [isinstance(end, Head) for end in ends] == [True, True, False, False]
        assert all(
            isinstance(end, HttpFailed) and "HTTP_response_header_section_size" in str(end.code) for end in ends[2:]
        )
        assert 2 * HEADERS * len(VALUE) < memory.used <= 200 * KIB
        for exchange in exchanges:
            exchange.cancel()
        await asyncio.sleep(0)
        assert memory.used == 0

    run(work())


def test_exchanges_count() -> None:
    async def work() -> None:
        memory = HostMemory(300 * KIB)
        with pytest.raises(OutOfHostMemory):
            await exchanged(memory, 1000)

    run(work())
