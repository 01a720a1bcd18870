"""Connections that go only where the policies allow: the name is resolved here, every address is asked about, and the
connection is made to the very address that was allowed. A pool over this backend cannot be led elsewhere by DNS.

Where a connection may go depends on the request, not on its host alone. So a connection in the pool serves only those
requests that may reach the same addresses as the one that it was made for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias, cast

import httpcore

from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.http.policy import Address, Reach, allows_address

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text; OSError (`socket.gaierror`) when it has none."""
_IDLE_S: Final = 15.0


async def resolve(host: str, port: int) -> list[str]:
    """By the operating system, on one of the loop's threads."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """See the module. `failures` of the policies come out as `HttpFailed`."""

    def __init__(self, reaches: Sequence[Reach], keys: Sequence[str], resolve_: Resolve) -> None:
        """For requests that each policy lets reach so much; `keys` are the policies' names, for messages."""
        self._reaches, self._keys, self._resolve = reaches, keys, resolve_
        # Typed as what stands in for it where anyio is missing; it is installed here.
        self._inner = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first allowed address that answers."""
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(await self._addresses(host, port), port, local_address, socket_options)
        except TimeoutError:
            raise HttpFailed("connection_timeout") from None

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            name = socket.EAI_NONAME if isinstance(error, socket.gaierror) else None
            rcode = "NXDOMAIN" if name is not None and error.errno == name else "SERVFAIL"
            raise HttpFailed({"DNS_error": {"rcode": rcode, "info_code": None}}, str(error)) from None
        allowed = [text for text in found if allows_address(self._reaches, _address(text))]
        if not allowed:
            keys = " and of ".join(self._keys)
            where = f"{host} is at {', '.join(found) or 'no address'}"
            advice = f"name it in `networks` of a rule of {keys} that allows the request"
            raise HttpFailed("destination_IP_prohibited", f"{where}: {advice}")
        return allowed

    async def _connect(
        self, addresses: list[str], port: int, local_address: str | None, options: Iterable[Any] | None
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, local_address=local_address, socket_options=options)
            except httpcore.ConnectError as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Never: guests name hosts."""
        raise HttpFailed("destination_IP_prohibited", path)

    async def sleep(self, seconds: float) -> None:
        """Between tries to connect."""
        await asyncio.sleep(seconds)


class _Origin(httpcore.Origin):
    """Where requests go that may reach the same addresses."""

    def __init__(self, origin: httpcore.Origin, reaches: Sequence[Reach]) -> None:
        super().__init__(origin.scheme, origin.host, origin.port)
        self.reaches = reaches

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, _Origin) and self.reaches == other.reaches

    __hash__ = None  # type: ignore[assignment]


class JudgedUrl(httpcore.URL):
    """The URL of a request, with what each policy lets that request reach."""

    def __init__(self, scheme: str, host: str, port: int, target: bytes, reaches: Sequence[Reach]) -> None:
        super().__init__(scheme=scheme.encode(), host=host.encode(), port=port, target=target)
        self._reaches = reaches

    @property
    def origin(self) -> httpcore.Origin:
        """See `httpcore.URL`."""
        return _Origin(super().origin, self._reaches)


class GuardedPool(httpcore.AsyncConnectionPool):
    """Connections for requests to a `JudgedUrl`; see the module."""

    def __init__(
        self, keys: Sequence[str], resolve_: Resolve, *, connections: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """At most so many `connections` at once. `keys`: see `GuardedBackend`."""
        self._keys, self._resolve, self._tls = keys, resolve_, tls
        super().__init__(ssl_context=tls, max_connections=connections, keepalive_expiry=_IDLE_S)

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """See `httpcore.AsyncConnectionPool`; to an origin without a verdict nothing private is reached."""
        reaches = origin.reaches if isinstance(origin, _Origin) else tuple(frozenset[Any]() for _ in self._keys)
        backend = GuardedBackend(reaches, self._keys, self._resolve)
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, keepalive_expiry=_IDLE_S, network_backend=backend
        )


def _address(text: str) -> Address:
    return ipaddress.ip_address(text)
