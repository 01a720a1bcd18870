"""Server-sent events: a list that only grows, followed from a place in it until it is whole.

A frame is one entry, its number as the ``id``; a client that comes back with the last one in `Last-Event-ID` misses
nothing and gets nothing twice. ``event: end`` says that nothing more will come. A stream may end without it (the server
stops, or the stream has lasted as long as one may): then the client comes back. While there is nothing to say, a
comment every `HEARTBEAT_S` keeps proxies from closing the connection.

A follower reads by itself up to the end of the list, the next page only when the one before was taken by the client's
connection; from there on it is told by the list's feed (`feeds`). One that takes nothing for `STALLED_S` is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from obelisk.gateway import errors
from obelisk.gateway.context import Gateway
from obelisk.gateway.feeds import FIRST, Feed, Part, Read
from obelisk.runtime.errors import ObeliskError

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
STALLED_S: Final = 60.0
_END: Final = b"event: end\ndata: {}\n\n"


class EventStream(Response):
    """Follows what `read` gives, after `first` (read already, so that a refusal is an answer of its own)."""

    def __init__(self, gateway: Gateway, key: tuple[str, ...], execution_id: str, first: Part, read: Read) -> None:
        """`key` names the list among those that are followed."""
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._gateway = gateway
        self._key, self._execution_id = key, execution_id
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
        part, feeds = self._first, self._gateway.feeds
        feed: Feed | None = None
        try:
            while True:
                if part.entries:
                    yield part.frames
                if part.whole:
                    yield _END
                    return
                if part.has_more and feed is None:
                    part = await self._read(part.next, part.next_limit)
                    continue
                if feed is None:
                    feed = feeds.join(self._key, self._execution_id, self._read, part.next)
                left_s = ends_at - loop.time()
                if left_s <= 0 or self._gateway.stopping.is_set():
                    return
                found = await feed.after(part.next, min(left_s, HEARTBEAT_S))
                if found is None:  # it came too late for what the feed keeps
                    feeds.leave(self._key, feed)
                    feed, part = None, await self._read(part.next, FIRST)
                    continue
                if not (found.entries or found.whole) and left_s > HEARTBEAT_S:
                    yield b":\n\n"
                part = found
        except ObeliskError as error:  # it was deleted, or the store fails
            refusal = errors.refusal(error)
            problem = errors.body(refusal.code, refusal.detail, refusal.members)
            yield b"event: problem\ndata: " + problem + b"\n\n"
        finally:
            if feed is not None:
                feeds.leave(self._key, feed)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
