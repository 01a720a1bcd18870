"""One exchange over `wasi:http`: a request goes out, its answer's head comes back, its body follows in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from componentize_py_types import Err, Ok
from wit_world.imports import wasi_http_outgoing_handler, wasi_http_types
from wit_world.imports.wasi_http_types import (
    ErrorCode_HttpRequestMethodInvalid,
    ErrorCode_HttpRequestUriInvalid,
    Fields,
    FutureIncomingResponse,
    IncomingBody,
    IncomingResponse,
    Method,
    Method_Delete,
    Method_Get,
    Method_Head,
    Method_Options,
    Method_Other,
    Method_Patch,
    Method_Post,
    Method_Put,
    OutgoingBody,
    OutgoingRequest,
    RequestOptions,
    Scheme_Http,
    Scheme_Https,
)
from wit_world.imports.wasi_io_streams import StreamError_Closed, StreamError_LastOperationFailed

from obelisk_guest.http_errors import InvalidRequest, failure

_WRITE: Final = 4096
"""What one blocking write may take."""
_READ: Final = 1 << 16
_METHODS: Final[dict[str, Callable[[], Method]]] = {
    "GET": Method_Get,
    "HEAD": Method_Head,
    "POST": Method_Post,
    "PUT": Method_Put,
    "DELETE": Method_Delete,
    "OPTIONS": Method_Options,
    "PATCH": Method_Patch,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What comes first of an answer; `chunks` is the body, to be read once: HttpError when it breaks off."""

    status: int
    headers: Sequence[tuple[str, bytes]]
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request: `path` is with its query, `url` what messages call it."""

    method: str
    url: str
    scheme: str
    authority: str
    path: str

    def send(
        self, headers: Sequence[tuple[str, bytes]], body: bytes | None, timeouts_s: Sequence[float | None]
    ) -> Head:
        """Send it and wait for the head. `timeouts_s`: to connect, to the first byte, between bytes. HttpError."""
        try:
            outgoing = self._outgoing(self._fields(headers))
            writing = None if body is None else outgoing.body()
            coming = wasi_http_outgoing_handler.handle(outgoing, _options(timeouts_s))
            if writing is not None and body is not None:
                _write(writing, body)
            with coming:
                response = self._arrived(coming)
        except Err as error:
            raise self._failure(error.value) from None
        with response:
            return Head(
                status=response.status(),
                headers=response.headers().entries(),
                chunks=self._read(response.consume()),
            )

    def _fields(self, headers: Sequence[tuple[str, bytes]]) -> Fields:
        try:
            return Fields.from_list(list(headers))
        except Err as error:
            said = f"{self.method} {self.url}: its headers cannot be sent: {type(error.value).__name__}"
            raise InvalidRequest(said, method=self.method, url=self.url) from None

    def _outgoing(self, fields: Fields) -> OutgoingRequest:
        request = OutgoingRequest(fields)
        try:
            request.set_method(_METHODS.get(self.method, lambda: Method_Other(self.method))())
        except Err:
            raise Err(ErrorCode_HttpRequestMethodInvalid()) from None
        try:
            request.set_scheme(Scheme_Http() if self.scheme == "http" else Scheme_Https())
            request.set_authority(self.authority)
            request.set_path_with_query(self.path)
        except Err:
            raise Err(ErrorCode_HttpRequestUriInvalid()) from None
        return request

    def _arrived(self, coming: FutureIncomingResponse) -> IncomingResponse:
        with coming.subscribe() as ready:
            ready.block()
        match coming.get():
            case Ok(Ok(response)):
                return response
            case Ok(Err() as error):
                raise error
            case _:
                raise AssertionError("what is ready has an answer or an error, once")

    def _read(self, body: IncomingBody) -> Iterator[bytes]:
        with body, body.stream() as stream:
            while True:
                try:
                    yield stream.blocking_read(_READ)
                except Err as error:
                    if isinstance(error.value, StreamError_Closed):
                        return
                    raise self._failure(error.value) from None

    def _failure(self, value: object) -> Exception:
        """The exception for what an import raised."""
        if isinstance(value, StreamError_LastOperationFailed):
            value = wasi_http_types.http_error_code(value.value) or value
        if isinstance(value, ErrorCode_HttpRequestMethodInvalid | ErrorCode_HttpRequestUriInvalid):
            return InvalidRequest(f"{self.method} {self.url} is no valid request", method=self.method, url=self.url)
        return failure(value, method=self.method, url=self.url)


def _options(timeouts_s: Sequence[float | None]) -> RequestOptions | None:
    if all(one is None for one in timeouts_s):
        return None
    connect, first, between = (None if one is None else max(1, round(one * 1e9)) for one in timeouts_s)
    options = RequestOptions()
    options.set_connect_timeout(connect)
    options.set_first_byte_timeout(first)
    options.set_between_bytes_timeout(between)
    return options


def _write(body: OutgoingBody, content: bytes) -> None:
    """Write a body. What goes wrong in between is told with the answer: a server may answer before it has read all."""
    try:
        with body.write() as stream:
            for at in range(0, len(content), _WRITE):
                stream.blocking_write_and_flush(content[at : at + _WRITE])
    except Err as error:
        if isinstance(error.value, StreamError_Closed | StreamError_LastOperationFailed):
            return
        raise
    OutgoingBody.finish(body, None)
