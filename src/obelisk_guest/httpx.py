"""httpx in components: a transport over `wasi:http`.

    import httpx
    from obelisk_guest.httpx import Transport

    with httpx.Client(transport=Transport()) as client:
        client.get("https://api.example.com/orders").raise_for_status()

httpx itself is a package of the component, as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import httpx

from obelisk_guest.exchanges import Exchange
from obelisk_guest.http_errors import HttpError, InvalidRequest, RequestTimedOut, Unreachable


class Transport(httpx.BaseTransport):
    """Sends the requests of an `httpx.Client` through the engine, which also sees to certificates."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises the exceptions of httpx: ConnectError, ConnectTimeout, ReadTimeout, ReadError, …"""
        url = request.url
        exchange = Exchange(
            method=request.method,
            url=str(url),
            scheme=url.scheme,
            authority=url.netloc.decode("ascii"),
            path=url.raw_path.decode("ascii"),
        )
        timeouts = cast("Mapping[str, float | None]", request.extensions.get("timeout", {}))
        body = b"".join(cast("httpx.SyncByteStream", request.stream))
        headers = [(name.decode("ascii"), value) for name, value in request.headers.raw if name.lower() not in _OURS]
        has_body = bool(body) or "content-length" in request.headers
        try:
            head = exchange.send(
                headers,
                body if has_body else None,
                (timeouts.get("connect"), timeouts.get("read"), timeouts.get("read")),
            )
        except HttpError as error:
            raise _as_httpx(error, request) from error
        return httpx.Response(
            status_code=head.status,
            headers=[(name.encode("ascii"), value) for name, value in head.headers],
            stream=_Body(head.chunks, request),
        )


_OURS = (b"host", b"connection", b"transfer-encoding")
"""Headers that the engine makes itself and lets no guest set."""


class _Body(httpx.SyncByteStream):
    def __init__(self, chunks: Iterator[bytes], request: httpx.Request) -> None:
        self._chunks, self._request = chunks, request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        except HttpError as error:
            raise _as_httpx(error, self._request) from error

    def close(self) -> None:
        """Release what is left of the body."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


def _as_httpx(error: HttpError, request: httpx.Request) -> httpx.RequestError:
    kind: type[httpx.RequestError]
    match error:
        case RequestTimedOut(code="HttpResponseTimeout" | "ConnectionReadTimeout"):
            kind = httpx.ReadTimeout
        case RequestTimedOut(code="ConnectionWriteTimeout"):
            kind = httpx.WriteTimeout
        case RequestTimedOut():
            kind = httpx.ConnectTimeout
        case Unreachable(code="ConnectionTerminated"):
            kind = httpx.ReadError
        case Unreachable():
            kind = httpx.ConnectError
        case InvalidRequest():
            kind = httpx.UnsupportedProtocol
        case _:
            kind = httpx.RemoteProtocolError if error.code.startswith("Http") else httpx.RequestError
    return kind(str(error), request=request)
