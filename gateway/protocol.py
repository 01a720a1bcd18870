"""HTTP/1.1 on one connection: what uvicorn does, and bounds on the head of a request with refusals in our form.

A request line and headers of more than `MAX_HEAD_BYTES` together, a header of more than `MAX_VALUE_BYTES`, or a head
that takes longer than `HEAD_TIMEOUT_S`, are
refused, and so is what is no HTTP at all; then the connection is closed, because nobody knows where the next request
would begin. It is closed for writing first: a client that still sends would not get to read the refusal otherwise. A
connection on which nothing was ever sent is closed without a word.

Of these refusals the log hears once, and then once in `LOGGED_EVERY_S` how many there were: anybody can cause them.

The head and the body of an answer go out together, if they are there together: two writes are two calls of the system
and two packets, a tenth of what a call over HTTP costs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from obelisk.gateway import errors
from obelisk.runtime.metrics import Counts

MAX_HEAD_BYTES: Final = 65_536
MAX_VALUE_BYTES: Final = 8_192
HEAD_TIMEOUT_S: Final = 10.0
LINGER_S: Final = 1.0
LOGGED_EVERY_S: Final = 60.0
_COLON_AND_LINE_END: Final = 4
_VERSIONS: Final = ("1.1", "1.0")


# uvicorn warns of every one of them, in its own words.
_uvicorn_logger = logging.getLogger("uvicorn.error.requests")
_uvicorn_logger.setLevel(logging.ERROR)
logger = logging.getLogger("obelisk.gateway")


class _Refused(Exception):
    pass


class Joined(asyncio.Transport):
    """A transport over another one: what is written until the loop's next turn is one write.

    The client may leave between the two. What is written then is for nobody, and dropped without a word: uvloop raises
    for every use of a transport that is closed.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._held: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio. `data` may not be changed afterwards."""
        if self.is_closing():
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write what is held."""
        held, self._held = self._held, []
        if held and not self.is_closing():
            self._transport.write(b"".join(held))

    def write_eof(self) -> None:
        """See asyncio."""
        self.flush()
        if not self.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        """See asyncio."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """See asyncio."""
        self._held = []
        self._transport.abort()

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """See asyncio."""
        if not self.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See asyncio."""
        if not self.is_closing():
            self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See asyncio."""
        return self._transport.get_extra_info(name, default)


class Tally:
    """What this process refused before it was a request: `counts` by code, and when the log heard of it last."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._count = 0
        self._logged_at_s = -LOGGED_EVERY_S

    def add(self, code: str, client: object) -> None:
        """One more."""
        self.counts.add(code)
        self._count += 1
        now_s = time.monotonic()
        if now_s - self._logged_at_s >= LOGGED_EVERY_S:
            logger.warning("%d refused before they were requests; the last: %s, from %s", self._count, code, client)
            self._count, self._logged_at_s = 0, now_s


tally: Final = Tally()


class Protocol(HttpToolsProtocol):
    """See the module's text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _uvicorn_logger
        self._head_bytes = self._received = 0
        self._in_head, self._begun = True, False
        self._refused = ""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See asyncio."""
        super().connection_made(Joined(transport, self.loop))
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._forget_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._refused:
            return
        super().data_received(data)
        if not self._in_head or self._refused:
            return
        # A header is told to us only when it is whole: what has come of it so far counts, too.
        self._received += len(data)
        if self._received > 2 * MAX_HEAD_BYTES:
            self._refuse("head_too_large")
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def on_message_begin(self) -> None:
        """See httptools."""
        self._head_bytes = self._received = 0
        self._in_head = self._begun = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        self._count(len(name) + len(value) + _COLON_AND_LINE_END)
        if len(value) > MAX_VALUE_BYTES:
            self._refused = "head_too_large"
            raise _Refused
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._in_head = False
        self._forget_timer()
        assert self.parser is not None
        if self.parser.get_http_version() not in _VERSIONS:
            raise _Refused
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or what a callback found too large. Called by uvicorn, with words of its own."""
        self._refuse(self._refused or "bad_request")

    def _refuse(self, code: str) -> None:
        self._refused = code
        tally.add(code, self.client[0] if self.client else "a socket")
        self._forget_timer()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                self.transport.close()  # an answer is under way, and nothing may be written into it
                return
            cycle.disconnected = True  # it is the body of that request, and whoever reads it is told
            cycle.message_event.set()
        body = errors.body(code, _DETAILS[code])
        head = (
            STATUS_LINE[errors.STATUS[code]],
            b"content-type: application/problem+json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        )
        self.transport.write(b"".join((*head, body)))
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refused = "head_too_large"
            raise _Refused

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing() or not self._in_head:
            return
        if self._begun:
            self._refuse("request_timeout")
        else:
            self.transport.close()

    def _forget_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


_DETAILS: Final = {
    "bad_request": "this is no HTTP/1.1 request",
    "head_too_large": f"the request line and the headers are larger than {MAX_HEAD_BYTES} bytes, or the value of a "
    f"header than {MAX_VALUE_BYTES}",
    "request_timeout": f"the request line and the headers took longer than {HEAD_TIMEOUT_S:g} s",
}
