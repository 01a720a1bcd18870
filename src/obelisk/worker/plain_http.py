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
from typing import Final, Self
from urllib.parse import urlsplit

_MAX_HEAD: Final = 64 * 1024
_PIECE: Final = 64 * 1024
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
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None or method not in ("GET", "DELETE"):
            lines.append(f"Content-Length: {len(body or b'')}")
        data = "\r\n".join((*lines, "", "")).encode("latin-1") + (body or b"")
        while True:
            connection = self._kept()
            is_new = connection is None
            try:
                async with asyncio.timeout(within_s):
                    if connection is None:
                        connection = await _Connection.open(self._host, self._port)
                    answered = await connection.head(data)
                if answered is None:
                    if is_new:
                        raise Unreachable("the server hung up before it answered")
                    connection.close()
                    continue
                answer = await connection.rest(*answered, silent_s)
            except BaseException as error:
                if connection is not None:
                    connection.close()
                raise _told(error) from error
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
        case asyncio.IncompleteReadError():
            return Unreachable("the connection ended within the answer")
        case OSError():
            return Unreachable(error.strerror or str(error))
        case asyncio.LimitOverrunError() | ValueError():
            return Unreachable(f"the answer is no HTTP: {error}")
        case _:
            return error


class _Connection:
    """One connection. `is_kept`: it can carry another request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.is_kept = False

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port, limit=_MAX_HEAD))

    @property
    def is_open(self) -> bool:
        """Whether the server has not hung up, as far as is known."""
        return not self._reader.at_eof() and not self._writer.is_closing()

    async def head(self, data: bytes) -> tuple[int, str, dict[str, str], bool] | None:
        """Send a request and read the head of the answer; None when the server had hung up.

        Nothing waits for the request to be sent: a server may refuse it before it has read all of it.
        """
        self._writer.write(data)
        while True:
            try:
                head = await self._reader.readuntil(_HEAD_END)
            except ConnectionError:
                return None
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
                return None
            read = _read_head(head)
            if read[0] >= 200:
                return read

    async def rest(self, status: int, reason: str, headers: dict[str, str], is_kept: bool, silent_s: float) -> Answered:
        """Read what follows the head."""
        self.is_kept = is_kept
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

    async def _sized(self, size: int, silent_s: float) -> bytes:
        if size < 0:
            raise ValueError(f"a size of {size}")
        pieces: list[bytes] = []
        while size:
            async with asyncio.timeout(silent_s):
                pieces.append(await self._reader.readexactly(min(size, _PIECE)))
            size -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _chunks(self, silent_s: float) -> bytes:
        pieces: list[bytes] = []
        while True:
            async with asyncio.timeout(silent_s):
                line = await self._reader.readuntil(b"\r\n")
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            pieces.append(await self._sized(size, silent_s))
            await self._sized(2, silent_s)
        while line != b"\r\n":  # trailers
            async with asyncio.timeout(silent_s):
                line = await self._reader.readuntil(b"\r\n")
        return b"".join(pieces)

    async def _until_the_end(self, silent_s: float) -> bytes:
        pieces: list[bytes] = []
        while True:
            async with asyncio.timeout(silent_s):
                piece = await self._reader.read(_PIECE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def close(self) -> None:
        self._writer.close()


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
