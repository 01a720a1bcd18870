"""A transport over another one: what is written until the loop's next turn is one write, and its end can be gentle.

Two writes are two calls of the system and two packets, a tenth of what a call over HTTP costs. The client may leave
between the two. What is written then has no reader and is dropped silently: uvloop raises for every use of a
transport that is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Joined(asyncio.Transport):
    """See the module's text. `ending` is told that the connection is to end, once what was written is on its way; it
    closes it with `finish`, at once or later."""

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        ending: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._ending = ending
        self._held: list[bytes | bytearray | memoryview] = []
        self._is_ending = False
        self.written = 0
        """Bytes that were handed to the other transport."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio. `data` may not be changed afterwards."""
        if self._transport.is_closing():
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write what is held; nothing of it when the other side has gone."""
        if self._held:
            held, self._held = b"".join(self._held), []
            if not self._transport.is_closing():
                self.written += len(held)
                self._transport.write(held)

    def write_eof(self) -> None:
        """See asyncio."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """See asyncio; `ending` does it."""
        if not self._is_ending:
            self._is_ending = True
            self.flush()
            (self._ending or self.finish)()

    def finish(self) -> None:
        """Close the other transport, once it has sent what it was given."""
        self._is_ending = True
        self._transport.close()

    def abort(self) -> None:
        """See asyncio."""
        self._is_ending, self._held, self._ending = True, [], None  # there is no reader to tell any more
        self._transport.abort()

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._is_ending or self._transport.is_closing()

    @property
    def is_sending(self) -> bool:
        """Whether something that was written has not left for the system."""
        return bool(self._held) or self._transport.get_write_buffer_size() > 0

    def get_write_buffer_size(self) -> int:
        """See asyncio."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """See asyncio."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio."""
        return self._transport.get_extra_info(name, default)
