"""A small HTTP client for activities, over `wasi:http`: what a component may reach, its configuration says.

    from obelisk_guest import http

    answer = http.post("https://api.example.com/charges", json={"cents": 1200}, timeout=5)
    answer.raise_for_status()
    charge = answer.json()["id"]

There are no retries in it: an activity that raises is attempted again by the engine. Redirects are not followed.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from obelisk_guest.exchanges import Exchange
from obelisk_guest.http_errors import (
    HttpError,
    InvalidRequest,
    NotAllowed,
    RequestTimedOut,
    StatusError,
    Unreachable,
)

__all__ = [
    "Headers",
    "HttpError",
    "InvalidRequest",
    "NotAllowed",
    "RequestTimedOut",
    "Response",
    "StatusError",
    "Unreachable",
    "delete",
    "get",
    "head",
    "patch",
    "post",
    "put",
    "request",
]

_SAFE: Final = "/:@!$&'()*+,;=-._~%?"
"""What stays as it is in a path or a query: the rest is not allowed there and is quoted."""


class Headers(Mapping[str, str]):
    """Headers by name, in any case of letters; several of one name are joined with a comma."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        self.entries = tuple(entries)

    def __getitem__(self, name: str) -> str:
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self.entries))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.entries})

    def all(self, name: str) -> list[str]:
        """Every value of a name, in order."""
        wanted = name.lower()
        return [value for found, value in self.entries if found.lower() == wanted]

    def __repr__(self) -> str:
        return f"Headers({list(self.entries)!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer, read to its end; `method` and `url` are those of the request."""

    method: str
    url: str
    status: int
    headers: Headers
    content: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status <= 299

    @property
    def text(self) -> str:
        """The body as text: of the charset that its content type names, otherwise of UTF-8. LookupError, ValueError."""
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.strip().partition("=")
            if name.lower() == "charset":
                return self.content.decode(value.strip("\"' "))
        return self.content.decode("utf-8")

    def json(self) -> Any:
        """The body read as JSON. ValueError."""
        return _json.loads(self.content)

    def raise_for_status(self) -> Response:
        """The response itself; `StatusError` if its status is 400 or more."""
        if self.status >= 400:
            raise StatusError(method=self.method, url=self.url, status=self.status, content=self.content)
        return self


def request(
    method: str,
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | str | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """Send a request and read its answer, whatever its status.

    `json` is sent as JSON, or `content` as it is, text as UTF-8. `params` are added to the query. `timeout` bounds in
    seconds connecting, the wait for the first byte and that between bytes, each; the component's configuration bounds
    them too. `HttpError` when no answer comes: `InvalidRequest`, `NotAllowed`, `Unreachable`, `RequestTimedOut`.
    """
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    body = content.encode() if isinstance(content, str) else content
    if json is not None:
        if body is not None:
            raise ValueError("a request has either json or content")
        body = _json.dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        sent.setdefault("content-type", "application/json")
    scheme, authority, path = _target(method, url, params)
    if body is not None:
        sent.setdefault("content-length", str(len(body)))
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    exchange = Exchange(method=method.upper(), url=url, scheme=scheme, authority=authority, path=path)
    head = exchange.send([(name, value.encode("latin-1")) for name, value in sent.items()], body, (seconds,) * 3)
    received = Headers((name, value.decode("latin-1")) for name, value in head.headers)
    return Response(method=method.upper(), url=url, status=head.status, headers=received, content=b"".join(head.chunks))


def _target(method: str, url: str, params: Mapping[str, str] | None) -> tuple[str, str, str]:
    """Scheme, authority and path with query of a URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidRequest(f"{url}: {error}", method=method, url=url) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(f"{url}: a URL is https://HOST/…, or http://HOST/…", method=method, url=url)
    if "@" in parts.netloc:
        raise InvalidRequest(
            f"{parts.hostname}: a user in a URL is a header here: authorization", method=method, url=url
        )
    query = "&".join(part for part in (quote(parts.query, safe=_SAFE), urlencode(params or {})) if part)
    path = quote(parts.path, safe=_SAFE.replace("?", "")) or "/"
    return parts.scheme, parts.netloc, f"{path}?{query}" if query else path


def get(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("GET", url, params=params, headers=headers, timeout=timeout)


def head(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("HEAD", url, params=params, headers=headers, timeout=timeout)


def delete(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("DELETE", url, params=params, headers=headers, timeout=timeout)


def post(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | str | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("POST", url, params=params, headers=headers, json=json, content=content, timeout=timeout)


def put(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | str | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("PUT", url, params=params, headers=headers, json=json, content=content, timeout=timeout)


def patch(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    json: object = None,
    content: bytes | str | None = None,
    timeout: timedelta | float | None = None,
) -> Response:
    """As `request`."""
    return request("PATCH", url, params=params, headers=headers, json=json, content=content, timeout=timeout)
