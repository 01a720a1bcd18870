"""The worker's own HTTP client, against servers that say exactly what a test has them say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from obelisk.worker.plain_http import Answered, PlainHttp, Unreachable, serves

GUARD_S = 60.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, GUARD_S))


class Server:
    """Answers each request of a connection with what `answers` has next; at its end it hangs up."""

    def __init__(self, *connections: list[bytes]) -> None:
        self.left = list(connections)
        self.writes: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in self.left.pop(0):
            self.writes.append(await reader.read(1 << 20))
            writer.write(answer)
            await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/base"


@asynccontextmanager
async def serving(server: Server) -> AsyncGenerator[PlainHttp]:
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        client = PlainHttp(server.url)
        yield client
        await client.close()


async def asked(client: PlainHttp, body: bytes | None = b"{}", within_s: float = GUARD_S) -> Answered:
    return await client.request("POST", "/x", body, {"A": "b"}, within_s=within_s, silent_s=within_s)


def test_a_request_is_one_write_and_connections_are_kept() -> None:
    async def work() -> None:
        server = Server([OK, OK, OK])
        async with serving(server) as client:
            for _ in range(3):
                answer = await asked(client)
                assert (answer.status, answer.reason, answer.content) == (200, "OK", b"{}")
        head = f"POST /base/x HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nA: b\r\nContent-Length: 2\r\n\r\n"
        assert server.writes == [head.encode() + b"{}"] * 3

    run(work())


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"{}"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nT: x\r\n\r\n", b"abcd"),
        (b"HTTP/1.1 200\r\nContent-Length:  70000\r\n\r\n" + b"x" * 70_000, b"x" * 70_000),
    ],
)
def test_bodies_of_every_framing_are_read_and_the_connection_goes_on(answer: bytes, content: bytes) -> None:
    async def work() -> None:
        async with serving(Server([answer, OK])) as client:
            assert (await asked(client)).content == content
            assert (await asked(client)).content == b"{}"

    run(work())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nto the end",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\nto the end",
        b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nto the end",
    ],
)
def test_a_connection_that_does_not_go_on_is_replaced(answer: bytes) -> None:
    async def work() -> None:
        server = Server([answer], [OK])
        async with serving(server) as client:
            assert (await asked(client)).content == b"to the end"
            assert (await asked(client)).content == b"{}"
        assert not server.left

    run(work())


def test_what_a_server_says_unasked_answers_no_request() -> None:
    async def work() -> None:
        server = Server([OK + b"HTTP/1.1 500 Unasked\r\nContent-Length: 0\r\n\r\n"], [OK])
        async with serving(server) as client:
            assert (await asked(client)).status == 200
            assert (await asked(client)).status == 200
        assert len(server.writes) == 2

    run(work())


def test_a_connection_that_was_told_something_between_requests_is_given_up() -> None:
    async def work() -> None:
        given_up = asyncio.Event()
        server = Server([OK])
        original = server.serve

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not server.left:
                server.left.append([OK])
                await original(reader, writer)
                return
            server.writes.append(await reader.read(1 << 20))
            server.left.clear()
            writer.write(OK)
            await told.wait()
            writer.write(b"HTTP/1.1 500 Unasked\r\n")
            assert await reader.read() == b""
            given_up.set()
            writer.close()

        told = asyncio.Event()
        server.serve = serve  # type: ignore[method-assign]
        async with serving(server) as client:
            assert (await asked(client)).status == 200
            told.set()
            await given_up.wait()
            assert (await asked(client)).status == 200

    run(work())


def test_a_kept_connection_that_was_closed_meanwhile_costs_a_new_one() -> None:
    async def work() -> None:
        server = Server([OK, b""], [OK])  # the second request of the first connection is read and gets no answer
        async with serving(server) as client:
            await asked(client)
            assert (await asked(client)).content == b"{}"
        assert len(server.writes) == 3

    run(work())


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "hung up before it answered"),
        (b"HTTP/1.1 200 OK\r\nContent-", "ended within the answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "ended within the answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 200_000 + b"\r\n\r\n", "no HTTP"),
    ],
)
def test_what_is_no_whole_answer_is_none(answer: bytes, why: str) -> None:
    async def work() -> None:
        async with serving(Server([answer])) as client:
            with pytest.raises(Unreachable, match=why):
                await asked(client)

    run(work())


def test_a_server_that_is_silent_is_given_up() -> None:
    async def work() -> None:
        silent = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silent.wait()
            writer.close()

        server = Server()
        server.serve = serve  # type: ignore[method-assign]
        async with serving(server) as client:
            with pytest.raises(Unreachable, match="in time"):
                await asked(client, within_s=0.05)
            silent.set()

    run(work())


def test_no_server_is_told_with_its_reason() -> None:
    async def work() -> None:
        async with serving(Server()) as client:
            pass
        with pytest.raises(Unreachable, match=r"[Cc]onnect"):
            await asked(client)

    run(work())


def test_a_request_that_is_refused_before_it_is_read_has_its_answer() -> None:
    refusal = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"

    async def work() -> None:
        done = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(refusal)
            await done.wait()
            writer.close()

        server = Server()
        server.serve = serve  # type: ignore[method-assign]
        async with serving(server) as client:
            assert (await asked(client, b"x" * (16 << 20))).status == 413
            done.set()

    run(work())


def test_a_cancelled_request_leaves_no_connection_to_be_used_again() -> None:
    async def work() -> None:
        server = Server([OK, b""], [OK])
        reached = asyncio.Event()
        original = server.serve

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(server.left) == 2:
                server.left.pop(0)
                await reader.read(1 << 20)
                reached.set()
                await reader.read(1 << 20)
                writer.close()
            else:
                await original(reader, writer)

        server.serve = serve  # type: ignore[method-assign]
        async with serving(server) as client:
            task = asyncio.create_task(asked(client))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await asked(client)).content == b"{}"

    run(work())


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://127.0.0.1:8080", {}, True),
        ("http://[::1]:8080/obelisk", {}, True),
        ("http://server", {"https_proxy": "http://proxy"}, True),
        ("http://server", {"HTTP_PROXY": "http://proxy"}, False),
        ("http://server", {"all_proxy": "http://proxy"}, False),
        ("https://server", {}, False),
        ("http://user:word@server", {}, False),
        ("http://bücher.example", {}, False),
        ("http://server:port", {}, False),
        ("server:8080", {}, False),
    ],
)
def test_what_takes_more_is_left_to_the_general_client(url: str, environment: dict[str, str], expected: bool) -> None:
    assert serves(url, environment) is expected
