"""The bodies of HTTP messages on their way between the event loop and a guest, which may run on another thread.

A flow holds a bounded number of bytes. On the loop's side it is awaited, on the guest's side it is a stream of
`wasi:io` that waits through pollables. `_lock` guards what both sides touch; the loop's side alone tells signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Final

from obelisk.runtime.host.wasi.io.pollables import READY, Pollable, signal_of
from obelisk.runtime.host.wasi.io.streams import CHUNK, InputStream, OutputStream, StreamEnd, StreamError
from obelisk.runtime.ports.guest import Holding, HostMemory

IN_FLIGHT: Final = 256 * 1024
"""Bytes of a response that are read ahead of the guest."""
AHEAD: Final = 16 * 1024
"""So many of them at any rate; more if the guest's memory has room."""
_FLOW_BYTES: Final = 2048
"""What a flow takes on top of its data."""
SOON_S: Final = 0.02
"""A body that is whole so soon is sent with its length, as most servers want it."""


def on_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call `callback` on the loop soon, from any thread; nothing when the loop is closed: then nothing waits there."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


class Inflow:
    """A body that arrives: the loop puts, the guest reads. What waits counts in `memory`; OutOfHostMemory."""

    def __init__(self, loop: asyncio.AbstractEventLoop, memory: HostMemory) -> None:
        self._loop, self._lock = loop, threading.Lock()
        self._holding = Holding(memory, _FLOW_BYTES + AHEAD)
        self._data = bytearray()
        self._end: StreamEnd | None = None
        self._taken = asyncio.Event()
        self.signal = signal_of(self, lambda flow: bool(flow._data) or flow._end is not None)
        self.ended = signal_of(self, lambda flow: flow._end is not None)

    async def put(self, data: bytes) -> None:
        """Add `data` once there is room."""
        for at in range(0, len(data), AHEAD):
            piece = data[at : at + AHEAD]
            while not self._add(piece):
                self._taken.clear()
                if not self._add(piece):
                    await self._taken.wait()

    def _add(self, piece: bytes) -> bool:
        """Add a piece of at most `AHEAD` bytes, if there is room."""
        with self._lock:
            size = len(self._data) + len(piece)
            more = _FLOW_BYTES + size - self._holding.size
            if size > IN_FLIGHT or (more > 0 and not self._holding.try_grow(more)):
                return False
            self._data += piece
        self.signal.tell()
        return True

    def finish(self, error: StreamError | None = None) -> None:
        """Nothing more comes; the first reason counts. On the loop."""
        if self._end is None:
            self._end = StreamEnd(error)
            with self._lock:
                self._holding.resize(min(self._holding.size, _FLOW_BYTES + len(self._data)))
            self.signal.tell()
            self.ended.tell()

    def discard(self) -> None:
        """It has no reader any more."""
        with self._lock:
            self._data.clear()
            self._holding.resize(0)

    @property
    def end(self) -> StreamEnd | None:
        """How the body ended, when it has."""
        return self._end

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes, none when none are there yet; StreamEnd after the last. The guest's side."""
        with self._lock:
            data = bytes(self._data[:limit])
            del self._data[:limit]
            if data:
                ahead = AHEAD if self._end is None else 0
                self._holding.resize(_FLOW_BYTES + max(len(self._data), ahead))
        if data:
            on_loop(self._loop, self._taken.set)
        elif self._end is not None and not self._data:
            raise self._end
        return data


class Outflow:
    """A body that leaves: the guest writes, the loop takes. `declared` is its length when the guest gave one.

    What waits counts in `memory`; OutOfHostMemory.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, declared: int | None, memory: HostMemory) -> None:
        self._loop, self._lock = loop, threading.Lock()
        self._holding = Holding(memory, _FLOW_BYTES)
        self._data = bytearray()
        self.declared, self.written = declared, 0
        self._finished = False
        self._end: StreamEnd | None = None
        self._changed = asyncio.Event()
        self.signal = signal_of(self, lambda flow: flow.room_now() >= 1)
        self.whole = signal_of(self, lambda flow: flow.room_now() >= CHUNK // 2)

    # --- the guest's side
    def room_now(self) -> int:
        """How many bytes fit; a full chunk when the flow has ended, so that its writer does not wait."""
        return CHUNK if self._end is not None else CHUNK - len(self._data)

    def room(self) -> int:
        """How many bytes fit; StreamEnd."""
        if self._end is not None:
            raise self._end
        return 0 if self._finished else self.room_now()

    def write(self, data: bytes) -> None:
        """Take `data`; StreamEnd when the request has failed, or the guest writes more than it declared."""
        if self._end is not None:
            raise self._end
        self.written += len(data)
        if self.declared is not None and self.written > self.declared:
            raise self._fail("the body is longer than its content-length")
        with self._lock:
            self._holding.resize(_FLOW_BYTES + len(self._data) + len(data))
            self._data += data
        on_loop(self._loop, self._changed.set)

    def finish(self) -> bool:
        """The guest has written all; whether that is as long as it declared. If not, the request fails."""
        fits = self.declared is None or self.written == self.declared
        self._finished = fits
        if fits:
            on_loop(self._loop, self._changed.set)
        else:
            self.abort()
        return fits

    def abort(self) -> None:
        """The guest gave the body up: the request fails, unless it is over."""
        if not self._finished and self._end is None:
            self._fail("the body was not finished")

    def _fail(self, text: str) -> StreamEnd:
        self._end = StreamEnd(StreamError(text, {"HTTP_request_body_size": self.written}))
        self._drop()
        on_loop(self._loop, self._changed.set)
        return self._end

    # --- the loop's side
    async def first(self) -> bytes | None:
        """The whole body, when the guest finishes it soon after it began to write; else None. StreamEnd."""
        while self._end is None and not (self._finished or self._data):
            await self._wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOON_S):
                while self._end is None and not (self._finished or len(self._data) >= CHUNK // 2):
                    await self._wait()
        if self._end is not None:
            raise self._end
        return self._take() if self._finished else None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it is written; StreamEnd when the guest gives it up."""
        while True:
            if data := self._take():
                yield data
            elif self._end is not None:
                raise self._end
            elif self._finished:
                return
            else:
                await self._wait()

    def close(self, error: StreamError | None = None) -> None:
        """Nothing more is taken; the guest's writes fail from now on. On the loop."""
        if self._end is None:
            self._end = StreamEnd(error)
        self._drop()
        self._tell()

    def _drop(self) -> None:
        """What waits will not be sent."""
        with self._lock:
            self._data.clear()
            self._holding.resize(_FLOW_BYTES)

    def _take(self) -> bytes:
        with self._lock:
            data = bytes(self._data)
            self._data.clear()
            self._holding.resize(_FLOW_BYTES)
        self._tell()
        return data

    def _tell(self) -> None:
        self.signal.tell()
        self.whole.tell()

    async def _wait(self) -> None:
        await self._changed.wait()
        self._changed.clear()


class BodyInput(InputStream):
    """The stream of an incoming body."""

    def __init__(self, flow: Inflow) -> None:
        self._flow = flow

    def pollable(self) -> Pollable:
        """See `InputStream`."""
        return self._flow.signal

    def read(self, limit: int) -> bytes:
        """See `InputStream`."""
        return self._flow.read(limit)


class BodyOutput(OutputStream):
    """The stream of an outgoing body. It is flushed when it has been taken over: the network has buffers of its own."""

    def __init__(self, flow: Outflow) -> None:
        self._flow = flow

    def pollable(self, count: int = 1) -> Pollable:
        """See `OutputStream`."""
        return self._flow.signal if count <= 1 else self._flow.whole

    def flushed(self) -> Pollable:
        """See `OutputStream`."""
        return READY

    def room(self) -> int:
        """See `OutputStream`."""
        return self._flow.room()

    def write(self, data: bytes) -> None:
        """See `OutputStream`."""
        self._flow.write(data)
