"""From what goes wrong on the network to the `error-code` of `wasi:http/types`, in its JSON form."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from typing import Final

import httpcore

from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.io.streams import StreamEnd
from obelisk.runtime.ports.guest import JsonValue

TRANSPORT: Final = (
    httpcore.NetworkError,
    httpcore.TimeoutException,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ssl.SSLError,
    OSError,
)
"""What a connection raises."""
_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN})


def failure_of(error: Exception, *, in_body: bool) -> HttpFailed:
    """What an exception means; `in_body` once the head of the response is there."""
    if isinstance(error, HttpFailed):
        return error
    if isinstance(error, StreamEnd):
        code = None if error.error is None else error.error.http_code
        return HttpFailed(code or {"internal_error": "the body was not finished"}, str(error))
    return HttpFailed(_code(error, in_body=in_body), f"{type(error).__name__}: {error}")


def _code(error: Exception, *, in_body: bool) -> JsonValue:
    match error:
        case httpcore.ConnectTimeout():
            return "connection_timeout"
        case httpcore.PoolTimeout():
            return "connection_limit_reached"
        case httpcore.WriteTimeout():
            return "connection_write_timeout"
        case httpcore.ReadTimeout():
            return "connection_read_timeout"
        case httpcore.ConnectError() | ssl.SSLError():
            return _connecting(error)
        case httpcore.LocalProtocolError():
            return {"HTTP_request_body_size": None} if "data for declared" in str(error) else "HTTP_protocol_error"
        case _ if in_body:
            return "HTTP_response_incomplete"
        case httpcore.RemoteProtocolError() if "disconnected" not in str(error):
            return "HTTP_protocol_error"
        case _:
            return "connection_terminated"


def _connecting(error: BaseException) -> JsonValue:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return "TLS_certificate_error"
            case ssl.SSLError():
                return "TLS_protocol_error"
            case ConnectionRefusedError():
                return "connection_refused"
            case OSError(errno=number) if number in _UNREACHABLE:
                return "destination_unavailable"
            case _:
                pass
    return "connection_refused"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        yield from (arg for arg in error.args if isinstance(arg, BaseException))
        error = error.__cause__ or error.__context__
