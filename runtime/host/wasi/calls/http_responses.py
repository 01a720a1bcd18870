"""The calls of `wasi:http/types` that receive responses, and those that would serve requests.

Trailers are never received. A guest holds no request to serve, so it can but make a response that it has nowhere to
send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from obelisk.runtime.host.wasi.calls.call import Call, err, ok
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.host.wasi.http.fields import Fields
from obelisk.runtime.host.wasi.http.messages import (
    FutureResponse,
    FutureTrailers,
    HttpFailed,
    IncomingBody,
    IncomingResponse,
    OutgoingResponse,
)
from obelisk.runtime.host.wasi.io.pollables import READY
from obelisk.runtime.host.wasi.io.streams import StreamError
from obelisk.runtime.ports.guest import GuestTrap, JsonValue


def _future_subscribe(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], FutureResponse).exchange.arrived)


def _future_get(guest: WasiGuest, args: list[Any]) -> JsonValue:
    future = guest.table.get(args[0], FutureResponse)
    outcome = future.exchange.outcome
    if outcome is None:
        return None
    if future.taken:
        return err()
    future.taken = True
    if isinstance(outcome, HttpFailed):
        future.exchange.explain()
        return ok(err(outcome.code))
    return ok(ok(guest.table.add(IncomingResponse(future.exchange, outcome, guest.memory))))


def _status(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], IncomingResponse).status


def _response_headers(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], IncomingResponse).headers)


def _consume(guest: WasiGuest, args: list[Any]) -> JsonValue:
    response = guest.table.get(args[0], IncomingResponse)
    if response.consumed:
        return err()
    body = guest.table.add(IncomingBody(response.exchange))
    response.consumed = True
    return ok(body)


def _body_stream(guest: WasiGuest, args: list[Any]) -> JsonValue:
    body = guest.table.get(args[0], IncomingBody)
    if body.has_stream:
        return err()
    body.has_stream = True
    return ok(guest.table.add(body.stream))


def _incoming_finish(guest: WasiGuest, args: list[Any]) -> JsonValue:
    exchange = guest.table.take(args[0], IncomingBody).exchange
    end = exchange.body.end
    exchange.cancel()
    return guest.table.add(FutureTrailers(None if end is None or end.error is None else end.error.http_code))


def _trailers_subscribe(guest: WasiGuest, args: list[Any]) -> JsonValue:
    guest.table.get(args[0], FutureTrailers)
    return guest.table.add(READY)


def _trailers_get(guest: WasiGuest, args: list[Any]) -> JsonValue:
    future = guest.table.get(args[0], FutureTrailers)
    if future.taken:
        return err()
    future.taken = True
    return ok(ok() if future.failure is None else err(future.failure))


def _http_error_code(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], StreamError).http_code


def _no_body(guest: WasiGuest, args: list[Any]) -> JsonValue:
    guest.table.get(args[0], OutgoingResponse)
    return err()


def _new_response(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(OutgoingResponse(guest.table.take(args[0], Fields).freeze()))


def _response_status(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.get(args[0], OutgoingResponse).status


def _set_response_status(guest: WasiGuest, args: list[Any]) -> JsonValue:
    guest.table.get(args[0], OutgoingResponse).status = args[1]
    return ok()


def _own_response_headers(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], OutgoingResponse).headers)


def _unreachable(guest: WasiGuest, args: list[Any]) -> JsonValue:
    raise GuestTrap("this guest serves no requests, so it holds none")


RESPONSE_CALLS: Final[Mapping[str, Call]] = {
    "[method]future-incoming-response.subscribe": Call(
        "(borrow<future-incoming-response>) -> pollable", _future_subscribe
    ),
    "[method]future-incoming-response.get": Call(
        "(borrow<future-incoming-response>) -> option<result<result<incoming-response, error-code>>>",
        _future_get,
    ),
    "[method]incoming-response.status": Call("(borrow<incoming-response>) -> u16", _status),
    "[method]incoming-response.headers": Call("(borrow<incoming-response>) -> fields", _response_headers),
    "[method]incoming-response.consume": Call("(borrow<incoming-response>) -> result<incoming-body>", _consume),
    "[method]incoming-body.stream": Call("(borrow<incoming-body>) -> result<input-stream>", _body_stream),
    "[static]incoming-body.finish": Call("(incoming-body) -> future-trailers", _incoming_finish),
    "[method]future-trailers.subscribe": Call("(borrow<future-trailers>) -> pollable", _trailers_subscribe),
    "[method]future-trailers.get": Call(
        "(borrow<future-trailers>) -> option<result<result<option<fields>, error-code>>>", _trailers_get
    ),
    "http-error-code": Call("(borrow<error>) -> option<error-code>", _http_error_code),
}
"""What this module offers to clients."""
SERVING_CALLS: Final[Mapping[str, Call]] = {
    "[method]incoming-request.method": Call("(borrow<incoming-request>) -> method", _unreachable),
    "[method]incoming-request.path-with-query": Call("(borrow<incoming-request>) -> option<string>", _unreachable),
    "[method]incoming-request.scheme": Call("(borrow<incoming-request>) -> option<scheme>", _unreachable),
    "[method]incoming-request.authority": Call("(borrow<incoming-request>) -> option<string>", _unreachable),
    "[method]incoming-request.headers": Call("(borrow<incoming-request>) -> fields", _unreachable),
    "[method]incoming-request.consume": Call("(borrow<incoming-request>) -> result<incoming-body>", _unreachable),
    "[static]response-outparam.set": Call("(response-outparam, result<outgoing-response, error-code>)", _unreachable),
    "[constructor]outgoing-response": Call("(fields) -> outgoing-response", _new_response),
    "[method]outgoing-response.status-code": Call("(borrow<outgoing-response>) -> u16", _response_status),
    "[method]outgoing-response.set-status-code": Call(
        "(borrow<outgoing-response>, u16) -> result", _set_response_status
    ),
    "[method]outgoing-response.headers": Call("(borrow<outgoing-response>) -> fields", _own_response_headers),
    "[method]outgoing-response.body": Call("(borrow<outgoing-response>) -> result<outgoing-body>", _no_body),
}
"""What it offers to servers."""
