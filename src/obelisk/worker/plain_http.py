"""Requests over plain HTTP/1.1 to one server: as little work for each as can be.

A worker's call in series is one request, so what a request costs is what a call costs. A general client writes head and
body apart, which wakes the server twice, and does four times the work of everything else in the worker. So this one
does what a worker's requests need, in one write each, over kept connections. Encryption, proxies and credentials in
the URL are left to `httpx`: `serves` tells.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, cast
from urllib.parse import urlsplit

_MAX_HEAD: Final = 64 * 1024
_HEAD_END: Final = b"\r\n\r\n"
_KEPT: Final = 4
"""Connections that are kept; a worker has two requests under way at most times."""
_EMPTY: Final = frozenset({204, 304})


class Unreachable(Exception):
    """No answer came, or none of HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer. Names of `headers` are in lower case; `reason` is what the server calls the status."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


def serves(url: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether requests to `url` can go through `PlainHttp`: plain HTTP, and no proxy that may be meant for it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - ValueError for a port that is none
    except ValueError:
        return False
    proxies = any(environment.get(name) for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"))
    is_bare = parts.username is None and not parts.query and not parts.fragment
    return parts.scheme == "http" and bool(parts.hostname) and is_bare and url.isascii() and not proxies


class PlainHttp:
    """A client for the server at `url`, for which `serves` holds. Used on one event loop."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        self._prefix, self._authority = parts.path.rstrip("/"), parts.netloc
        self._idle: list[_Connection] = []

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        within_s: float,
        silent_s: float,
    ) -> Answered:
        """One request. Unreachable: nothing came within `within_s` seconds, or the rest was silent for `silent_s`.

        A server may close a kept connection at any time: what got no answer on one is sent once more on a new one.
        """
        head = f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._authority}\r\n"
        head += "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if body is not None or method not in ("GET", "DELETE"):
            head += f"Content-Length: {len(body or b'')}\r\n"
        data = f"{head}\r\n".encode("latin-1") + (body or b"")
        end_s = asyncio.get_running_loop().time() + within_s
        while True:
            connection = self._kept()
            is_new = connection is None
            try:
                if connection is None:
                    async with asyncio.timeout(within_s):
                        connection = await _Connection.open(self._host, self._port)
                answer = await connection.answer(data, end_s, silent_s)
            except BaseException as error:
                if connection is not None:
                    connection.close()
                raise _told(error) from error
            if answer is None:
                connection.close()
                if is_new:
                    raise Unreachable("the server hung up before it answered")
                continue
            if connection.is_kept and len(self._idle) < _KEPT:
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
            connection.close()
        return None

    async def close(self) -> None:
        """Hang up."""
        while self._idle:
            self._idle.pop().close()


def _told(error: BaseException) -> BaseException:
    """What `request` raises for it."""
    match error:
        case Unreachable():
            return error
        case TimeoutError():
            return Unreachable("no answer came in time")
        case _Ended():
            return Unreachable(str(error))
        case OSError():
            return Unreachable(error.strerror or str(error))
        case ValueError():
            return Unreachable(f"the answer is no HTTP: {error}")
        case _:
            return error


class _Ended(Exception):
    """The server has hung up; `error`: what the connection broke with, if it did."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__("the connection ended within the answer")
        self.error = error


class _Connection(asyncio.Protocol):
    """One connection, on which one answer is read at a time. `is_kept`: it can carry another request.

    No more than what is asked for is waited for, and a whole answer comes in one piece as a rule: then one future and
    one timer are all that its reading takes.
    """

    def __init__(self) -> None:
        self.is_kept = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._come = bytearray()
        self._ended: _Ended | None = None
        self._awaited: asyncio.Future[None] | None = None
        self._reads = False

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    # --- what the loop tells ----------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have its methods, and not its class

    def data_received(self, data: bytes) -> None:
        if self._reads:
            self._come += data
            self._wake()
        else:  # nothing was asked
            self.close()

    def eof_received(self) -> bool:
        self._ended = self._ended or _Ended(None)
        self._wake()
        return True  # what was asked for may still be on its way to the server, and `close` ends it

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = self._ended or _Ended(exc)
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _late(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_exception(TimeoutError())

    async def _more(self, end_s: float) -> None:
        """Wait until more has come. _Ended when nothing more will, TimeoutError at the instant `end_s`."""
        if self._ended is not None:
            raise self._ended
        self._awaited = self._loop.create_future()
        timer = self._loop.call_at(end_s, self._late)
        try:
            await self._awaited
        finally:
            timer.cancel()
            self._awaited = None

    # --- answers ----------------------------------------------------------------------------------------------------
    @property
    def is_open(self) -> bool:
        """Whether the server has neither hung up nor said more than it was asked for, as far as is known."""
        return self._ended is None and not self._come and not self._transport.is_closing()

    async def answer(self, data: bytes, end_s: float, silent_s: float) -> Answered | None:
        """Send a request and read its answer; None when the server had hung up. TimeoutError: it does not begin by
        `end_s`, or says nothing for `silent_s` seconds after that.

        Nothing waits for the request to be sent: a server may refuse it before it has read all of it.
        """
        self._reads = True
        self._transport.write(data)
        try:
            head = await self._head(end_s)
            return None if head is None else await self._rest(*head, silent_s)
        finally:
            self._reads = False

    async def _head(self, end_s: float) -> tuple[int, str, dict[str, str]] | None:
        while True:
            try:
                head = await self._until(_HEAD_END, end_s)
            except _Ended as ended:
                if self._come and ended.error is None:
                    raise
                return None
            status, reason, headers, self.is_kept = _read_head(head)
            if status >= 200:
                return status, reason, headers

    async def _rest(self, status: int, reason: str, headers: dict[str, str], silent_s: float) -> Answered:
        if status in _EMPTY:
            content = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            content = await self._chunks(silent_s)
        elif "content-length" in headers:
            content = await self._sized(int(headers["content-length"]), silent_s)
        else:
            self.is_kept = False
            content = await self._until_the_end(silent_s)
        return Answered(status=status, reason=reason, headers=headers, content=content)

    async def _until(self, end: bytes, end_s: float) -> bytes:
        """What comes up to `end`, and it. ValueError when that is too long."""
        looked_at = 0
        while (place := self._come.find(end, looked_at, _MAX_HEAD)) < 0:
            looked_at = max(0, len(self._come) - len(end) + 1)
            if looked_at >= _MAX_HEAD:
                raise ValueError(f"more than {_MAX_HEAD} bytes without an end")
            await self._more(end_s)
        return self._take(place + len(end))

    def _take(self, size: int) -> bytes:
        taken = bytes(self._come[:size])
        del self._come[:size]
        return taken

    async def _sized(self, size: int, silent_s: float) -> bytes:
        if size < 0:
            raise ValueError(f"a size of {size}")
        while len(self._come) < size:
            await self._more(self._loop.time() + silent_s)
        return self._take(size)

    async def _chunks(self, silent_s: float) -> bytes:
        pieces: list[bytes] = []
        while True:
            line = await self._until(b"\r\n", self._loop.time() + silent_s)
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            pieces.append(await self._sized(size, silent_s))
            await self._sized(2, silent_s)
        while line != b"\r\n":  # trailers
            line = await self._until(b"\r\n", self._loop.time() + silent_s)
        return b"".join(pieces)

    async def _until_the_end(self, silent_s: float) -> bytes:
        while True:
            try:
                await self._more(self._loop.time() + silent_s)
            except _Ended as ended:
                if ended.error is not None:
                    raise
                return self._take(len(self._come))

    def close(self) -> None:
        self._transport.close()


def _read_head(head: bytes) -> tuple[int, str, dict[str, str], bool]:
    """Status, reason, headers, and whether the connection is kept. ValueError for what is no head."""
    first, *lines = head[: -len(_HEAD_END)].decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(status) != 3 or not status.isdecimal():
        raise ValueError(f"it begins with {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"a header without a colon: {line[:80]!r}")
        headers[name.lower()] = value.strip(" \t")
    is_kept = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    return int(status), reason, headers, is_kept
