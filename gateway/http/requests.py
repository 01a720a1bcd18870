"""What a request says: its body as strict JSON, `Prefer`, `Idempotency-Key`, `Obelisk-Tags`. All else is refused.

A body is refused by its size before it is read: by `Content-Length`, or while it arrives.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import ClientDisconnect

from obelisk.gateway.errors import Refusal, located
from obelisk.gateway.http import strict_json
from obelisk.gateway.http.incoming import Incoming, within
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime import tags

DRAIN_BYTES: Final = 8 << 20
DRAIN_S: Final = 2.0
LONG_BYTES: Final = 64 << 10
"""A longer body is parsed on a thread."""

# What strangers send is matched possessively: every text is looked at once, however it is refused.
_JSON = re.compile(r'application/json(?:\s*+;\s*+charset\s*+=\s*+"?utf-8"?)?+\s*+\Z', re.IGNORECASE)
_BYTES = re.compile(r"application/(?:octet-stream|wasm)\Z", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_KEY = re.compile(r"[!-~]{1,255}\Z")
_QUOTED: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_ELEMENT = re.compile(rf'(?:{_QUOTED}?|[^",]++)++', re.DOTALL)
"""An element of a list; a quote that is never closed goes on to the end."""
_PREFERENCE = re.compile(
    rf"\s*+([!#$%&'*+.^_`|~0-9A-Za-z-]++)\s*+(?:=\s*+({_QUOTED}|[^\s;,\"]*+)\s*+)?+(?:;.*)?\Z", re.DOTALL
)
_SECONDS = re.compile(r"[0-9]+\Z")


def is_json(media_type: str) -> bool:
    """Whether a content type is JSON's, in UTF-8."""
    return _JSON.match(media_type.strip()) is not None


def has_body(request: Incoming) -> bool:
    """Whether the request brings a body that is not empty, as far as its headers tell."""
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


async def no_body(request: Incoming, settings: GatewaySettings) -> None:
    """Refusal ``body_invalid`` when the request brings a body that is not empty."""
    if not has_body(request):
        return
    try:
        if await _read(request, 0, settings.body_timeout_s) is None:
            raise Refusal("body_invalid", "no body is taken here", headers={"Connection": "close"})
    except Refusal as refusal:
        await _hear_out(request, refusal)
        raise


async def json_body(request: Incoming, settings: GatewaySettings) -> object:
    """The body as JSON. Refusal: as `bytes_body`, and body_invalid with every place."""
    content = await _body(request, _JSON, "application/json", settings.max_body_bytes, settings.body_timeout_s)
    try:
        if len(content) <= LONG_BYTES:
            return strict_json.decode(content)
        return await asyncio.to_thread(strict_json.decode, content)
    except strict_json.JsonRefused as refused:
        problems = refused.problems
        raise Refusal("body_invalid", str(refused.problems[0]), members={"errors": located(problems)}) from None


async def bytes_body(request: Incoming, settings: GatewaySettings) -> bytes:
    """A component's body as it is. Refusal: media_type_unsupported, body_too_large, request_timeout."""
    limit, within_s = settings.max_component_bytes, settings.body_timeout_s
    return await _body(request, _BYTES, "application/octet-stream", limit, within_s)


async def _hear_out(request: Incoming, refusal: Refusal) -> None:
    """Before a refusal goes on its way: read what is left of the body, within bounds. A client that still sends would
    not get to read the answer otherwise. One that waits for ``100 Continue`` has sent nothing.
    """
    if refusal.code == "request_timeout" or request.headers.get("expect", "").lower() == "100-continue":
        return
    size = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last: it was read whole
        async with asyncio.timeout(DRAIN_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > DRAIN_BYTES:
                    break


async def _body(request: Incoming, pattern: re.Pattern[str], expected: str, limit: int, within_s: float) -> bytes:
    """The body, of a type that matches `pattern`; before a refusal goes on its way it is heard out."""
    try:
        _check_type(request, pattern, expected)
        length = request.headers.get("content-length", "")
        too_large = _LENGTH.match(length) and int(length) > limit
        content = None if too_large else await _read(request, limit, within_s)
        if content is None:
            raise _too_large(limit)
    except Refusal as refusal:
        await _hear_out(request, refusal)
        raise
    return content


async def _read(request: Incoming, limit: int, within_s: float) -> bytes | None:
    """The body, None when it is larger than `limit`. Refusal ``request_timeout`` when it is not whole by then."""
    try:
        return await within(within_s, _whole(request, limit))
    except TimeoutError:
        raise Refusal(
            "request_timeout", f"the body took longer than {within_s:g} s", headers={"Connection": "close"}
        ) from None


async def _whole(request: Incoming, limit: int) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _check_type(request: Incoming, pattern: re.Pattern[str], expected: str) -> None:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.strip().lower() != "identity":
        raise Refusal(
            "media_type_unsupported",
            f"content encoding {encoding} is not supported; send the body as it is",
            headers={"Accept-Encoding": "identity", "Connection": "close"},
        )
    media_type = request.headers.get("content-type", "")
    if media_type != expected and pattern.match(media_type.strip()) is None:
        raise Refusal(
            "media_type_unsupported",
            f"expected content type {expected}, found {media_type or 'none'}",
            headers={"Accept-Post": expected, "Connection": "close"},
        )


def _too_large(limit: int) -> Refusal:
    return Refusal(
        "body_too_large",
        f"the body is larger than {limit} bytes",
        members={"max_body_bytes": limit},
        headers={"Connection": "close"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How long to wait for a result, and what of the client's wish was followed (``Preference-Applied``), or ``""``."""

    wait_s: float
    applied: str


def preference(headers: Sequence[str], settings: GatewaySettings) -> Preference:
    """Read of `Prefer` (RFC 7240) the first ``wait`` and ``respond-async``; what is not understood is passed over.

    ``wait=N`` waits up to N seconds, at most the cap of the settings; ``respond-async`` alone does not wait.
    """
    if not headers:
        return Preference(wait_s=settings.default_wait_s, applied="")
    wishes = preferences(headers)
    wait = wishes.get("wait", "")
    if _SECONDS.match(wait) and wait.isascii():
        seconds = min(int(wait) if len(wait) <= 9 else 10**9, settings.max_wait_s)
        return Preference(wait_s=seconds, applied=f"wait={seconds:g}")
    if "respond-async" in wishes:
        return Preference(wait_s=0, applied="respond-async")
    return Preference(wait_s=settings.default_wait_s, applied="")


def preferences(headers: Sequence[str]) -> dict[str, str]:
    """The preferences of all `Prefer` headers by name, of one given twice the first; what has no form is left out."""
    wishes: dict[str, str] = {}
    for part in _split(",".join(headers)):
        match = _PREFERENCE.match(part)
        if match is not None:
            wishes.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    return wishes


def _split(text: str) -> Sequence[str]:
    """The elements of a list header; commas inside quotes do not separate."""
    return _ELEMENT.findall(text)


def idempotency_key(headers: Sequence[str]) -> str | None:
    """The `Idempotency-Key`, or None. Refusal ``parameter_invalid`` for one that is given twice or not of its form."""
    if not headers:
        return None
    if len(headers) > 1 or _KEY.match(headers[0]) is None:
        raise Refusal("parameter_invalid", "header Idempotency-Key: expected once, 1 to 255 visible ASCII characters")
    return headers[0]


def tags_of(headers: Sequence[str]) -> tuple[str, ...]:
    """The `Obelisk-Tags`, of one header or of several. Refusal ``parameter_invalid`` for what is not of the form."""
    if not headers:
        return ()
    found = tags.parse(",".join(headers))
    if found is None:
        raise Refusal("parameter_invalid", f"header Obelisk-Tags: expected {tags.EXPECTED}")
    return found
