"""The calls of `wasi:http` that make and send requests.

What is wrong with a part of a request is told when it is sent. Trailers are not carried: sending some fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from obelisk.runtime.host.wasi.calls.call import Call, err, ok
from obelisk.runtime.host.wasi.guests import WasiGuest
from obelisk.runtime.host.wasi.http.fields import Fields, declared_length
from obelisk.runtime.host.wasi.http.flows import BodyOutput
from obelisk.runtime.host.wasi.http.messages import (
    FutureResponse,
    HttpFailed,
    OutgoingBody,
    OutgoingRequest,
    Request,
    RequestOptions,
    Timeouts,
)
from obelisk.runtime.ports.guest import HostMemory, JsonValue


def _new_request(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(OutgoingRequest(guest.table.take(args[0], Fields).freeze(), guest.memory))


def _reading(attribute: str) -> Callable[[Any, list[Any]], JsonValue]:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue:
        value: JsonValue = getattr(guest.table.get(args[0], OutgoingRequest), attribute)
        return value

    return handler


def _setting(attribute: str) -> Callable[[Any, list[Any]], JsonValue]:
    """What is wrong with a value is told when the request is sent."""

    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue:
        guest.table.get(args[0], OutgoingRequest).set(attribute, args[1])
        return ok()

    return handler


def _request_headers(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(guest.table.get(args[0], OutgoingRequest).headers)


def _request_body(guest: WasiGuest, args: list[Any]) -> JsonValue:
    request = guest.table.get(args[0], OutgoingRequest)
    if request.body is not None or guest.http is None:
        return err()
    try:
        request.body = guest.http.new_body(declared_length(request.headers), guest.memory)
    except ValueError:
        return err()
    return ok(guest.table.add(OutgoingBody(request.body)))


def _body_write(guest: WasiGuest, args: list[Any]) -> JsonValue:
    body = guest.table.get(args[0], OutgoingBody)
    if body.has_stream:
        return err()
    body.has_stream = True
    return ok(guest.table.add(BodyOutput(body.flow)))


def _body_finish(guest: WasiGuest, args: list[Any]) -> JsonValue:
    flow = guest.table.take(args[0], OutgoingBody).flow
    if args[1] is not None:
        guest.table.take(args[1], Fields)
        flow.abort()
        return err({"internal_error": "trailers are not supported"})
    return ok() if flow.finish() else err({"HTTP_request_body_size": flow.written})


def _new_options(guest: WasiGuest, args: list[Any]) -> JsonValue:
    return guest.table.add(RequestOptions())


def _option(name: str) -> Callable[[Any, list[Any]], JsonValue]:
    return lambda guest, args: guest.table.get(args[0], RequestOptions).durations[name]


def _set_option(name: str) -> Callable[[Any, list[Any]], JsonValue]:
    def handler(guest: WasiGuest, args: list[Any]) -> JsonValue:
        guest.table.get(args[0], RequestOptions).durations[name] = args[1]
        return ok()

    return handler


def _handle(guest: WasiGuest, args: list[Any]) -> JsonValue:
    request = guest.table.take(args[0], OutgoingRequest)
    options = None if args[1] is None else guest.table.take(args[1], RequestOptions)
    try:
        if guest.http is None:
            raise HttpFailed("HTTP_request_denied", "no request is allowed")
        timeouts = Timeouts() if options is None else options.timeouts()
        exchange = guest.http.send(_built(request, timeouts, guest.memory))
    except HttpFailed as failed:
        if request.body is not None:
            request.body.abort()
        return err(failed.code)
    return ok(guest.table.add(FutureResponse(exchange)))


def _built(request: OutgoingRequest, timeouts: Timeouts, memory: HostMemory) -> Request:
    if request.authority is None:
        raise HttpFailed("HTTP_request_URI_invalid", "no authority")
    return Request(
        method=request.method.upper() if isinstance(request.method, str) else _word(request.method),
        scheme="https" if request.scheme is None else _word(request.scheme).lower(),
        authority=request.authority,
        path=request.path or "/",
        headers=request.headers.entries(),
        timeouts=timeouts,
        body=request.body,
        memory=memory,
    )


def _word(case: JsonValue) -> str:
    """The word of a variant whose last case is `other(string)`."""
    return str(case.get("other")) if isinstance(case, dict) else str(case)


REQUEST_CALLS: Final[Mapping[str, Call]] = {
    "[constructor]outgoing-request": Call("(fields) -> outgoing-request", _new_request),
    "[method]outgoing-request.body": Call("(borrow<outgoing-request>) -> result<outgoing-body>", _request_body),
    "[method]outgoing-request.method": Call("(borrow<outgoing-request>) -> method", _reading("method")),
    "[method]outgoing-request.set-method": Call("(borrow<outgoing-request>, method) -> result", _setting("method")),
    "[method]outgoing-request.path-with-query": Call("(borrow<outgoing-request>) -> option<string>", _reading("path")),
    "[method]outgoing-request.set-path-with-query": Call(
        "(borrow<outgoing-request>, option<string>) -> result", _setting("path")
    ),
    "[method]outgoing-request.scheme": Call("(borrow<outgoing-request>) -> option<scheme>", _reading("scheme")),
    "[method]outgoing-request.set-scheme": Call(
        "(borrow<outgoing-request>, option<scheme>) -> result", _setting("scheme")
    ),
    "[method]outgoing-request.authority": Call("(borrow<outgoing-request>) -> option<string>", _reading("authority")),
    "[method]outgoing-request.set-authority": Call(
        "(borrow<outgoing-request>, option<string>) -> result", _setting("authority")
    ),
    "[method]outgoing-request.headers": Call("(borrow<outgoing-request>) -> fields", _request_headers),
    "[method]outgoing-body.write": Call("(borrow<outgoing-body>) -> result<output-stream>", _body_write),
    "[static]outgoing-body.finish": Call("(outgoing-body, option<fields>) -> result<_, error-code>", _body_finish),
    "[constructor]request-options": Call("() -> request-options", _new_options),
    **{
        f"[method]request-options.{name}-timeout": Call("(borrow<request-options>) -> option<u64>", _option(name))
        for name in RequestOptions.NAMES
    },
    **{
        f"[method]request-options.set-{name}-timeout": Call(
            "(borrow<request-options>, option<u64>) -> result", _set_option(name)
        )
        for name in RequestOptions.NAMES
    },
}
"""What this module offers of `wasi:http/types`."""
HANDLER_CALLS: Final = {
    "handle": Call(
        "(outgoing-request, option<request-options>) -> result<future-incoming-response, error-code>", _handle
    )
}
"""`wasi:http/outgoing-handler`."""
