"""The connections of one component: at most so many, used again by requests that may go to the same addresses.

A connection rests in the pool only after an exchange without any irregularity, and leaves it when anything comes
meanwhile (`wire`). Who finds no room waits in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import Final

from obelisk.runtime.host.wasi.http.addresses import Connector, Origin, Phase
from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.http.wire import Wire

IDLE_S: Final = 15.0
_LOOKS: Final = 2
"""Turns of the event loop after which it has read what the system had of a connection."""


class Pool:
    """See the module; on the event loop."""

    def __init__(self, connector: Connector, connections: int, loop: asyncio.AbstractEventLoop) -> None:
        self._connector, self._room, self._loop = connector, connections, loop
        self._resting: dict[Wire, Origin] = {}  # the longest unused first
        self._timers: dict[Wire, asyncio.TimerHandle] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    async def take(self, origin: Origin, within_s: float) -> Wire:
        """A connection for an exchange, to be given back or dropped; all that it takes ends `within_s`. HttpFailed."""
        phase = Phase()
        try:
            async with asyncio.timeout(within_s):
                return await self._taken(origin, phase)
        except TimeoutError:
            raise HttpFailed(phase.code) from None

    def give(self, wire: Wire, origin: Origin) -> None:
        """An exchange is over, and the connection may carry another."""
        if self._is_closed or not wire.rest(partial(self._lose, wire)):
            self.drop(wire)
            return
        self._resting[wire] = origin
        self._timers[wire] = self._loop.call_later(IDLE_S, self._expire, wire)
        self._next()

    def drop(self, wire: Wire) -> None:
        """It may not, or is of no use any more."""
        wire.abort()
        self._leave()

    def close(self) -> None:
        """Let go of the connections that rest, and keep none from now on."""
        self._is_closed = True
        for wire in tuple(self._resting):
            self._expire(wire)

    async def _taken(self, origin: Origin, phase: Phase) -> Wire:
        while True:
            wire = await self._rested(origin)
            if wire is not None:
                return wire
            if self._room == 0 and self._resting:
                self._expire(next(iter(self._resting)))
            if self._room > 0:
                return await self._made(origin, phase)
            await self._turn()

    async def _made(self, origin: Origin, phase: Phase) -> Wire:
        self._room -= 1
        try:
            return await self._connector.connect(origin, phase)
        except BaseException:
            self._leave()
            raise

    async def _rested(self, origin: Origin) -> Wire | None:
        """One that rests, and to which nothing has come until now."""
        while (wire := next((one for one, its in reversed(self._resting.items()) if its == origin), None)) is not None:
            self._forget(wire)
            try:
                for _ in range(_LOOKS):
                    await asyncio.sleep(0)
            except BaseException:
                self.drop(wire)
                raise
            if wire.wake_up():
                return wire
            self.drop(wire)
        return None

    def _expire(self, wire: Wire) -> None:
        self._forget(wire)
        self.drop(wire)

    def _lose(self, wire: Wire) -> None:
        """It was spoilt while it rested; one that is looked at has been forgotten already, and is found spoilt."""
        if wire in self._resting:
            self._expire(wire)

    def _forget(self, wire: Wire) -> None:
        del self._resting[wire]
        self._timers.pop(wire).cancel()

    def _leave(self) -> None:
        self._room += 1
        self._next()

    async def _turn(self) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._next()  # the next request in the queue gets its turn
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    def _next(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
