"""One request of a guest and its response, from the first byte to the last. Everything runs on the event loop."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from obelisk.runtime.host.wasi.http.addresses import Origin
from obelisk.runtime.host.wasi.http.failures import failure_of
from obelisk.runtime.host.wasi.http.fields import FORBIDDEN, kept
from obelisk.runtime.host.wasi.http.flows import Inflow, on_loop
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import Target
from obelisk.runtime.host.wasi.http.pool import Pool
from obelisk.runtime.host.wasi.http.reading import SLICE, Reading
from obelisk.runtime.host.wasi.http.scrubbing import Scrubber
from obelisk.runtime.host.wasi.http.secrets import Secret
from obelisk.runtime.host.wasi.http.sending import Sent, prepared, rest
from obelisk.runtime.host.wasi.http.wire import Wire
from obelisk.runtime.host.wasi.io.pollables import signal_of
from obelisk.runtime.host.wasi.io.streams import StreamEnd, StreamError
from obelisk.runtime.pacing import Pacer
from obelisk.runtime.ports.guest import Holding

_log = logging.getLogger(__name__)
Tell: TypeAlias = "Callable[[str], None]"
Ended: TypeAlias = "Callable[[Head | HttpFailed | None], None]"
_EXCHANGE_BYTES: Final = 8 * 1024
"""What an exchange takes in addition to its headers and bodies."""
_FREE_SLICES: Final = 4
"""So much of an answer is received without being paced: most have no more."""
_SMALL: Final = 4096
_SLICE_S, _SMALL_S, _PART_S = 20e-6, 200e-6, 0.2e-6
"""What a slice of an answer is taken to cost; one of fewer bytes than `_SMALL`, for which a guest is woken all the
same; and each thing in it that the parser told."""


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


class Around(Protocol):
    """The client, as an exchange sees it."""

    limits: HttpLimits
    loop: asyncio.AbstractEventLoop
    pool: Pool
    pacer: Pacer

    def origin(self, target: Target) -> Origin:
        """Where a request goes."""
        ...

    def over(self, exchange: HttpExchange) -> None:
        """An exchange has ended."""
        ...


class HttpExchange:
    """See `http_messages.Exchange`."""

    def __init__(
        self,
        client: Around,
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
        self._waiting: asyncio.TimerHandle | None = None
        self._slices, self._cost_s = 0, 0.0

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
            await self._exchange()
        except asyncio.CancelledError:
            failure = HttpFailed("connection_terminated", "the guest does not wait for the response any more")
        except Exception as error:
            failure = self._scrubbed(failure_of(error, in_body=self.outcome is not None))
            if not isinstance(error, HttpFailed | StreamEnd | OSError):
                # Without its text, which may quote what a server said.
                frames = "".join(traceback.format_tb(error.__traceback__))
                _log.error("a request of a guest broke: %s\n%s", type(error).__name__, frames)
        finally:
            self._client.over(self)
            self._end(failure)

    async def _exchange(self) -> None:
        client, limits, asked = self._client, self._client.limits, self._request.timeouts
        sent = await prepared(self._request, self._target, self._secrets)
        origin = client.origin(self._target)
        wire = await client.pool.take(origin, bounded(asked.connect_ns, limits.connect_s))
        reading = Reading(self._request.method)
        sending = client.loop.create_task(self._send(wire, sent))
        is_sent = False
        try:
            body = await self._head(wire, reading)
            await self._pump(wire, reading, body)
            is_sent = sending.done() and sending.result()
        finally:
            sending.cancel()
            reading.close()
            self._stop_waiting()
            if is_sent and reading.is_done and reading.is_clean:
                client.pool.give(wire, origin)
            else:
                client.pool.drop(wire)

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

    # --- what is sent ------------------------------------------------------------------------------------------------
    async def _send(self, wire: Wire, sent: Sent) -> bool:
        """The request. Whether all of it left; where not, who receives hears of it or finds the connection closed."""
        try:
            await self._put(wire, sent.first)
            async for part in rest(sent):
                await self._put(wire, part)
        except ConnectionError:
            return False
        except Exception as error:
            wire.fail(error)
            return False
        if self.outcome is None:
            limit_s = bounded(self._request.timeouts.first_byte_ns, self._client.limits.first_byte_s)
            late = HttpFailed("HTTP_response_timeout")
            self._waiting = self._client.loop.call_later(limit_s, wire.fail, late)
        return True

    async def _put(self, wire: Wire, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._client.limits.between_bytes_s):
                await wire.send(data)
        except TimeoutError:
            raise HttpFailed("connection_write_timeout") from None

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    # --- what is received --------------------------------------------------------------------------------------------
    async def _head(self, wire: Wire, reading: Reading) -> bytes:
        """Wait for the head of the response, which has its time from when all was sent; what came of the body."""
        body = b""
        while not reading.has_head:
            body = await self._next(wire, reading)
        self._stop_waiting()
        scrubber = self._scrubber
        headers = tuple(
            (text, scrubber.text(value))
            for name, value in reading.headers
            if (text := scrubber.line(name.decode("latin-1"))).lower() not in FORBIDDEN
        )
        if not self._holding.try_grow(size := kept(headers)):
            raise HttpFailed({"HTTP_response_header_section_size": size}, "no room for the headers (max_host_bytes)")
        self.outcome = Head(status=reading.status, headers=headers)
        self.arrived.tell()
        return body

    async def _pump(self, wire: Wire, reading: Reading, body: bytes) -> None:
        """The body, a part at a time; each may take so long, and all of them together may be so large."""
        between_s = bounded(self._request.timeouts.between_bytes_ns, self._client.limits.between_bytes_s)
        received, scrubber = 0, self._scrubber
        while True:
            received += len(body)
            if received > self._client.limits.response_bytes:
                raise HttpFailed({"HTTP_response_body_size": self._client.limits.response_bytes})
            if certain := scrubber.feed(body):
                await self.body.put(certain)
            if reading.is_done:
                break
            try:
                async with asyncio.timeout(between_s):
                    while not (body := await self._next(wire, reading)) and not reading.is_done:
                        pass
            except TimeoutError:
                raise HttpFailed("connection_read_timeout") from None
        if certain := scrubber.end():
            await self.body.put(certain)

    async def _next(self, wire: Wire, reading: Reading) -> bytes:
        """What the next slice of the answer has of its body. Others have their turn before it."""
        self._slices += 1
        if self._slices > _FREE_SLICES:
            await self._client.pacer.turn(self._cost_s)
        if self._slices > 1:
            await asyncio.sleep(0)
        data = await wire.receive(SLICE)
        if not data:
            reading.end()
            return b""
        body = reading.feed(data)
        self._cost_s = (_SMALL_S if len(data) < _SMALL else _SLICE_S) + _PART_S * reading.parts
        return body


def bounded(asked_ns: int | None, limit_s: float) -> float:
    """A time in seconds: what the guest asked for, at most the limit."""
    return limit_s if asked_ns is None else min(asked_ns / 1e9, limit_s)
