"""From what goes wrong on the network to the `error-code` of `wasi:http/types`, in its JSON form."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from typing import Final

from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.io.streams import StreamEnd
from obelisk.runtime.ports.guest import JsonValue

_UNREACHABLE: Final = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


def failure_of(error: Exception, *, in_body: bool) -> HttpFailed:
    """What went wrong of an exchange on a connection; `in_body` once the head of the response is there."""
    if isinstance(error, HttpFailed):
        return error
    if isinstance(error, StreamEnd):
        code = None if error.error is None else error.error.http_code
        return HttpFailed(code or {"internal_error": "the body was not finished"}, str(error))
    if isinstance(error, ssl.SSLError):
        return HttpFailed("TLS_protocol_error", _text(error))
    if isinstance(error, OSError):
        return HttpFailed("HTTP_response_incomplete" if in_body else "connection_terminated", _text(error))
    return HttpFailed({"internal_error": type(error).__name__}, f"{type(error).__name__} in the engine")


def connecting(error: Exception, *, tls: bool = False) -> HttpFailed:
    """What went wrong of connecting, with the handshake of `tls`."""
    return HttpFailed(_code(error, tls=tls), _text(error))


def _code(error: Exception, *, tls: bool) -> JsonValue:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return "TLS_certificate_error"
            case ssl.SSLError():
                return "TLS_protocol_error"
            case ConnectionRefusedError():
                return "connection_refused"
            case TimeoutError():
                return "connection_timeout"
            case OSError(errno=number) if number in _UNREACHABLE:
                return "destination_unavailable"
            case OSError(errno=number) if number in _NO_ROOM:
                return "connection_limit_reached"
            case ConnectionError():
                return "TLS_protocol_error" if tls else "connection_terminated"
            case _:
                pass
    return "connection_refused"


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
