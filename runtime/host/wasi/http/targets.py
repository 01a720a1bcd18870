"""From a guest's words to what is asked for: authority, scheme and path are checked here, before any rule sees them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from obelisk.runtime.host.wasi.http.messages import HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import DEFAULT_PORTS, Target

_AUTHORITY: Final = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,255}))(?::([0-9]{1,5}))?\Z", re.IGNORECASE)
_PATH: Final = re.compile(r"(?:[/?][!-\"$-~]*)?\Z")
_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}\Z")
_MAX_PATH: Final = 16 * 1024
_MAX_PORT: Final = 65_535
_MAX_LABEL: Final = 63
"""Characters of each part of a host's name (RFC 1035)."""


def target_of(request: Request) -> Target:
    """What a request asks for; HttpFailed names the part that is malformed."""
    if _METHOD.match(request.method) is None or request.method.upper() == "CONNECT":
        raise HttpFailed("HTTP_request_method_invalid", request.method)
    if request.scheme not in DEFAULT_PORTS:
        raise HttpFailed("HTTP_protocol_error", f"scheme {request.scheme}")
    host, port = split_authority(request.authority)
    if len(request.path) > _MAX_PATH:
        raise HttpFailed("HTTP_request_URI_too_long")
    if _PATH.match(request.path) is None:
        raise HttpFailed("HTTP_request_URI_invalid", request.path)
    path = request.path.partition("?")[0] or "/"
    return Target(
        method=request.method,
        scheme=request.scheme,
        host=host,
        port=DEFAULT_PORTS[request.scheme] if port is None else port,
        path=path,
    )


def split_authority(authority: str) -> tuple[str, int | None]:
    """Host, in lower case without brackets or final dot, and port; HttpFailed. There are no credentials in it."""
    match = _AUTHORITY.match(authority)
    if match is None:
        raise HttpFailed("HTTP_request_URI_invalid", f"authority {authority!r}")
    port = None if match[3] is None else int(match[3])
    if port is not None and not 0 < port <= _MAX_PORT:
        raise HttpFailed("HTTP_request_URI_invalid", f"port {port}")
    if match[1] is not None:
        try:
            return str(ipaddress.IPv6Address(match[1])), port
        except ValueError:
            raise HttpFailed("HTTP_request_URI_invalid", f"authority {authority!r}") from None
    host = match[2].lower().removesuffix(".")
    if not all(0 < len(label) <= _MAX_LABEL for label in host.split(".")):
        raise HttpFailed(
            "HTTP_request_URI_invalid", f"authority {authority!r}: a name is of 1 to {_MAX_LABEL} characters"
        )
    return host, port


def host_header(target: Target) -> str:
    """The `host` of a request: that of the target which was judged, whatever else the guest said."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == DEFAULT_PORTS[target.scheme] else f"{host}:{target.port}"
