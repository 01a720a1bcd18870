"""One connection to a server: bytes in and out, with bounds, on the event loop.

While it rests in a pool nothing may come: whatever does, a byte or the server's end, spoils the connection, so that no
byte that was sent before a request is taken for its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

READ_AHEAD: Final = 64 * 1024
"""Bytes that wait to be read before the system is asked for no more of them."""
Lost = Callable[[], object]


class Wire(asyncio.Protocol):
    """See the module. `transport` is there once it is connected."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._data = bytearray()
        self._is_ended = self._is_paused = self._is_full = False
        self._error: Exception | None = None
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._lost: Lost | None = None

    # --- what asyncio calls ------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's have its methods, and not its class

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._lost is not None:
            self.abort()
            return
        self._data += data
        if len(self._data) >= READ_AHEAD and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool | None:
        """See asyncio."""
        self._is_ended = True
        self._wake()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._is_ended = True
        self._error = self._error or exc
        self._transport = None
        self._wake()
        self.resume_writing()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    def pause_writing(self) -> None:
        """See asyncio."""
        self._is_full = True

    def resume_writing(self) -> None:
        """See asyncio."""
        self._is_full = False
        if self._writing is not None and not self._writing.done():
            self._writing.set_result(None)

    # --- an exchange -------------------------------------------------------------------------------------------------
    async def receive(self, limit: int) -> bytes:
        """At most `limit` bytes, at least one; none at the end. Raises what the connection broke of, or `fail` said."""
        while not self._data:
            if self._error is not None:
                raise self._error
            if self._is_ended:
                return b""
            self._reading = self._loop.create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        data = bytes(self._data[:limit])
        del self._data[:limit]
        if self._is_paused and len(self._data) < READ_AHEAD and self._transport is not None:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Write it, and wait while the system takes no more; ConnectionError once the connection is gone."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._transport.write(data)
        while self._is_full:
            self._writing = self._loop.create_future()
            try:
                await self._writing
            finally:
                self._writing = None

    def fail(self, error: Exception) -> None:
        """Make who receives raise `error`, and let go of the connection."""
        self._error = self._error or error
        self._data.clear()
        self._wake()
        self.abort()

    def abort(self) -> None:
        """Close it at once; idempotent."""
        self._is_ended = True
        if self._transport is not None:
            self._transport.abort()

    # --- between exchanges -------------------------------------------------------------------------------------------
    def rest(self, lost: Lost) -> bool:
        """Nothing may come from now on: `lost` is told when something did, or the server went. False: it has."""
        if self._data or not self.is_whole:
            return False
        self._lost = lost
        return True

    def wake_up(self) -> bool:
        """An exchange begins; False when the connection was spoilt while it rested."""
        self._lost = None
        return self.is_whole

    @property
    def is_whole(self) -> bool:
        """Whether it can carry an exchange."""
        return self._transport is not None and not self._transport.is_closing() and not self._is_ended

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)
