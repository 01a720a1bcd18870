"""The first thing a request meets: its host, origin, token and client's limits; and the headers of every answer.

Asks `access`; what it finds stands in the ASGI scope under `HELD`, where the routes compare it with what they need.
Preflight requests of allowed origins (CORS) are answered here.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from typing import Final, TypeAlias

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from obelisk.gateway.auth.access import Access
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import responses
from obelisk.gateway.http.limits import Limits
from obelisk.runtime.observe.metrics import Counts, Distributions

logger = logging.getLogger("obelisk.gateway")

HELD: Final = "obelisk.held"
ASKER: Final = "obelisk.token"
"""Where the token is, None without one."""
OPERATION: Final = "obelisk.operation"
"""Where a route leaves its name, to be counted under."""

_Headers: TypeAlias = list[tuple[bytes, bytes]]
_ALWAYS: Final[_Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_UNLESS_GIVEN: Final[_Headers] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_METHODS: Final = "GET, HEAD, POST, PUT, DELETE"
_COUNTED: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"})
"""Methods that are counted by their names: a client can think of any."""
_ASK_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Obelisk-Tags, Prefer, Traceparent, Tracestate"
)
_SHOW_HEADERS: Final = b"Obelisk-Execution-Id, Location, Preference-Applied, Retry-After"


class Gate:
    """See the module's text."""

    def __init__(self, app: ASGIApp, access: Access, counts: Counts, durations: Distributions) -> None:
        """`counts`: of requests, by operation and status; `durations`: by operation, method and class of status."""
        self._app = app
        self._access = access
        self._counts = counts
        self._durations = durations
        self._limits = Limits(max_in_flight=access.max_in_flight, max_rate=access.max_rate, clock=time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more: _Headers = []
        begin, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._counts.add(scope.get(OPERATION, ""), str(status))
                headers = message["headers"] = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers += _ALWAYS
                headers += [(name, value) for name, value in _UNLESS_GIVEN if name not in given]
                headers += more
            await send(message)

        client = None
        try:
            host, origin, authorization, preflight = _said(scope["headers"])
            self._access.check_host(host)
            if origin is not None and self._access.foreign_origin(origin, host):
                more += _cors(origin)
            if origin is not None and preflight and scope["method"] == "OPTIONS":
                answer: Response | None = _preflight()
            else:
                held, token = self._access.identify(authorization, time.time_ns() // 1000)
                scope[HELD], scope[ASKER] = held, token
                name = _address(scope) if token is None else token.id
                self._limits.enter(name)
                client, answer = name, None
        except Refusal as refusal:
            answer = responses.refused(refusal)
        try:
            await (self._app if answer is None else answer)(scope, receive, send_with_headers)
        except Exception:
            if status:
                raise
            await _bug(scope)(scope, receive, send_with_headers)
        finally:
            if client is not None:
                self._limits.leave(client)
            method = scope["method"] if scope["method"] in _COUNTED else "other"
            kind = f"{status // 100}xx" if status else "none"
            self._durations.add(time.perf_counter() - begin, scope.get(OPERATION, ""), method, kind)


def _said(headers: Sequence[tuple[bytes, bytes]]) -> tuple[str | None, str | None, str | None, bool]:
    """Host, Origin, Authorization, and whether a preflight asks for a method. Refusal for one that is there twice."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in _LOOKED_AT:
            if name in found:
                raise Refusal("bad_request", f"header {name.decode()}: given twice")
            found[name] = value.decode("latin-1")
    preflight = b"access-control-request-method" in found
    return found.get(b"host"), found.get(b"origin"), found.get(b"authorization"), preflight


_LOOKED_AT: Final = frozenset({b"host", b"origin", b"authorization", b"access-control-request-method"})


def _bug(scope: Scope) -> Response:
    """A bug. The client gets an id, which the log has with the traceback."""
    error_id = f"Err_{secrets.token_hex(8)}"
    logger.exception("%s %s: internal error %s", scope["method"], scope["path"], error_id)
    detail = "the server failed; its log has the reason"
    return responses.refused(Refusal("internal", detail, members={"error_id": error_id}))


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _cors(origin: str) -> _Headers:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", _SHOW_HEADERS),
        (b"vary", b"Origin"),
    ]


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ASK_HEADERS,
            "Access-Control-Max-Age": "600",
        },
    )
