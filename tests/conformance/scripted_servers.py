"""Servers that say, byte for byte and on a virtual clock, what a script has for each request, and a client of them.

There are no sockets: a `Pipe` stands where a transport would. A script is delivered step by step, each in a turn of the
loop of its own, as by a network that is quick.
"""

from __future__ import annotations

import asyncio
import contextvars
import ipaddress
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, TypeAlias, TypeVar, TypeVarTuple, Unpack
from unittest.mock import patch

from obelisk.runtime.host.wasi.http.addresses import Connector, Origin
from obelisk.runtime.host.wasi.http.client import HttpClient
from obelisk.runtime.host.wasi.http.exchange import HttpExchange, HttpLimits
from obelisk.runtime.host.wasi.http.flows import Outflow
from obelisk.runtime.host.wasi.http.messages import Head, HttpFailed, Request, Timeouts
from obelisk.runtime.host.wasi.http.policy import HttpPolicy, Rule
from obelisk.runtime.host.wasi.http.pool import Pool
from obelisk.runtime.host.wasi.http.reading import Reading
from obelisk.runtime.host.wasi.http.wire import Wire
from obelisk.runtime.host.wasi.io.streams import StreamEnd
from obelisk.runtime.ports.guest import HostMemory
from sim_time import VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
END, RESET = "end", "reset"
Step: TypeAlias = "bytes | float | str"
"""Bytes, virtual seconds to wait, END or RESET."""
SECOND = b"HTTP/1.1 200 OK\r\nX-Second: yes\r\nContent-Length: 6\r\n\r\nsecond"
_HIGH = 64 * 1024


class Loop(VirtualLoop):
    """A loop that everything is on."""

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)


@dataclass
class Server:
    """`answers` gives the steps for the path of a request; `reads`: whether it takes what it is sent."""

    answers: Callable[[str], Iterable[Step]]
    reads: bool = True
    resolves_after_s: float = 0.0
    connects_after_s: float = 0.0
    lines: list[str] = field(default_factory=list[str])
    pipes: list[Pipe] = field(default_factory=list["Pipe"])

    @property
    def is_quiet(self) -> bool:
        """Whether it has nothing to say any more."""
        return all(pipe.is_quiet for pipe in self.pipes)


class Pipe(asyncio.Transport):
    """One connection to a server."""

    def __init__(self, server: Server, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._server, self._wire, self._loop = server, wire, loop
        self._sent, self._body = bytearray(), 0
        self._steps: Iterator[Step] = iter(())
        self._is_paused = self._is_running = self._is_closed = self._has_ended = False
        server.pipes.append(self)
        wire.connection_made(self)

    @property
    def is_quiet(self) -> bool:
        return self._is_closed or self._is_paused or not self._is_running

    def write(self, data: Any) -> None:
        if self._is_closed:
            return
        self._sent += data
        if not self._server.reads:
            if len(self._sent) > _HIGH:
                self._wire.pause_writing()
            return
        while (end := self._sent.find(b"\r\n\r\n")) >= 0 and self._sent[:1].isupper():
            line = self._sent[:end].partition(b"\r\n")[0].decode()
            del self._sent[: end + 4]
            self._server.lines.append(line)
            self._steps = chain(self._steps, self._server.answers(line.split(" ")[1]))
            if not self._is_running:
                self._is_running = True
                self._loop.call_soon(self._step)

    def _step(self) -> None:
        if self._is_closed or self._is_paused:
            return
        step = next(self._steps, None)
        if step is None:
            self._is_running = False
            return
        if isinstance(step, float):
            self._loop.call_later(step, self._step)
            return
        if step == END:
            self._wire.eof_received()
            self.close()
        elif step == RESET:
            self._close(ConnectionResetError())
        else:
            assert isinstance(step, bytes)
            self._wire.data_received(step)
        self._loop.call_soon(self._step)

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._loop.call_soon(self._step)

    def is_closing(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._loop.call_soon(self._wire.connection_lost, error)


class _Connector(Connector):
    def __init__(self, server: Server) -> None:
        async def resolve(_host: str, _port: int) -> list[str]:
            await asyncio.sleep(server.resolves_after_s)
            return ["127.0.0.1"]

        super().__init__(["http.allow"], resolve, None)
        self._server = server

    async def _connected(self, address: str, origin: Origin) -> Wire:
        await asyncio.sleep(self._server.connects_after_s)
        loop = asyncio.get_running_loop()
        wire = Wire(loop)
        Pipe(self._server, wire, loop)
        return wire


@dataclass(frozen=True, kw_only=True)
class Got:
    """What came of a request: a status, or the code of the failure; the body as far as it came, and its failure."""

    status: int | None = None
    code: object = None
    headers: dict[str, bytes] = field(default_factory=dict[str, bytes])
    body: bytes = b""
    body_code: object = None


class Client:
    """A client of a server, and how long what it does takes."""

    def __init__(self, server: Server, limits: HttpLimits) -> None:
        home = (ipaddress.ip_network("127.0.0.0/8"),)
        rule = Rule(host="*", schemes=("http",), networks=home)
        self.http = HttpClient([HttpPolicy((rule,))], limits)
        self.http.pool = Pool(_Connector(server), limits.connections, asyncio.get_running_loop())
        self.server, self.exchanges = server, list[HttpExchange]()

    def send(self, path: str, **changes: Any) -> HttpExchange:
        """Begin a request."""
        plain = Request(
            method="GET",
            scheme="http",
            authority="a.example",
            path=path,
            headers=(),
            timeouts=Timeouts(),
            body=None,
            memory=HostMemory(),
        )
        exchange = self.http.send(replace(plain, **changes))
        self.exchanges.append(exchange)
        return exchange

    def body(self, declared: int | None = None) -> Outflow:
        """A body to send."""
        return self.http.new_body(declared, HostMemory())

    async def got(self, path: str, **changes: Any) -> Got:
        """Make a request and read what comes, as quickly as it does."""
        return await read(self.send(path, **changes))

    async def quiet(self) -> None:
        """Wait until the server has said all."""
        while not self.server.is_quiet:
            await asyncio.sleep(0)
        await asyncio.sleep(0)


async def read(exchange: HttpExchange) -> Got:
    """What comes of an exchange."""
    body, end = bytearray(), None
    while end is None:
        try:
            data = exchange.body.read(1 << 16)
        except StreamEnd as error:
            end = error
            break
        body += data
        if not data:
            woken = asyncio.Event()
            exchange.body.signal.watch(woken.set)
            await woken.wait()
    outcome = exchange.outcome
    body_code = None if end.error is None else end.error.http_code
    if isinstance(outcome, HttpFailed):
        return Got(code=outcome.code)
    assert isinstance(outcome, Head), "a guest waits for ever"
    return Got(status=outcome.status, headers=dict(outcome.headers), body=bytes(body), body_code=body_code)


@dataclass
class Steps:
    """How the loop was used: turns in all, and slices of answers that were parsed, in all and most in one turn."""

    turns: int = 0
    slices: int = 0
    most: int = 0
    ends_at_s: float = 0.0


def talk(
    server: Server, work: Callable[[Client], Coroutine[Any, Any, T]], limits: HttpLimits | None = None
) -> tuple[T, Steps]:
    """What `work` gives, and what it took of the loop. Fails when anybody would wait for ever."""
    loop, steps, now = Loop(), Steps(), [0]

    def between() -> None:
        steps.turns += 1
        now[0] = 0

    async def main() -> T:
        client = Client(server, limits or HttpLimits())
        try:
            return await work(client)
        finally:
            steps.ends_at_s = loop.time()
            await client.http.close()

    feed = Reading.feed

    def counted(self: Reading, data: bytes) -> bytes:
        steps.slices += 1
        now[0] += 1
        steps.most = max(steps.most, now[0])
        return feed(self, data)

    loop.between = between
    with patch.object(Reading, "feed", counted):
        try:
            return loop.run_until_complete(main()), steps
        finally:
            loop.close()
