"""What can become of an HTTP request that brings no answer, by name. Pure."""

from __future__ import annotations

import re
from typing import Final

_TIMES: Final = frozenset(
    {"DnsTimeout", "ConnectionTimeout", "ConnectionReadTimeout", "ConnectionWriteTimeout", "HttpResponseTimeout"}
)
_DENIED: Final = frozenset({"HttpRequestDenied", "DestinationIpProhibited"})
_CONNECTING: Final = (
    "Dns",
    "Destination",
    "ConnectionRefused",
    "ConnectionTerminated",
    "ConnectionLimitReached",
    "Tls",
)


class HttpError(Exception):
    """A request failed. `method` and `url` are its own, `code` the case of `error-code` of `wasi:http`, if any."""

    def __init__(self, message: str, *, method: str, url: str, code: str = "") -> None:
        super().__init__(message)
        self.method = method
        self.url = url
        self.code = code


class InvalidRequest(HttpError, ValueError):
    """The request is not one that can be sent: its URL, its method or a header is malformed."""


class NotAllowed(HttpError):
    """The rules of the component or of the server do not allow the request."""


class Unreachable(HttpError, ConnectionError):
    """There is no connection to the server: its name, its address, its port, TLS, or it was lost."""


class RequestTimedOut(HttpError, TimeoutError):
    """Connecting, the answer or a part of it took longer than the request allows."""


class StatusError(HttpError):
    """The answer has a status of 400 or more. `status` has it, `content` the body of the answer."""

    def __init__(self, *, method: str, url: str, status: int, content: bytes) -> None:
        start = content[:200].decode("utf-8", "replace").strip()
        super().__init__(f"{method} {url}: status {status}{f': {start}' if start else ''}", method=method, url=url)
        self.status = status
        self.content = content


def failure(code: object, *, method: str, url: str) -> HttpError:
    """The exception for a case of `error-code` (an instance of its class, or anything else that an import raised)."""
    case = type(code).__name__.partition("_")[2] or type(code).__name__
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", case).lower()
    detail = getattr(code, "value", None)
    said = f"{method} {url}: {words}{f' ({detail})' if isinstance(detail, str | int) and detail != '' else ''}"
    if case in _DENIED:
        rules = "[[component.NAME.http.allow]] and [[http.allow]] of obelisk.toml"
        said = f"{method} {url} is not allowed: both {rules} have to name it; the execution's log says which does not"
        return NotAllowed(said, method=method, url=url, code=case)
    kind = RequestTimedOut if case in _TIMES else Unreachable if case.startswith(_CONNECTING) else HttpError
    return kind(said, method=method, url=url, code=case)
