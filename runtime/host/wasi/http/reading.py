"""What a server answers, read by a parser in C (llhttp, by httptools), with a bound on all that it may send. No I/O.

An answer is believed as far as it is beyond doubt: what HTTP/1.1 does not allow, and what two parties may read in two
ways, is refused. A connection carries another request only after an answer without any irregularity (`is_clean`).
"""

from __future__ import annotations

from typing import Final

import httptools

from obelisk.runtime.host.wasi.http.messages import HttpFailed

SLICE: Final = 16 * 1024
"""The most bytes that one `feed` takes, as a bound on what is done without a pause."""
MAX_HEAD: Final = 64 * 1024
"""Bytes of the head of a response, with all informational ones before it; also of chunk sizes, extensions and
trailers without a byte of the body between them."""
MAX_HEADERS: Final = 256
MAX_INFORMATIONAL: Final = 16
FRAMING: Final = 16
"""Bytes that may be spent on each byte of the body, beyond `SPARE`: a chunk of one byte takes six."""
SPARE: Final = 1 << 20
_VERSIONS: Final = ("1.1", "1.0")
_FIRST_STATUS, _SWITCHING, _FINAL, _NO_CONTENT, _LAST_STATUS = 100, 101, 200, 204, 999


class Reading:
    """One answer, after any informational ones. `method` is that of the request."""

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.has_head = self.is_done = self.is_clean = False
        self.parts = 0
        """How many callbacks the parser made in the last `feed`: a measure of its cost."""
        self._is_head = method == "HEAD"
        self._ends_with_connection = False
        self._informational = self._count = self._received = self._silent = self._body_bytes = 0
        self._body: list[bytes] = []
        self._failure: HttpFailed | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @property
    def has_begun(self) -> bool:
        """Whether anything came."""
        return self._received > 0

    def feed(self, data: bytes) -> bytes:
        """Take what came, at least one byte and at most `SLICE`; the bytes of the body in it. HttpFailed.

        What follows the end of the answer is not read; `is_clean` is false then.
        """
        assert self._parser is not None, "the answer is over"
        assert 0 < len(data) <= SLICE
        self.parts, before = 0, self._body_bytes
        self._received += len(data)
        try:
            # The last byte goes by itself: if the answer has ended before it, then something follows that end.
            self._parser.feed_data(data[:-1])
            if self.is_done:
                self.is_clean = False
            else:
                self._parser.feed_data(data[-1:])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.is_clean = False
            if not self.is_done:
                self._fail(HttpFailed("HTTP_protocol_error", f"the server's answer is malformed: {_why(error)}"))
        self._bound(len(data), before)
        if self._failure is not None:
            self.close()
            raise self._failure
        if self.is_done:
            self.close()
        body, self._body = b"".join(self._body), []
        return body

    def end(self) -> None:
        """The server closed the connection. HttpFailed, unless that ends the answer."""
        self.close()
        self.is_clean = False
        if self.has_head and self._ends_with_connection:
            self.is_done = True
        elif not self.is_done:
            code = "HTTP_response_incomplete" if self.has_begun else "connection_terminated"
            raise HttpFailed(code, "the server closed the connection before its answer was whole")

    def close(self) -> None:
        """Let go of the parser; idempotent."""
        self._parser = None

    def _bound(self, count: int, before: int) -> None:
        """Refuse what is endless without being a body."""
        if not self.has_head:
            if self._received > MAX_HEAD:
                self._fail(HttpFailed({"HTTP_response_header_section_size": MAX_HEAD}))
            return
        self._silent = 0 if self._body_bytes > before else self._silent + count
        if self._silent > MAX_HEAD + SLICE or self._received > SPARE + FRAMING * self._body_bytes:
            self._fail(HttpFailed("HTTP_protocol_error", "chunk sizes, extensions or trailers without end"))

    def _fail(self, failure: HttpFailed) -> None:
        self._failure = self._failure or failure

    # --- what the parser calls ---------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """See httptools; also of what follows the answer."""
        self.parts += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools; also of trailers, which are dropped."""
        self.parts += 1
        if self.is_done or self._failure is not None:
            return
        self._count += 1
        if self._count > MAX_HEADERS:
            self._fail(HttpFailed({"HTTP_response_header_section_size": MAX_HEAD}, f"more than {MAX_HEADERS} headers"))
        elif not self.has_head:
            self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        """See httptools."""
        self.parts += 1
        if self.is_done or self._failure is not None or self._parser is None:
            return
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version not in _VERSIONS or not _FIRST_STATUS <= status <= _LAST_STATUS or status == _SWITCHING:
            self._fail(HttpFailed("HTTP_protocol_error", f"the server answers HTTP/{version} {status}"))
        elif status < _FINAL:
            self.headers.clear()
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                text = f"more than {MAX_INFORMATIONAL} informational answers"
                self._fail(HttpFailed("HTTP_protocol_error", text))
        else:
            self._begin(status, version, keeps=self._parser.should_keep_alive())

    def on_body(self, part: bytes) -> None:
        """See httptools."""
        self.parts += 1
        if not self.is_done:
            self._body.append(part)
            self._body_bytes += len(part)

    def on_message_complete(self) -> None:
        """See httptools."""
        self.parts += 1
        self.is_done = self.has_head

    def _begin(self, status: int, version: str, *, keeps: bool) -> None:
        """The head is whole."""
        lengths = [value for name, value in self.headers if name.lower() == b"content-length"]
        codings = [value for name, value in self.headers if name.lower() == b"transfer-encoding"]
        if codings and [coding.lower() for coding in codings] != [b"chunked"]:
            named = b", ".join(codings).decode("latin-1")
            self._fail(HttpFailed({"HTTP_response_transfer_coding": named}))
            return
        self.status, self.has_head = status, True
        self._ends_with_connection = not lengths and not codings
        is_odd = bool(codings) and version == "1.0"
        if status == _NO_CONTENT:
            is_odd = bool(codings) or any(length.strip(b"0") for length in lengths)
        self.is_clean = keeps and not is_odd
        if self._is_head:
            self.is_done = True


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, httptools.HttpParserError) else "it changes the protocol"
