"""HTTP/1.1 on one connection: what uvicorn does, and a bound on everything that a client may take its time with.

A connection is always in one of these states, each with its deadline, of which one timer takes care:

- **head**: a request line and headers of `MAX_HEAD_BYTES` together come within `HEAD_TIMEOUT_S` of their first byte, or
  of the connection; no header has more than `MAX_VALUE_BYTES`.
- **body**: it is whole within the server's time for bodies, whether it is read or not. A connection on which an answer
  begins before the request is whole ends with that answer.
- **answering**: no bound but that of the operation; requests sent ahead wait, `MAX_PIPELINED` at most.
- **writing**: every `WRITE_TIMEOUT_S` a client takes `WRITE_STEP_BYTES` of what it was sent, or the rest.
- **idle**: the next request begins within `KEEP_ALIVE_S`; line ends before it are no request.
- **ending**: what was written leaves as above. A client that still sends would not get to read it if the connection
  were closed: it is closed for writing first, and what comes is thrown away for `LINGER_S`.

What is no HTTP is refused in our form, and then the connection ends, as it is unknown where the next request would
begin. A connection on which nothing was ever sent is closed without a word. How many there may be: `connections`.

Of these refusals the log hears once, and then once in `LOGGED_EVERY_S` how many there were: any client can cause them.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from math import inf
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from obelisk.gateway import errors
from obelisk.gateway.http.connections import Connections
from obelisk.gateway.http.joined import Joined
from obelisk.runtime.observe.metrics import Counts

MAX_HEAD_BYTES: Final = 65_536
MAX_VALUE_BYTES: Final = 8_192
HEAD_TIMEOUT_S: Final = 10.0
KEEP_ALIVE_S: Final = 65.0
WRITE_TIMEOUT_S: Final = 60.0
WRITE_STEP_BYTES: Final = 262_144
LINGER_S: Final = 2.0
DISCARDED_BYTES: Final = 8 << 20
MAX_PIPELINED: Final = 64
LOGGED_EVERY_S: Final = 60.0
_COLON_AND_LINE_END: Final = 4
_VERSIONS: Final = ("1.1", "1.0")


# uvicorn warns of every one of them, in its own words.
_uvicorn_logger = logging.getLogger("uvicorn.error.requests")
_uvicorn_logger.setLevel(logging.ERROR)
logger = logging.getLogger("obelisk.gateway")


class _Refused(Exception):
    pass


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


class _Reading(enum.Enum):
    """What of a request is awaited."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class Protocol(HttpToolsProtocol):
    """See the module's text. `connections` are those of the server; `body_timeout_s` is how long a body may take."""

    def __init__(self, *args: Any, connections: Connections, body_timeout_s: float = 30.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _uvicorn_logger
        self._connections = connections
        self._body_s = body_timeout_s + LINGER_S
        self._head_bytes = self._received = self._discarded = 0
        self._reading, self._begun, self._may_keep = _Reading.HEAD, False, True
        self._refused = ""
        self._wire: Joined
        self._read_by = self._write_by = self._end_by = inf  # instants of the loop's clock
        self._sent = 0  # bytes that had left when `_write_by` was set
        self._timer: asyncio.TimerHandle | None = None

    # --- the connection ----------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See asyncio."""
        self._wire = Joined(transport, self.loop, self._ending)
        super().connection_made(self._wire)
        if not self._connections.enter(self, self.client[0] if self.client else ""):
            self._refuse("too_many_connections")
            return
        self._read_by = self.loop.time() + HEAD_TIMEOUT_S
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._connections.leave(self)
        self._wire.abort()  # nothing more is written, and nothing is left to close
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)
        self.pipeline.clear()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.response_complete:
            self.cycle = None  # type: ignore[assignment]  # as it was before the first request; it refers to this

    def evict(self) -> bool:
        """See `connections.Connection`."""
        if self._wire.is_sending:
            return False
        self.transport.abort()
        return True

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._write_by, self._sent = self.loop.time() + WRITE_TIMEOUT_S, self._left
        self._watch()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        self._write_by = inf

    @property
    def _left(self) -> int:
        """How many bytes have left for the system."""
        return self._wire.written - self._wire.get_write_buffer_size()

    def _ending(self) -> None:
        """The connection is to end. A client that still sends would not get to read the answer if it were closed: it is
        closed for writing, and what comes is thrown away for a while."""
        self._connections.works(self)  # it waits no more
        self._read_by = inf
        if self._reading is _Reading.NOTHING:
            self._wire.finish()
            self._end_by, self._sent = self.loop.time() + WRITE_TIMEOUT_S, self._left
        else:
            self.flow.resume_reading()
            self._wire.write_eof()
            self._end_by = self.loop.time() + LINGER_S
        self._watch()

    # --- deadlines ---------------------------------------------------------------------------------------------------
    def _watch(self) -> None:
        """One timer for all deadlines. It is set anew only for an earlier one: most move on with each request."""
        by = min(self._read_by, self._write_by, self._end_by)
        if by == inf or (self._timer is not None and self._timer.when() <= by):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(by, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self.loop.time()
        if now >= self._end_by:
            self._end_is_late(now)
        elif now >= self._write_by:
            if self._left - self._sent < WRITE_STEP_BYTES:
                self._drop("answer_unread")
                return
            self._write_by, self._sent = now + WRITE_TIMEOUT_S, self._left
        elif now >= self._read_by:
            self._read_by = inf
            self._reading_is_late()
        self._watch()

    def _end_is_late(self, now: float) -> None:
        """What was written has left, or the client takes it too slowly, or it has had its time to read."""
        self._end_by = inf
        if self._wire.get_write_buffer_size() == 0:
            self._wire.abort()
        elif self._left - self._sent >= WRITE_STEP_BYTES or self._reading is not _Reading.NOTHING:
            self._reading = _Reading.NOTHING
            self._wire.finish()
            self._end_by, self._sent = now + WRITE_TIMEOUT_S, self._left
        else:
            self._drop("answer_unread")

    def _reading_is_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._reading is _Reading.NOTHING or not self._begun:
            self.transport.close()
        else:
            self._refuse("request_timeout")

    def _drop(self, code: str) -> None:
        tally.add(code, self.client[0] if self.client else "a socket")
        self.transport.abort()

    # --- requests ----------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._refused or self.transport.is_closing():
            self._discarded += len(data)
            if self._discarded > DISCARDED_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self._reading is _Reading.NOTHING or self.transport.is_closing():
            return
        if self._reading is _Reading.HEAD:
            # A header is told to us only when it is whole: what has come of it so far counts, too.
            self._received += len(data)
            if self._received > 2 * MAX_HEAD_BYTES:
                self._refuse("head_too_large")
                return
        if self._read_by == inf:
            self._begin_to_wait()

    def _begin_to_wait(self) -> None:
        """For the rest of a head or a body; not for a body behind a request that has not been answered."""
        if self._reading is _Reading.BODY and self.pipeline:
            return
        self._read_by = self.loop.time() + (HEAD_TIMEOUT_S if self._reading is _Reading.HEAD else self._body_s)
        self._watch()

    def on_message_begin(self) -> None:
        """See httptools."""
        self._head_bytes = self._received = 0
        self._reading, self._begun, self._read_by = _Reading.HEAD, True, inf
        self._connections.works(self)
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
        if self._reading is _Reading.BODY:
            return  # a trailer: what is read and decided of a request stands in its head
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        assert self.parser is not None
        if self.parser.get_http_version() not in _VERSIONS or len(self.pipeline) >= MAX_PIPELINED:
            raise _Refused
        self._reading, self._read_by = _Reading.BODY, inf
        super().on_headers_complete()
        # An answer that begins before the request is whole says that the connection ends with it.
        self._may_keep, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_message_complete(self) -> None:
        """See httptools."""
        self._reading, self._read_by = _Reading.NOTHING, inf
        self.cycle.keep_alive = self._may_keep
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """See uvicorn, whose timers are not used."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            if self._reading is not _Reading.NOTHING and self._read_by == inf:
                self._begin_to_wait()
        elif self._reading is _Reading.NOTHING:
            self._connections.waits(self)
            self._read_by = self.loop.time() + KEEP_ALIVE_S
            self._watch()

    def shutdown(self) -> None:
        """See uvicorn."""
        self._may_keep = False
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, or what a callback found too large. Called by uvicorn, with words of its own."""
        self._refuse(self._refused or "bad_request")

    def _refuse(self, code: str) -> None:
        self._refused = code
        tally.add(code, self.client[0] if self.client else "a socket")
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                self._reading = _Reading.NOTHING
                self.transport.close()  # an answer is under way, and nothing may be written into it
                return
            cycle.disconnected = True  # it is the body of that request: tell its reader
            cycle.message_event.set()
        body = errors.body(code, _DETAILS[code])
        head = (
            STATUS_LINE[errors.STATUS[code]],
            b"content-type: application/problem+json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        )
        self.transport.write(b"".join((*head, body)))
        self._reading = _Reading.NOTHING if code == "too_many_connections" else _Reading.HEAD  # how it ends
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refused = "head_too_large"
            raise _Refused


_DETAILS: Final = {
    "bad_request": "this is no HTTP/1.1 request",
    "head_too_large": f"the request line and the headers are larger than {MAX_HEAD_BYTES} bytes, or the value of a "
    f"header than {MAX_VALUE_BYTES}",
    "request_timeout": "the request took too long to come: its head, or its body",
    "too_many_connections": "there are too many connections, of this client or in all; close some, or try again later",
}
