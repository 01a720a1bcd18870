"""Which HTTP requests a guest may make. Denied by default; a policy is a list of rules, any of which may allow. Pure.

Two questions are asked. `allows` looks at the request: scheme, host, port, method, path. `allows_address` looks at the
address that the host turned out to have: what is not on the public Internet is reached only when a rule that allows
the request names it (`reaches`), so that no name, redirect or odd spelling of an address leads into the network that
the server stands in, and no rule lends its addresses to what only another allows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from obelisk.runtime.patterns import Pattern

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Reach: TypeAlias = frozenset[Network]
"""The private addresses that the rules of one policy let a request go to."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_EVASIVE: Final = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)|%2f|%5c|\\|%00", re.IGNORECASE)
"""Paths that a server may read as another path than a pattern does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request asks for: `host` in lower case without brackets, `path` from its slash, without the query."""

    method: str
    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.method} {self.scheme}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one rule allows; an empty tuple is no restriction.

    `host` is a name, an address, ``*.example.com`` for every name below it, or ``*``. `ports` empty means the scheme's
    own. `path` must match as a whole. `networks` are the private addresses that this rule may reach; a `host` that is
    an address names itself. `trace`: the requests carry the context of the execution's trace.
    """

    host: str
    schemes: tuple[str, ...] = ("https",)
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    path: Pattern | None = None
    networks: tuple[Network, ...] = ()
    trace: bool = False

    def allows(self, target: Target) -> bool:
        """Whether the rule allows the request, wherever its host is."""
        if not names(self.host, target.host) or (self.schemes and target.scheme not in self.schemes):
            return False
        if target.port not in (self.ports or (DEFAULT_PORTS.get(target.scheme),)):
            return False
        if self.methods and target.method not in self.methods:
            return False
        return self.path is None or (not _EVASIVE.search(target.path) and self.path.matches(target.path))

    def reach(self) -> Reach:
        """The private addresses that the rule names."""
        try:
            return frozenset((*self.networks, ipaddress.ip_network(self.host)))
        except ValueError:  # the host is a name
            return frozenset(self.networks)


def names(pattern: str, host: str) -> bool:
    """Whether a rule's `host` means a host."""
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) >= len(pattern)
    return host == pattern


@dataclass(frozen=True, slots=True)
class HttpPolicy:
    """Rules of one origin, of a component or of the server; `key` is where they stand, for messages."""

    rules: tuple[Rule, ...] = ()
    key: str = "policy"

    def allows(self, target: Target) -> bool:
        """Whether a rule allows the request."""
        return any(rule.allows(target) for rule in self.rules)

    def traces(self, target: Target) -> bool:
        """Whether a rule that allows the request lets it carry the context of a trace."""
        return any(rule.trace and rule.allows(target) for rule in self.rules)

    def reach(self, target: Target) -> Reach:
        """The private addresses that the rules which allow the request name."""
        return frozenset(network for rule in self.rules if rule.allows(target) for network in rule.reach())


def allows(policies: Sequence[HttpPolicy], target: Target) -> bool:
    """Whether every policy allows the request, and there is one."""
    return bool(policies) and not refusing(policies, target)


def traces(policies: Sequence[HttpPolicy], target: Target) -> bool:
    """Whether every policy lets the request carry the context of a trace, and there is one."""
    return bool(policies) and all(policy.traces(target) for policy in policies)


def refusing(policies: Sequence[HttpPolicy], target: Target) -> tuple[str, ...]:
    """The keys of the policies that do not allow the request."""
    return tuple(policy.key for policy in policies if not policy.allows(target))


def reaches(policies: Sequence[HttpPolicy], target: Target) -> tuple[Reach, ...]:
    """What each policy lets the request reach, for `allows_address`."""
    return tuple(policy.reach(target) for policy in policies)


def allows_address(reaches: Sequence[Reach], address: Address) -> bool:
    """Whether every policy lets the request reach the address, and there is one."""
    plain = plain_address(address)
    return bool(reaches) and (
        is_public(plain)
        or all(any(net.version == plain.version and plain in net for net in reach) for reach in reaches)
    )


def plain_address(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for (mapped, 6to4, NAT64), else the address itself, without zone."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner if inner is not None else ipaddress.IPv6Address(int(address))


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet: not private, local, shared, reserved or multicast."""
    if address.is_multicast or address.is_reserved or not address.is_global:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return True
    return address in _GLOBAL_UNICAST and address.teredo is None
