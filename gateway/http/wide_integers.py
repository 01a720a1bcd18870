"""``Prefer: wide-integers=string``: answers in which every integer that a JavaScript number cannot hold is a string.

A pass over the text of an answer, by size alone: what is recorded tells no types (docs/adr/0020), and only an s64 or
a u64 can be that large, for a float is written with a point or an exponent. Pure ASGI around the routes that show
values; a request without the preference passes through.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from obelisk.gateway.http.requests import preferences

NAME: Final = "wide-integers"
STRING: Final = "string"
APPLIED: Final = f"{NAME}={STRING}"
LARGEST: Final = (1 << 53) - 1
"""The largest integer n for which n and n+1 are both doubles: JavaScript's ``Number.MAX_SAFE_INTEGER``."""

_TOKENS: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|(?<![0-9.])-?[0-9]{16,20}(?![0-9.eE])', re.DOTALL)
_TYPES: Final = (b"application/json", b"application/problem+json", b"text/event-stream")


def quoted(text: bytes) -> bytes:
    """JSON text, or several in frames of server-sent events, with the wide integers as strings. Linear."""
    return _TOKENS.sub(_quoted, text)


def _quoted(token: re.Match[bytes]) -> bytes:
    found = token[0]
    return found if found[0] == ord('"') or abs(int(found)) <= LARGEST else b'"%b"' % found


class WideIntegers:
    """The routes, for clients with and without the preference."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """See ASGI."""
        for name, _ in scope["headers"]:
            if name == b"prefer":
                return self._app(scope, receive, _preferred(scope, send))
        return self._app(scope, receive, send)


def _preferred(scope: Scope, send: Send) -> Send:
    """What an answer goes through for a client that has preferences."""
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
    return _Rewriting(send) if preferences(given).get(NAME) == STRING else send


class _Rewriting:
    """Sends an answer on. Its head waits for the first part of the body, on which its length depends."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._head: Message | None = None
        self._is_json = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message["headers"])
            types = [value for name, value in headers if name == b"content-type"]
            self._is_json = any(value.startswith(_TYPES) for value in types)
            self._head = {**message, "headers": headers}
            if b"text/event-stream" in b"".join(types):  # the first frame may be a while in coming
                await self._begin(None)
            return
        body: bytes = message.get("body", b"")
        if self._is_json:
            body = quoted(body)
        await self._begin(None if message.get("more_body") else len(body))
        await self._send({**message, "body": body})

    async def _begin(self, length: int | None) -> None:
        head, self._head = self._head, None
        if head is None:
            return
        await self._send({**head, "headers": list(_headers(head["headers"], length))})


def _headers(headers: Iterable[tuple[bytes, bytes]], length: int | None) -> Iterable[tuple[bytes, bytes]]:
    """The head of a rewritten answer; the answer to HEAD keeps the length of the body that it does not send."""
    applied = [APPLIED.encode()]
    for name, value in headers:
        if name == b"preference-applied":
            applied.insert(0, value)
        elif name == b"content-length" and length:
            yield name, b"%d" % length
        else:
            yield name, value
    yield b"preference-applied", b", ".join(applied)
