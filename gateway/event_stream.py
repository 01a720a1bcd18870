"""Server-sent events: a list that only grows, followed from a place in it until it is whole.

A frame is one entry, its number as the ``id``; whoever comes back with the last one in `Last-Event-ID` misses nothing
and gets nothing twice. ``event: end`` says that nothing more will come. A stream may end without it (the server stops,
or the stream has lasted as long as one may): then the client comes back. While there is nothing to say, a comment every
`HEARTBEAT_S` keeps proxies from closing the connection.

The next page is read only when the one before was taken by the client's connection, so a client that reads slowly costs
one page; one that takes nothing for `STALLED_S` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from obelisk.gateway import errors
from obelisk.gateway.context import Gateway
from obelisk.runtime.errors import ObeliskError

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
STALLED_S: Final = 60.0
PAGE: Final = 100
_SHORTEST_S: Final = 0.02
_LONGEST_S: Final = 0.25
_END: Final = b"event: end\ndata: {}\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Entries of a list from some number on, as JSON; `whole`: no entry will ever follow the last one.

    `numbers` are theirs where they do not follow one another without gaps.
    """

    start: int
    entries: Sequence[bytes]
    whole: bool
    numbers: Sequence[int] | None = None

    @property
    def frames(self) -> bytes:
        """The entries as frames."""
        numbers = range(self.start, self.next) if self.numbers is None else self.numbers
        return b"".join(_frame(number, entry) for number, entry in zip(numbers, self.entries, strict=True))

    @property
    def next(self) -> int:
        """Where to go on."""
        return self.numbers[-1] + 1 if self.numbers else self.start + len(self.entries)


Read = Callable[[int], Awaitable[Part]]
"""At most `PAGE` entries from a number on."""


class EventStream(Response):
    """Follows what `read` gives, after `first` (read already, so that a refusal is an answer of its own)."""

    def __init__(self, gateway: Gateway, first: Part, read: Read) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._gateway = gateway
        self._first = first
        self._read = read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            leaving.cancel()
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending

    async def _send(self, send: Send) -> None:
        async for chunk in self._chunks():
            try:
                async with asyncio.timeout(STALLED_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Frames, several at once where they are there, and comments."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._gateway.settings.max_follow_s
        part, pause_s, said_at = self._first, _SHORTEST_S, 0.0
        while True:
            if part.entries:
                yield part.frames
                pause_s, said_at = _SHORTEST_S, loop.time()
            if part.whole:
                yield _END
                return
            if len(part.entries) < PAGE:
                if loop.time() >= ends_at or await self._stopping(min(pause_s, ends_at - loop.time())):
                    return
                pause_s = min(pause_s * 1.5, _LONGEST_S)
                if loop.time() - said_at >= HEARTBEAT_S:
                    yield b":\n\n"
                    said_at = loop.time()
            try:
                part = await self._read(part.next)
            except ObeliskError as error:  # it was deleted, or the store fails
                refusal = errors.refusal(error)
                problem = errors.body(refusal.code, refusal.detail, refusal.members)
                yield b"event: problem\ndata: " + problem + b"\n\n"
                return

    async def _stopping(self, within_s: float) -> bool:
        """Whether the server stops within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._gateway.stopping.wait()
        return self._gateway.stopping.is_set()


def _frame(number: int, entry: bytes) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (number, entry)  # JSON text as we write it has no line breaks


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
