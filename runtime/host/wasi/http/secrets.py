"""Secrets of guests: a guest holds a placeholder, the host puts the value in its place in requests that may carry it.

The value goes to the hosts that it is for and only where it may stand. An answer that repeats it is given to the guest
with the placeholder instead (`scrubbing`).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, unquote_plus

from obelisk.runtime.host.wasi.http.messages import Request
from obelisk.runtime.host.wasi.http.policy import Target, names

_ENCODING: Final = "accept-encoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """`key` is where it is configured, for messages; hosts, schemes and places as in `access.SecretSource`."""

    key: str
    placeholder: bytes
    value: bytes = field(repr=False)
    hosts: tuple[str, ...]
    schemes: tuple[str, ...]
    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    body: bool = False

    def goes_to(self, target: Target) -> bool:
        """Whether a request may carry it."""
        return target.scheme in self.schemes and any(names(host, target.host) for host in self.hosts)

    def in_text(self, text: bytes) -> bytes:
        """Text with the value in the placeholder's place."""
        return text.replace(self.placeholder, self.value)

    def in_header(self, value: bytes) -> bytes:
        """The same for a header, also within the credentials of basic authentication."""
        scheme, _, credentials = value.partition(b" ")
        if scheme.lower() != b"basic":
            return self.in_text(value)
        try:
            plain = base64.b64decode(credentials, validate=True)
        except binascii.Error:
            return value
        return scheme + b" " + base64.b64encode(self.in_text(plain)) if self.placeholder in plain else value

    def in_query(self, query: str) -> str:
        """The same for a query, in the parameters that may have it."""
        return "&".join(
            f"{name}{equals}{self._quoted(value)}" if unquote_plus(name) in self.query else f"{name}{equals}{value}"
            for name, equals, value in (part.partition("=") for part in query.split("&"))
        )

    def _quoted(self, value: str) -> str:
        return value.replace(self.placeholder.decode(), quote(self.value, safe=""))


def filled(request: Request, secrets: Sequence[Secret]) -> Request:
    """A request with the values of `secrets`, which all go to its target, wherever they may stand but in its body."""
    for secret in secrets:
        path, mark, query = request.path.partition("?")
        request = replace(
            request,
            path=f"{path}{mark}{secret.in_query(query)}" if secret.query else request.path,
            headers=tuple(
                (name, secret.in_header(value) if name.lower() in secret.headers else value)
                for name, value in request.headers
            ),
        )
    return request


def readable(request: Request, with_values: Request, secrets: Sequence[Secret]) -> Request:
    """`with_values`, and where a value was put into it, or may be put into its body, asking for an answer as it is: in
    a compressed one the values could not be found."""
    in_body = request.body is not None and any(secret.body for secret in secrets)
    if with_values == request and not in_body:
        return with_values
    headers = [entry for entry in with_values.headers if entry[0].lower() != _ENCODING]
    return replace(with_values, headers=(*headers, (_ENCODING, b"identity")))


def misplaced(request: Request, secrets: Sequence[Secret]) -> Secret | None:
    """A secret whose placeholder stands in a request where its value does not go, if there is one."""
    text = request.path.encode() + b"\n".join(value for _, value in request.headers)
    return next((secret for secret in secrets if secret.placeholder in text), None)
