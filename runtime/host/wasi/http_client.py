"""HTTP for guests, over httpcore: one client per component, with its own pool, since a connection that one component's
policy allowed must not serve another's.

Bodies stream both ways with bounded buffers; a response may begin once the request's body has been sent. Nothing is
followed, decoded, retried or taken from the environment: the guest sees what the server says, and a redirect is a new
request that is judged again. Everything runs on the event loop that the client was made on; `send` may be called on
any thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import httpcore

from obelisk.runtime.host.wasi.http_addresses import GuardedBackend, Resolve, resolve
from obelisk.runtime.host.wasi.http_failures import TRANSPORT, failure_of
from obelisk.runtime.host.wasi.http_fields import FORBIDDEN
from obelisk.runtime.host.wasi.http_flows import Inflow, Outflow, on_loop
from obelisk.runtime.host.wasi.http_messages import Head, HttpFailed, Request
from obelisk.runtime.host.wasi.http_policy import HttpPolicy, Target, allows
from obelisk.runtime.host.wasi.http_targets import host_header, target_of
from obelisk.runtime.host.wasi.pollables import Signal
from obelisk.runtime.host.wasi.streams import StreamEnd, StreamError

_BODYLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of one component's HTTP; times in seconds, the longest that a guest may ask for and what it gets unasked.

    `exchanges`: requests of the component on their way at once.
    """

    connect_s: float = 10.0
    first_byte_s: float = 60.0
    between_bytes_s: float = 60.0
    response_bytes: int = 256 * 1024 * 1024
    connections: int = 100
    exchanges: int = 1_000


class HttpClient:
    """See the module; made and closed on the event loop."""

    def __init__(
        self,
        policies: Sequence[HttpPolicy],
        limits: HttpLimits,
        *,
        tls: ssl.SSLContext | None = None,
        resolve_: Resolve = resolve,
    ) -> None:
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self._policies = tuple(policies)
        self._live: set[HttpExchange] = set()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.connections,
            keepalive_expiry=15.0,
            network_backend=GuardedBackend(self._policies, resolve_),
        )

    @property
    def live(self) -> int:
        """How many exchanges are on their way."""
        return len(self._live)

    async def close(self) -> None:
        """Cancel what is on its way and close every connection."""
        live = [exchange for exchange in self._live if exchange.task is not None]
        for exchange in live:
            exchange.cancel()
        await asyncio.gather(*(exchange.task for exchange in live if exchange.task), return_exceptions=True)
        await self._pool.aclose()

    def new_body(self, declared: int | None) -> Outflow:
        """See `HttpSender`."""
        return Outflow(self.loop, declared)

    def send(self, request: Request) -> HttpExchange:
        """See `HttpSender`."""
        target = target_of(request)
        if not allows(self._policies, target):
            where = f"{target.scheme}://{target.host}:{target.port}{target.path}"
            raise HttpFailed("HTTP_request_denied", f"no rule allows {target.method} {where}")
        if len(self._live) >= self.limits.exchanges:
            raise HttpFailed("connection_limit_reached")
        exchange = HttpExchange(self, request, target)
        self._live.add(exchange)
        on_loop(self.loop, exchange.begin)
        return exchange

    def over(self, exchange: HttpExchange) -> None:
        """An exchange has ended."""
        self._live.discard(exchange)

    async def open(self, request: Request, target: Target, waiting: asyncio.Timeout) -> httpcore.Response:
        """Send a request and wait for the head of its response; `waiting` ends that, some time after all was sent."""
        limits, timeouts = self.limits, request.timeouts
        connect_s = bounded(timeouts.connect_ns, limits.connect_s)
        first_byte_s = bounded(timeouts.first_byte_ns, limits.first_byte_s)
        headers = [("host", host_header(target).encode()), *request.headers]
        content: AsyncIterator[bytes] | None = None
        if request.body is not None:
            whole = await request.body.first()
            if request.body.declared is None:
                if whole is None:
                    headers.append(("transfer-encoding", b"chunked"))
                elif whole or request.method not in _BODYLESS:
                    headers.append(("content-length", str(len(whole)).encode()))
            content = _sending(request.body, whole)

        async def sent(parts: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
            if parts is not None:
                async for part in parts:
                    yield part
            waiting.reschedule(self.loop.time() + first_byte_s)

        message = httpcore.Request(
            request.method,
            httpcore.URL(
                scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=_target(request.path)
            ),
            headers=[(name.encode(), value) for name, value in headers],
            content=sent(content),
            extensions={"timeout": {"connect": connect_s, "pool": connect_s, "write": limits.between_bytes_s}},
        )
        return await self._pool.handle_async_request(message)


class HttpExchange:
    """See `http_messages.Exchange`."""

    def __init__(self, client: HttpClient, request: Request, target: Target) -> None:
        self.outcome: Head | HttpFailed | None = None
        self.arrived = Signal(lambda: self.outcome is not None)
        self.body = Inflow(client.loop)
        self.task: asyncio.Task[None] | None = None
        self._client, self._request, self._target = client, request, target
        self._cancelled = False

    def begin(self) -> None:
        """Start; on the loop."""
        if self._cancelled:
            self._client.over(self)
            return
        self.task = self._client.loop.create_task(self._run())

    def cancel(self) -> None:
        """See `Exchange`."""
        self._cancelled = True
        on_loop(self._client.loop, self._cancel)

    def _cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def _run(self) -> None:
        failure: HttpFailed | None = None
        try:
            response = await self._head()
            try:
                await self._pump(response)
            finally:
                await response.aclose()
        except HttpFailed as error:
            failure = error
        except asyncio.CancelledError:
            failure = HttpFailed("connection_terminated", "nobody waits for the response any more")
        finally:
            self._client.over(self)
            self._end(failure)

    def _end(self, failure: HttpFailed | None) -> None:
        if self.outcome is None:
            self.outcome = failure
            self.arrived.tell()
        error = None if failure is None else StreamError(str(failure), failure.code)
        self.body.finish(error)
        if self._request.body is not None:
            self._request.body.close(error)

    async def _head(self) -> httpcore.Response:
        try:
            async with asyncio.timeout(None) as waiting:
                response = await self._client.open(self._request, self._target, waiting)
        except TimeoutError:
            raise HttpFailed("HTTP_response_timeout") from None
        except (StreamEnd, *TRANSPORT) as error:
            raise failure_of(error, in_body=False) from None
        self.outcome = Head(
            status=response.status,
            headers=tuple(
                (text, value) for name, value in response.headers if (text := name.decode()).lower() not in FORBIDDEN
            ),
        )
        self.arrived.tell()
        return response

    async def _pump(self, response: httpcore.Response) -> None:
        """The body, a part at a time; each may take so long, and all of them together may be so large."""
        between_s = bounded(self._request.timeouts.between_bytes_ns, self._client.limits.between_bytes_s)
        parts, received = aiter(response.aiter_stream()), 0
        while True:
            try:
                async with asyncio.timeout(between_s):
                    part = await anext(parts, None)
            except TimeoutError:
                raise HttpFailed("connection_read_timeout") from None
            except TRANSPORT as error:
                raise failure_of(error, in_body=True) from None
            if part is None:
                return
            received += len(part)
            if received > self._client.limits.response_bytes:
                raise HttpFailed({"HTTP_response_body_size": self._client.limits.response_bytes})
            await self.body.put(part)


def bounded(asked_ns: int | None, limit_s: float) -> float:
    """A time in seconds: what the guest asked for, at most the limit."""
    return limit_s if asked_ns is None else min(asked_ns / 1e9, limit_s)


def _target(path: str) -> bytes:
    return (path if path.startswith("/") else f"/{path}").encode()


async def _sending(flow: Outflow, whole: bytes | None) -> AsyncIterator[bytes]:
    """The body's parts; the flow ends with a failure when its guest gives it up."""
    if whole is not None:
        if whole:
            yield whole
        return
    async for part in flow.chunks():
        yield part
