"""Who may ask for what: tokens, names of hosts, origins of web pages.

Decided before a request is routed, from its headers alone. Without tokens a server is for programs of its own machine:
it listens on the loopback only, and answers only to names of the loopback, so that a web page cannot reach it through a
name of its own that resolves there (DNS rebinding). A page of another origin is refused unless that origin is allowed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from obelisk.gateway.auth.tokens import Scope, Token, Tokens
from obelisk.gateway.errors import Refusal
from obelisk.runtime.errors import ConfigError
from obelisk.runtime.wiring.config import ServerConfig

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z!$&'()*+,;=%._~-]*+)(?::[0-9]{0,5})?\Z")
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="obelisk"'}
_INVALID: Final = {"WWW-Authenticate": 'Bearer realm="obelisk", error="invalid_token"'}


class TokensRequired(ConfigError):
    """An address that other machines reach, and no tokens to keep them out."""

    code = "tokens_required"


def _no_tokens() -> Tokens:
    return Tokens()


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The rules of one server.

    `required`: without a token only what is public is answered. `hosts`: the names a request may be for, None for any.
    `origins`: those of web pages elsewhere that may ask, ``*`` for all. `max_in_flight` and `max_rate` as in `limits`.
    """

    required: bool = False
    tokens: Callable[[], Tokens] = _no_tokens
    hosts: frozenset[str] | None = None
    origins: frozenset[str] = field(default_factory=frozenset[str])
    max_in_flight: int = 1000
    max_rate: float = 0.0

    def identify(self, authorization: str | None, now_us: int) -> tuple[Scope, Token | None]:
        """What a request may do, and its token. Refusal ``unauthenticated`` for a token that is none."""
        if not self.required:
            return Scope.ADMIN, None
        if authorization is None:
            return Scope.PUBLIC, None
        kind, _, text = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise Refusal("unauthenticated", "expected a bearer token", headers=_CHALLENGE)
        token = self.tokens().holder(text.strip(), now_us)
        if token is None:
            raise Refusal("unauthenticated", "the token is unknown, revoked or expired", headers=_INVALID)
        return Scope[token.scope.upper()], token

    def check_host(self, host: str | None) -> None:
        """Refusal ``host_not_allowed`` for a name that is not this server's, ``bad_request`` for what is no name."""
        name = None if host is None else host_name(host)
        if host is not None and name is None:
            raise Refusal("bad_request", "header Host: expected HOST or HOST:PORT")
        if self.hosts is None:
            return
        if name not in self.hosts:
            detail = "the Host header has none of this server's names; [server] hosts of its configuration adds one"
            raise Refusal("host_not_allowed", detail)

    def foreign_origin(self, origin: str, host: str | None) -> bool:
        """Whether a page of that origin is not this server's own. Refusal ``origin_not_allowed`` if it may not ask."""
        own = ("http://", "https://") if host else ()
        if origin.lower() in (f"{scheme}{host}".lower() for scheme in own):
            return False
        if origin.lower() not in self.origins and "*" not in self.origins:
            detail = "pages of this origin may not ask this server; [server] cors_origins of its configuration adds one"
            raise Refusal("origin_not_allowed", detail)
        return True


OPEN: Final = Access()
"""Everybody may do everything."""


def require(held: Scope, needed: Scope) -> None:
    """Refusal ``unauthenticated`` without a token, ``scope_insufficient`` with one that does not allow it."""
    if held.allows(needed):
        return
    if held is Scope.PUBLIC:
        raise Refusal("unauthenticated", "a bearer token is needed", headers=_CHALLENGE)
    raise Refusal(
        "scope_insufficient",
        f"this needs a token of scope {needed.word}",
        members={"scope": held.word, "needed": needed.word},
        headers={
            "WWW-Authenticate": f'Bearer realm="obelisk", error="insufficient_scope", scope="{needed.word}"',
        },
    )


def access_of(server: ServerConfig, host: str, *, tokens: Callable[[], Tokens]) -> Access:
    """The rules of a server that listens on `host`, with the tokens there are. TokensRequired."""
    required = server.auth == "required" or bool(tokens().items)
    loopback = is_loopback(host)
    if not required and not loopback:
        raise TokensRequired(
            f"other machines reach {host}, and there are no tokens to keep them out: make one, "
            'or set server.auth = "required"',
            key="server.listen",
        )
    named = frozenset(name.lower() for name in server.hosts)
    own = frozenset({f"[{host}]" if ":" in host else host.lower()})
    return Access(
        required=required,
        tokens=tokens,
        hosts=named | own | _LOOPBACK_NAMES if named or loopback else None,
        origins=frozenset(origin.lower().rstrip("/") for origin in server.cors_origins),
        max_in_flight=server.max_in_flight,
        max_rate=server.max_rate,
    )


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def among(networks: Sequence[str]) -> Callable[[str], bool]:
    """Whether an address is one of `networks`, or in one."""
    known = [ipaddress.ip_network(network) for network in networks]

    def is_among(name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return any(address in network for network in known if network.version == address.version)

    return is_among


@lru_cache(maxsize=256)
def host_name(host: str) -> str | None:
    """The name or address in a Host header, without its port, in lower case; None for what is none as a whole.

    Kept, as nearly all requests have one of a few.
    """
    found = _HOST.match(host)
    return None if found is None else found[1].lower()
