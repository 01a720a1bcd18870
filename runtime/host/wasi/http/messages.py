"""The resources of `wasi:http/types` other than headers: requests, responses, bodies and what is awaited of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Protocol

from obelisk.runtime.host.wasi.http.fields import Fields
from obelisk.runtime.host.wasi.http.flows import BodyInput, Inflow, Outflow
from obelisk.runtime.host.wasi.io.pollables import Pollable
from obelisk.runtime.host.wasi.io.table import Closeable
from obelisk.runtime.ports.guest import Holding, HostMemory, JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a request may take, in nanoseconds; None is the client's own default."""

    connect_ns: int | None = None
    first_byte_ns: int | None = None
    between_bytes_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it is sent: `authority` and `path` as the guest gave them, with defaults filled in."""

    method: str
    scheme: str
    authority: str
    path: str
    headers: tuple[tuple[str, bytes], ...]
    timeouts: Timeouts
    body: Outflow | None
    memory: HostMemory = field(default_factory=HostMemory, repr=False)
    """Where it counts, and what is received for it."""


class HttpFailed(Exception):
    """A request came to nothing; `code` is an `error-code` in its JSON form."""

    def __init__(self, code: JsonValue, detail: str = "") -> None:
        super().__init__(detail or str(code))
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The start of a response."""

    status: int
    headers: tuple[tuple[str, bytes], ...]


class Exchange(Protocol):
    """A request on its way and its response, as the client makes it."""

    @property
    def arrived(self) -> Pollable:
        """Ready when there is a head or a failure."""
        ...

    @property
    def outcome(self) -> Head | HttpFailed | None:
        """What came of it so far."""
        ...

    @property
    def body(self) -> Inflow:
        """The body of the response."""
        ...

    def explain(self) -> None:
        """Tell the guest's log what it failed of; on the guest's thread."""
        ...

    def cancel(self) -> None:
        """Stop it and let go of its connection; idempotent, on any thread."""
        ...


class HttpSender(Protocol):
    """Makes requests for one guest; a capability, see `capabilities`."""

    def new_body(self, declared: int | None, memory: HostMemory) -> Outflow:
        """The body of a request to be sent, which counts in `memory`; any thread. OutOfHostMemory."""
        ...

    def send(self, request: Request) -> Exchange:
        """Begin an exchange, on any thread; HttpFailed when the policy, or the request itself, does not allow it,
        OutOfHostMemory."""
        ...


class OutgoingRequest:
    """The resource `outgoing-request`; what its guest sets counts in `memory`."""

    def __init__(self, headers: Fields, memory: HostMemory) -> None:
        self.headers = headers
        self.method: JsonValue = "get"
        self.scheme: JsonValue = None
        self.authority: str | None = None
        self.path: str | None = None
        self._holding = Holding(memory, sum(map(_kept, (self.method, self.scheme, self.authority, self.path))))
        self.body: Outflow | None = None

    def set(self, attribute: str, value: JsonValue) -> None:
        """Set method, scheme, authority or path; OutOfHostMemory, and then it stays as it was."""
        self._holding.resize(self._holding.size + _kept(value) - _kept(getattr(self, attribute)))
        setattr(self, attribute, value)


def _kept(value: JsonValue) -> int:
    """What a text, or the text in a case of a variant, takes."""
    text = value.get("other") if isinstance(value, dict) else value
    return sys.getsizeof(text)


class OutgoingResponse:
    """The resource `outgoing-response`; nothing takes one here."""

    def __init__(self, headers: Fields) -> None:
        self.headers, self.status = headers, 200


class OutgoingBody(Closeable):
    """The resource `outgoing-body`: dropping it unfinished gives the message up."""

    def __init__(self, flow: Outflow) -> None:
        self.flow, self.has_stream = flow, False

    def close(self) -> None:
        """See `Closeable`."""
        self.flow.abort()


class RequestOptions:
    """The resource `request-options`; nanoseconds by the option's name."""

    NAMES = ("connect", "first-byte", "between-bytes")

    def __init__(self) -> None:
        self.durations: dict[str, int | None] = dict.fromkeys(self.NAMES)

    def timeouts(self) -> Timeouts:
        """What they come to."""
        durations = self.durations
        return Timeouts(
            connect_ns=durations["connect"],
            first_byte_ns=durations["first-byte"],
            between_bytes_ns=durations["between-bytes"],
        )


class FutureResponse(Closeable):
    """The resource `future-incoming-response`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.taken = exchange, False

    def close(self) -> None:
        """If no response was taken, it is not wanted any more."""
        if not self.taken:
            self.exchange.cancel()


class IncomingResponse(Closeable):
    """The resource `incoming-response`."""

    def __init__(self, exchange: Exchange, head: Head, memory: HostMemory) -> None:
        self.exchange, self.status, self.consumed = exchange, head.status, False
        self.headers = Fields(memory, head.headers, frozen=True)

    def close(self) -> None:
        """If its body was not taken, it is not wanted any more."""
        if not self.consumed:
            self.exchange.cancel()


class IncomingBody(Closeable):
    """The resource `incoming-body`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.stream = exchange, BodyInput(exchange.body)
        self.has_stream = False

    def close(self) -> None:
        """The rest is not wanted."""
        self.exchange.cancel()


class FutureTrailers:
    """The resource `future-trailers`. HTTP/1.1 trailers are dropped by the client, so there are never any."""

    def __init__(self, failure: JsonValue) -> None:
        self.failure, self.taken = failure, False
