"""A small HTTP server that behaves well on some paths and badly, on purpose, on others."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote


@dataclass
class Seen:
    """What the server saw: the port it listens on, the requests' lines, headers and bodies as they were complete, and
    how many connections came."""

    port: int = 0
    requests: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0


@asynccontextmanager
async def serving() -> AsyncGenerator[Seen, None]:
    """The server, as long as the block lasts."""
    seen = Seen()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while await _one(reader, writer, seen):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> bool:
    """Serve one request; whether the connection lives on."""
    line = (await reader.readline()).decode().strip()
    if not line:
        return False
    seen.requests.append(line)
    headers: list[tuple[str, str]] = []
    while text := (await reader.readline()).decode().strip():
        name, _, value = text.partition(":")
        headers.append((name, value.strip()))
    method, target, _ = line.split(" ")
    path = target.partition("?")[0]
    by_name = {name.lower(): value for name, value in headers}
    seen.headers.append(by_name)
    body = await _body(reader, by_name)
    seen.bodies.append(body)
    if path == "/back":
        await _send_back(writer, body)
        return True
    if path == "/echo":
        answer = json.dumps({"line": line, "headers": headers, "length": len(body)}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nX-Twice: a\r\nX-Twice: b\r\nConnection: keep-alive\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(answer), b"" if method == "HEAD" else answer))
        return True
    if path == "/encoded":
        await _encoded(writer, by_name["authorization"].encode())
    elif path == "/malformed":
        writer.write(b"HTTP/1.1 200 OK\r\nBad Name: " + by_name["authorization"].encode() + b"\r\n\r\n")
    else:
        await _badly(path, writer)
    return False


async def _encoded(writer: asyncio.StreamWriter, text: bytes) -> None:
    """A text in several encodings, in a body that comes in small parts."""
    ways = (text, base64.b64encode(text), base64.b64encode(b"a" + text), base64.b64encode(b"ab" + text))
    answer = b"\n".join((*ways, quote(text, safe="").encode(), text.hex().encode()))
    named = b"X-Base64: %s\r\nX-%s: 1\r\n" % (ways[1], text.hex().encode())
    writer.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n" % (named, len(answer)))
    for start in range(0, len(answer), 7):
        writer.write(answer[start : start + 7])
        await writer.drain()


async def _badly(path: str, writer: asyncio.StreamWriter) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    match path:
        case "/redirect":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n")
        case "/no-head":
            await asyncio.sleep(30)
        case "/drip":
            for byte in head + bytes(100):
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.25)  # its head takes longer than guests wait
        case "/stall":
            writer.write(head + b"some")
            await writer.drain()
            await asyncio.sleep(30)
        case "/cut":
            writer.write(head + b"some")
        case "/garbage":
            writer.write(b"I do not speak HTTP\r\n\r\n")
        case "/flood":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10_000):
                writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
                await writer.drain()
        case _:
            return  # closed without a word
    await writer.drain()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        return b"".join([chunk async for chunk in _chunks(reader)])
    return await reader.readexactly(int(headers.get("content-length", "0")))


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


async def _send_back(writer: asyncio.StreamWriter, body: bytes) -> None:
    """What came, in chunks; all of it was read first, as clients send all before they listen."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
    for at in range(0, len(body), 50_000):
        part = body[at : at + 50_000]
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()
    writer.write(b"0\r\nX-Sum: 1\r\n\r\n")
    await writer.drain()
