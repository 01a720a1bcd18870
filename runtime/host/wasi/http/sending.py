"""A request as bytes: its head, with the framing that its body asks for, and the body as its guest writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from obelisk.runtime.host.wasi.http.fields import is_value
from obelisk.runtime.host.wasi.http.flows import Outflow
from obelisk.runtime.host.wasi.http.messages import HttpFailed, Request
from obelisk.runtime.host.wasi.http.policy import Target
from obelisk.runtime.host.wasi.http.secrets import Secret
from obelisk.runtime.host.wasi.http.targets import host_header

WITH_SECRETS: Final = 1 << 20
"""The largest body in bytes that secrets are filled into."""
_BODYLESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE"})
_LENGTH: Final = "content-length"


class Sent(NamedTuple):
    """A request to be sent: its head with what is known of its body, and whether the rest comes in chunks; None when
    nothing more comes, or nothing in chunks."""

    first: bytes
    flow: Outflow | None = None
    is_chunked: bool = False


async def prepared(request: Request, target: Target, secrets: Sequence[Secret]) -> Sent:
    """The request; waits for the begin of its body, or for all of it where secrets go in. StreamEnd, HttpFailed.

    `secrets` that may stand in bodies are filled into this one.
    """
    flow, declared = request.body, _declared(request)
    if flow is None:
        if declared:
            raise HttpFailed({"HTTP_request_body_size": 0}, f"a content-length of {declared} and no body")
        return Sent(_head(request, target, declared))
    whole = await _whole_body(flow, [secret for secret in secrets if secret.body])
    if whole is not None:
        length = len(whole) if whole or request.method not in _BODYLESS else declared
        return Sent(_head(request, target, length) + whole)
    if flow.declared is not None:
        return Sent(_head(request, target, flow.declared), flow)
    return Sent(_head(request, target, None, chunked=True), flow, is_chunked=True)


async def rest(sent: Sent) -> AsyncIterator[bytes]:
    """What follows `first`; StreamEnd when the guest gives the body up."""
    if sent.flow is None:
        return
    async for part in sent.flow.chunks():
        yield b"%x\r\n%s\r\n" % (len(part), part) if sent.is_chunked else part
    if sent.is_chunked:
        yield b"0\r\n\r\n"


def _declared(request: Request) -> int | None:
    """The length in the headers, which were checked when the body was made; HttpFailed where there was none."""
    values = {value for name, value in request.headers if name.lower() == _LENGTH}
    if not values:
        return None
    (value,) = values if len(values) == 1 else (b"",)
    if not value.isdigit() or len(value) > 18:
        raise HttpFailed("HTTP_protocol_error", "the request's content-length is no number")
    return int(value)


def _head(request: Request, target: Target, length: int | None, *, chunked: bool = False) -> bytes:
    path = request.path if request.path.startswith("/") else f"/{request.path}"
    headers = [("host", host_header(target).encode())]
    headers += (entry for entry in request.headers if entry[0].lower() != _LENGTH)
    if chunked:
        headers.append(("transfer-encoding", b"chunked"))
    elif length is not None:
        headers.append((_LENGTH, b"%d" % length))
    if not all(is_value(value) for _, value in headers):
        raise HttpFailed("configuration_error", "a header's value has characters that no header may have")
    lines = (b"%s: %s\r\n" % (name.encode(), value) for name, value in headers)
    return b"".join((f"{request.method} {path} HTTP/1.1\r\n".encode(), *lines, b"\r\n"))


async def _whole_body(flow: Outflow, secrets: Sequence[Secret]) -> bytes | None:
    """A body that is whole at once, else None to send it as it comes; with `secrets` to fill in, always whole."""
    whole = await flow.first()
    if not secrets:
        return whole
    data = bytearray(whole or b"")
    if whole is None:
        async for part in flow.chunks():
            data += part
            if len(data) > WITH_SECRETS:
                raise HttpFailed({"HTTP_request_body_size": len(data)}, "a body with a secret must fit into memory")
    text = bytes(data)
    for secret in secrets:
        text = secret.in_text(text)
    return text
