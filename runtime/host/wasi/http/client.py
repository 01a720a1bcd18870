"""HTTP for guests, over httpcore: one client per component, with its own pool, since a connection that one component's
policy allowed must not serve another's.

Bodies stream both ways with bounded buffers; a response may begin once the request's body has been sent. Nothing is
followed, decoded, retried or taken from the environment: the guest sees what the server says, and a redirect is a new
request that is judged again. Everything runs on the event loop that the client was made on; `send` may be called on
any thread.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import httpcore

from obelisk.runtime.host.wasi.capabilities import unheard
from obelisk.runtime.host.wasi.http.addresses import GuardedPool, JudgedUrl, Resolve, resolve
from obelisk.runtime.host.wasi.http.failures import TRANSPORT, failure_of
from obelisk.runtime.host.wasi.http.fields import FORBIDDEN, kept
from obelisk.runtime.host.wasi.http.flows import Inflow, Outflow, on_loop
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Target, allows, reaches, refusing, traces
from obelisk.runtime.host.wasi.http.scrubbing import Scrubber
from obelisk.runtime.host.wasi.http.secrets import Secret, filled, misplaced, readable
from obelisk.runtime.host.wasi.http.targets import host_header, target_of
from obelisk.runtime.host.wasi.io.pollables import signal_of
from obelisk.runtime.host.wasi.io.streams import StreamEnd, StreamError
from obelisk.runtime.ports.guest import Holding, HostMemory

# At debug level it prints headers of responses, and these may repeat a secret.
logging.getLogger("httpcore").setLevel(logging.INFO)
Tell: TypeAlias = "Callable[[str], None]"
Ended: TypeAlias = "Callable[[Head | HttpFailed | None], None]"
When: TypeAlias = "Callable[[Callable[[], object]], object]"
"""Calls what it is given on the event loop, once an effect may be had; perhaps never."""
_TRACEPARENT: Final = "traceparent"
_WITH_SECRETS: Final = 1 << 20
"""The largest body in bytes that secrets are filled into."""
_EXCHANGE_BYTES: Final = 8 * 1024
"""What an exchange takes beside its headers and its bodies."""
_BODYLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})


class Watched(NamedTuple):
    """A request that is traced: its own context for whoever gets it, as ``traceparent``, and who hears of its end."""

    context: str
    ended: Ended


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


def at_once(effect: Callable[[], object]) -> None:
    """Effects may be had whenever."""
    effect()


class HttpClient:
    """See the module; made and closed on the event loop."""

    def __init__(
        self,
        policies: Sequence[HttpPolicy],
        limits: HttpLimits,
        *,
        tls: ssl.SSLContext | None = None,
        resolve_: Resolve = resolve,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`loop` is the one that it lives on, for who makes it elsewhere."""
        self.limits = limits
        self.loop = loop or asyncio.get_running_loop()
        self._is_retired = False
        self._policies = tuple(policies)
        self._live: set[HttpExchange] = set()
        keys = tuple(policy.key for policy in self._policies)
        self._pool = GuardedPool(keys, resolve_, connections=limits.connections, tls=tls)

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

    def retire(self) -> None:
        """Let go of connections once the exchanges that are on their way have ended; on the loop."""
        self._is_retired = True
        if not self._live:
            self._closing = self.loop.create_task(self._pool.aclose())

    def new_body(self, declared: int | None, memory: HostMemory) -> Outflow:
        """See `HttpSender`."""
        return Outflow(self.loop, declared, memory)

    def send(
        self,
        request: Request,
        secrets: Sequence[Secret] = (),
        tell: Tell = unheard,
        watched: Watched | None = None,
        when: When = at_once,
    ) -> HttpExchange:
        """See `HttpSender`. Those of `secrets` that go to the request's target are filled in; `tell` is told, for
        people and on the guest's thread, what was wrong: what the guest sees of it is a code. Of a request that is
        `watched` the end is told on the loop; where the policies let it, it carries its context. Nothing is sent, nor a
        name looked up, before `when` says so."""
        try:
            return self._send(request, secrets, tell, watched, when)
        except HttpFailed as failed:
            tell(f"a request was refused: {failed}")
            raise

    def _send(
        self, request: Request, secrets: Sequence[Secret], tell: Tell, watched: Watched | None, when: When
    ) -> HttpExchange:
        target = target_of(request)
        if not allows(self._policies, target):
            keys = " and ".join(refusing(self._policies, target)) or "no policy"
            raise HttpFailed("HTTP_request_denied", f"{keys} does not allow {target}")
        if len(self._live) >= self.limits.exchanges:
            raise HttpFailed("connection_limit_reached")
        carried = tuple(secret for secret in secrets if secret.goes_to(target))
        request = readable(request, filled(request, carried), carried)
        if secrets and (lost := misplaced(request, secrets)) is not None:
            tell(f"{target}: a placeholder stands where {lost.key} does not let the value go, so it is sent as it is")
        if watched is not None and traces(self._policies, target):
            request = _in_context(request, watched.context)
        exchange = HttpExchange(self, request, target, carried, tell, None if watched is None else watched.ended)
        self._live.add(exchange)
        on_loop(self.loop, partial(when, exchange.begin))
        return exchange

    def over(self, exchange: HttpExchange) -> None:
        """An exchange has ended."""
        self._live.discard(exchange)
        if self._is_retired:
            self.retire()

    async def open(
        self, request: Request, target: Target, secrets: Sequence[Secret], waiting: asyncio.Timeout
    ) -> httpcore.Response:
        """Send a request and wait for the head of its response; `waiting` ends that, some time after all was sent.

        `secrets` that may stand in bodies are filled into this one.
        """
        limits, timeouts = self.limits, request.timeouts
        connect_s = bounded(timeouts.connect_ns, limits.connect_s)
        first_byte_s = bounded(timeouts.first_byte_ns, limits.first_byte_s)
        headers = [("host", host_header(target).encode()), *request.headers]
        content: AsyncIterator[bytes] | None = None
        if request.body is not None:
            whole = await _whole_body(request.body, [secret for secret in secrets if secret.body])
            if whole is None:
                headers += [] if request.body.declared is not None else [("transfer-encoding", b"chunked")]
            elif whole or request.method not in _BODYLESS:
                headers = [entry for entry in headers if entry[0].lower() != "content-length"]
                headers.append(("content-length", str(len(whole)).encode()))
            content = _sending(request.body, whole)

        async def sent(parts: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
            if parts is not None:
                async for part in parts:
                    yield part
            waiting.reschedule(self.loop.time() + first_byte_s)

        message = httpcore.Request(
            request.method,
            JudgedUrl(target.scheme, target.host, target.port, _target(request.path), reaches(self._policies, target)),
            headers=[(name.encode(), value) for name, value in headers],
            content=sent(content),
            extensions={"timeout": {"connect": connect_s, "pool": connect_s, "write": limits.between_bytes_s}},
        )
        return await self._pool.handle_async_request(message)


class HttpExchange:
    """See `messages.Exchange`."""

    def __init__(
        self,
        client: HttpClient,
        request: Request,
        target: Target,
        secrets: Sequence[Secret],
        tell: Tell,
        ended: Ended | None = None,
    ) -> None:
        self._holding = Holding(request.memory, _EXCHANGE_BYTES + len(request.path) + kept(request.headers))
        self.outcome: Head | HttpFailed | None = None
        self.arrived = signal_of(self, lambda exchange: exchange.outcome is not None)
        self.body = Inflow(client.loop, request.memory)
        self.task: asyncio.Task[None] | None = None
        self._client, self._request, self._target = client, request, target
        self._secrets, self._tell, self._ended = secrets, tell, ended
        self._scrubber = Scrubber(secrets)
        self._cancelled = False

    def begin(self) -> None:
        """Start, unless it was cancelled; on the loop."""
        if self._cancelled:
            return
        self.task = self._client.loop.create_task(self._run())

    def explain(self) -> None:
        """See `Exchange`."""
        if isinstance(self.outcome, HttpFailed):
            self._tell(f"{self._target}: {self.outcome}")

    def cancel(self) -> None:
        """See `Exchange`."""
        self._cancelled = True
        on_loop(self._client.loop, self._cancel)

    def _cancel(self) -> None:
        self._holding.resize(0)
        self.body.discard()
        if self.task is not None:
            self.task.cancel()
        else:
            self._client.over(self)

    async def _run(self) -> None:
        failure: HttpFailed | None = None
        try:
            response = await self._head()
            try:
                await self._pump(response)
            finally:
                await response.aclose()
        except HttpFailed as error:
            failure = self._scrubbed(error)
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
        if self._ended is not None:
            self._ended(self.outcome)

    def _scrubbed(self, failed: HttpFailed) -> HttpFailed:
        """A failure, of which the guest and its log learn: what is wrong may be quoted in it."""
        scrub, code = self._scrubber.line, failed.code
        if isinstance(code, dict):
            code = {name: scrub(value) if isinstance(value, str) else value for name, value in code.items()}
        return HttpFailed(code, scrub(str(failed)))

    async def _head(self) -> httpcore.Response:
        try:
            async with asyncio.timeout(None) as waiting:
                response = await self._client.open(self._request, self._target, self._secrets, waiting)
        except TimeoutError:
            raise HttpFailed("HTTP_response_timeout") from None
        except (StreamEnd, *TRANSPORT) as error:
            raise failure_of(error, in_body=False) from None
        scrubber = self._scrubber
        headers = tuple(
            (text, scrubber.text(value))
            for name, value in response.headers
            if (text := scrubber.line(name.decode())).lower() not in FORBIDDEN
        )
        if not self._holding.try_grow(size := kept(headers)):
            raise HttpFailed({"HTTP_response_header_section_size": size}, "no room for the headers (max_host_bytes)")
        self.outcome = Head(status=response.status, headers=headers)
        self.arrived.tell()
        return response

    async def _pump(self, response: httpcore.Response) -> None:
        """The body, a part at a time; each may take so long, and all of them together may be so large."""
        between_s = bounded(self._request.timeouts.between_bytes_ns, self._client.limits.between_bytes_s)
        parts, received, scrubber = aiter(response.aiter_stream()), 0, self._scrubber
        while True:
            try:
                async with asyncio.timeout(between_s):
                    part = await anext(parts, None)
            except TimeoutError:
                raise HttpFailed("connection_read_timeout") from None
            except TRANSPORT as error:
                raise failure_of(error, in_body=True) from None
            if part is None:
                if rest := scrubber.end():
                    await self.body.put(rest)
                return
            received += len(part)
            if received > self._client.limits.response_bytes:
                raise HttpFailed({"HTTP_response_body_size": self._client.limits.response_bytes})
            await self.body.put(scrubber.feed(part))


def bounded(asked_ns: int | None, limit_s: float) -> float:
    """A time in seconds: what the guest asked for, at most the limit."""
    return limit_s if asked_ns is None else min(asked_ns / 1e9, limit_s)


def _in_context(request: Request, context: str) -> Request:
    """The request with the context of a trace, unless its guest gave it one."""
    if any(name.lower() == _TRACEPARENT for name, _ in request.headers):
        return request
    return replace(request, headers=(*request.headers, (_TRACEPARENT, context.encode())))


def _target(path: str) -> bytes:
    return (path if path.startswith("/") else f"/{path}").encode()


async def _whole_body(flow: Outflow, secrets: Sequence[Secret]) -> bytes | None:
    """A body that is whole at once, else None to send it as it comes; with `secrets` to fill in, always whole."""
    whole = await flow.first()
    if not secrets:
        return whole
    data = bytearray(whole or b"")
    if whole is None:
        async for part in flow.chunks():
            data += part
            if len(data) > _WITH_SECRETS:
                raise HttpFailed({"HTTP_request_body_size": len(data)}, "a body with a secret must fit into memory")
    text = bytes(data)
    for secret in secrets:
        text = secret.in_text(text)
    return text


async def _sending(flow: Outflow, whole: bytes | None) -> AsyncIterator[bytes]:
    """The body's parts; the flow ends with a failure when its guest gives it up."""
    if whole is not None:
        if whole:
            yield whole
        return
    async for part in flow.chunks():
        yield part


class Sender:
    """A `HttpSender`: the client of a component for one of its guests, whose log is told what was wrong."""

    def __init__(
        self,
        client: HttpClient,
        secrets: Sequence[Secret],
        tell: Tell,
        watch: Callable[[Request], Watched] | None = None,
        when: When = at_once,
    ) -> None:
        self._client, self._secrets, self._tell, self._watch, self._when = client, secrets, tell, watch, when

    def new_body(self, declared: int | None, memory: HostMemory) -> Outflow:
        """See `HttpSender`."""
        return self._client.new_body(declared, memory)

    def send(self, request: Request) -> HttpExchange:
        """See `HttpSender`."""
        watched = None if self._watch is None else self._watch(request)
        return self._client.send(request, self._secrets, self._tell, watched, self._when)
