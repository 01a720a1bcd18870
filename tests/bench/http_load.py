"""A load of HTTP POSTs over kept connections: so little work per request that the server is what is measured.

Understands what the servers of the benchmark send: HTTP/1.1 with a Content-Length, or chunks.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One request and the body that answers it."""

    port: int
    path: str
    body: bytes
    expect: bytes


class Connection:
    """One kept connection. `post` raises AssertionError for an answer other than the expected one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, post: Post) -> None:
        self._reader, self._writer, self._expect = reader, writer, post.expect
        self._request = (
            f"POST {post.path} HTTP/1.1\r\nHost: 127.0.0.1:{post.port}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(post.body)}\r\n\r\n".encode()
            + post.body
        )

    @classmethod
    async def open(cls, post: Post) -> Connection:
        """Connect to the server on this machine."""
        return cls(*await asyncio.open_connection("127.0.0.1", post.port), post)

    async def post(self) -> float:
        """Send the request and read its answer: seconds."""
        start = time.perf_counter()
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        body = await self._chunks() if b"transfer-encoding: chunked" in head else await self._sized(head)
        assert head.startswith(b"http/1.1 200"), (head, body)
        assert body.strip() == self._expect, (head, body)
        return time.perf_counter() - start

    async def _sized(self, head: bytes) -> bytes:
        length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
        return await self._reader.readexactly(int(length))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()
        return body

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def _load(post: Post, connections: int, seconds: float) -> list[float]:
    opened = [await Connection.open(post) for _ in range(connections)]
    end = time.perf_counter() + seconds

    async def one(connection: Connection) -> list[float]:
        took: list[float] = []
        while time.perf_counter() < end:
            took.append(await connection.post())
        return took

    try:
        return [seconds for took in await asyncio.gather(*map(one, opened)) for seconds in took]
    finally:
        for connection in opened:
            connection.close()


def load(post: Post, *, connections: int, seconds: float) -> dict[str, float]:
    """POST for so long on each of the connections; requests per second, and latencies in milliseconds."""
    start = time.perf_counter()
    took = asyncio.run(_load(post, connections, seconds))
    rate = len(took) / (time.perf_counter() - start)
    hundredths = statistics.quantiles(took, n=100)
    return {"requests/s": rate, "p50 ms": hundredths[49] * 1e3, "p99 ms": hundredths[98] * 1e3}


def once(post: Post, count: int) -> float:
    """The same POST `count` times at the same time: seconds until all are answered."""

    async def all_at_once() -> float:
        opened = [await Connection.open(post) for _ in range(count)]
        start = time.perf_counter()
        await asyncio.gather(*(connection.post() for connection in opened))
        seconds = time.perf_counter() - start
        for connection in opened:
            connection.close()
        return seconds

    return asyncio.run(all_at_once())
