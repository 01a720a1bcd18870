"""HTTP/1.1 for guests: one client per component, with its own pool, since a connection that one component's policy
allowed must not serve another's.

Bodies stream both ways with bounded buffers, at the same time where the server wants it so. Nothing is followed,
decoded, retried or taken from the environment: the guest sees what the server says, and a redirect is a new request
that is judged again. Whatever goes wrong, the guest gets an `error-code`. Everything runs on the event loop that the
client was made on; `send` may be called on any thread.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from obelisk.runtime.host.wasi.capabilities import unheard
from obelisk.runtime.host.wasi.http.addresses import Connector, Origin, Resolve, resolve
from obelisk.runtime.host.wasi.http.exchange import Ended, HttpExchange, HttpLimits, Tell
from obelisk.runtime.host.wasi.http.flows import Outflow, on_loop
from obelisk.runtime.host.wasi.http.messages import HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Target, allows, reaches, refusing, traces
from obelisk.runtime.host.wasi.http.pool import Pool
from obelisk.runtime.host.wasi.http.secrets import Secret, filled, misplaced, readable
from obelisk.runtime.host.wasi.http.targets import target_of
from obelisk.runtime.pacing import Pacer
from obelisk.runtime.ports.guest import HostMemory

When: TypeAlias = "Callable[[Callable[[], object]], object]"
"""Calls what it is given on the event loop, once an effect may be had; perhaps never."""
_TRACEPARENT: Final = "traceparent"


class Watched(NamedTuple):
    """A request that is traced: the context that the server gets, as ``traceparent``, and the callback for its end."""

    context: str
    ended: Ended


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
        connector = Connector([policy.key for policy in self._policies], resolve_, tls)
        self.pool, self.pacer = Pool(connector, limits.connections, self.loop), Pacer()

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
        self.pool.close()
        await asyncio.sleep(0)  # then connections that were closed are gone

    def retire(self) -> None:
        """Let go of connections once the exchanges that are on their way have ended; on the loop."""
        self._is_retired = True
        if not self._live:
            self.pool.close()

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

    def origin(self, target: Target) -> Origin:
        """See `exchange.Around`."""
        return Origin(target.scheme, target.host, target.port, reaches(self._policies, target))


def _in_context(request: Request, context: str) -> Request:
    """The request with the context of a trace, unless its guest gave it one."""
    if any(name.lower() == _TRACEPARENT for name, _ in request.headers):
        return request
    return replace(request, headers=(*request.headers, (_TRACEPARENT, context.encode())))


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
