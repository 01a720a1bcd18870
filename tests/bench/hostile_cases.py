"""The hostile cases of `make hostile`: clients that flood and stall, guests that take all they can, servers that drip.

A case runs in a process of its own, so that what it costs there is not taken for what it costs the server:
``python hostile_cases.py CASE PORT REMOTE``, until it is killed. It prints ``ready`` once it is at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

LONG_S: Final = 3600.0
FIBO: Final = "/v1/functions/demo:fibo/fibo/fibo"


def request(path: str, body: bytes, *, more: str = "") -> bytes:
    """A POST of JSON."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"{more}\r\n"
    ).encode() + body


class Wire:
    """One connection that a case has; it connects again when the server has enough of it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None or self._streams[1].is_closing():
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        return self._streams

    async def say(self, data: bytes) -> None:
        """Send it."""
        with contextlib.suppress(OSError):
            _, writer = await self._open()
            writer.write(data)
            await writer.drain()

    async def ask(self, data: bytes) -> None:
        """Send it, and read the answer to its end."""
        try:
            reader, writer = await self._open()
            writer.write(data)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if b"content-length: " in head:
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            elif b"chunked" in head:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            if b"connection: close" in head:
                writer.close()
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self._streams = None
            await asyncio.sleep(0.1)

    async def drain(self) -> None:
        """Read, for ever."""
        with contextlib.suppress(OSError):
            reader, _ = await self._open()
            while await reader.read(65_536):
                pass


Case: TypeAlias = "Callable[[int, int], Awaitable[object]]"
"""Runs for ever; gets the port of the server and that of the remote server."""


def flooding(body: bytes) -> Case:
    """Clients that send one request after another."""

    async def one(port: int) -> None:
        wire, data = Wire(port), request(FIBO, body)
        while True:
            await wire.ask(data)

    async def case(port: int, _remote: int) -> object:
        return await asyncio.gather(*(one(port) for _ in range(4)))

    return case


def calling(function: str, params: dict[str, Any], count: int, *, pause_s: float = 0.0) -> Case:
    """Calls under way at once, each begun again when it has ended."""

    async def one(port: int) -> None:
        wire, body = Wire(port), json.dumps(params).encode()
        data = request(f"/v1/functions/{function}", body, more="Prefer: wait=60\r\n")
        while True:
            await wire.ask(data)
            await asyncio.sleep(pause_s)

    async def case(port: int, _remote: int) -> object:
        return await asyncio.gather(*(one(port) for _ in range(count)))

    return case


async def slow_heads(port: int, _remote: int) -> object:
    """200 clients that send a head a byte at a time."""

    async def one() -> None:
        while True:
            wire = Wire(port)
            for byte in b"GET /livez HTTP/1.1\r\nX-Slow: " + b"x" * 200:
                await wire.say(bytes([byte]))
                await asyncio.sleep(0.1)

    return await asyncio.gather(*(one() for _ in range(200)))


async def idle_connections(port: int, _remote: int) -> object:
    """900 connections that ask once and then nothing."""
    wires = [Wire(port) for _ in range(900)]
    while True:
        for wire in wires:
            await wire.ask(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await asyncio.sleep(20)


async def followers(port: int, _remote: int) -> object:
    """400 followers of the events of one execution that never ends, and others that end all the time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/v1/functions/test:hostile/sleeper/sleep", b"{}", more="Prefer: respond-async\r\n"))
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    execution = next(line.partition(": ")[2] for line in head if line.lower().startswith("obelisk-execution-id"))
    path = f"/v1/executions/{execution}/events/follow"
    follow = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n"
    wires = [Wire(port) for _ in range(400)]
    for one in wires:
        await one.say(follow.encode())
    busy = calling("demo:fibo/fibo/fibo", {"n": 5}, 2)
    return await asyncio.gather(busy(port, 0), *(one.drain() for one in wires))


def fetching(path: str, count: int) -> Case:
    """Guests that ask the remote server."""

    async def case(port: int, remote: int) -> object:
        call: dict[str, Any] = {
            "method": "GET",
            "scheme": "http",
            "authority": f"127.0.0.1:{remote}",
            "path": path,
            "headers": [],
            "body": None,
            "first_byte_ms": 60_000,
            "between_bytes_ms": 60_000,
        }
        return await calling("test:wasi/client@1.0.0/fetch", {"call": call}, count)(port, remote)

    return case


async def remote_server(port: int) -> None:
    """The server that the guests ask: chunks of a byte, or informational answers, for as long as they are taken."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"/chunks" in head:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(30):
                    writer.write(b"1\r\na\r\n" * 40_000)
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
            else:
                for _ in itertools.count():
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0)
        writer.close()

    await asyncio.start_server(serve, "127.0.0.1", port)


PLACES: Final = json.dumps({"n": ["x" * 100] * 800}).encode()
BROKEN: Final = b'{"n":' + b"[1,," * 20_000
DEEP: Final = b"[" * 201 + b'"' + b'\\"' * 10_000
HOARD: Final = {"n": 10_000, "size": 60_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A case; `who` does `what`, for the table."""

    who: str
    what: str
    case: Case


def by(who: str, what: str, case: Case) -> Attack:
    """An attack."""
    return Attack(who=who, what=what, case=case)


CASES: Final[dict[str, Attack]] = {
    "broken-json": by("client", "80 KB of JSON that is none, four at a time", flooding(BROKEN)),
    "deep-json": by("client", "brackets and a text of 20 KB that never end, four at a time", flooding(DEEP)),
    "wrong-params": by("client", "parameters that are wrong in 800 places, four at a time", flooding(PLACES)),
    "slow-heads": by("client", "200 heads, a byte at a time", slow_heads),
    "idle": by("client", "900 connections that wait", idle_connections),
    "followers": by("client", "400 followers of an event stream", followers),
    "remote-chunks": by("remote server", "1.2 MB in chunks of one byte, to four guests", fetching("/chunks", 4)),
    "remote-100": by("remote server", "`100 Continue` without end, to four guests", fetching("/continue", 4)),
    "spin-activity": by("guest", "eight activities that compute without end", calling("test:hostile/spin/spin", {}, 8)),
    "spin-workflow": by("guest", "eight workflows that compute without end", calling("test:hostile/turn/turn", {}, 8)),
    "large-results": by(
        "guest", "results of 3 MB, two at a time", calling("demo:bombs/bombs/text", {"n": 3_000_000}, 2)
    ),
    "handles": by(
        "guest", "10,000 requests with long paths, two at a time", calling("test:wasi/hoarders@1.0.0/paths", HOARD, 2)
    ),
    "self-scheduling": by(
        "guest", "a workflow that schedules itself twice", calling("test:hostile/loops/twice", {}, 1, pause_s=LONG_S)
    ),
}


async def main(name: str, port: int, remote: int) -> None:
    """Run one case."""
    await remote_server(remote)
    attack = asyncio.ensure_future(CASES[name].case(port, remote))
    await asyncio.sleep(1)
    print("ready", flush=True)
    await attack


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
