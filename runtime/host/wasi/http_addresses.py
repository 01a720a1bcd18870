"""Connections that go only where the policies allow: the name is resolved here, every address is asked about, and the
connection is made to the very address that was allowed. A pool over this backend cannot be led elsewhere by DNS."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias, cast

import httpcore

from obelisk.runtime.host.wasi.http_messages import HttpFailed
from obelisk.runtime.host.wasi.http_policy import Address, HttpPolicy, allows_address

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text; OSError (`socket.gaierror`) when it has none."""


async def resolve(host: str, port: int) -> list[str]:
    """By the operating system, on one of the loop's threads."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """See the module. `failures` of the policies come out as `HttpFailed`."""

    def __init__(self, policies: Sequence[HttpPolicy], resolve_: Resolve) -> None:
        self._policies, self._resolve = policies, resolve_
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
        allowed = [text for text in found if allows_address(self._policies, host, _address(text))]
        if not allowed:
            keys = " and of ".join(policy.key for policy in self._policies)
            where = f"{host} is at {', '.join(found) or 'no address'}"
            raise HttpFailed("destination_IP_prohibited", f"{where}: name it in `networks` of a rule of {keys}")
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


def _address(text: str) -> Address:
    return ipaddress.ip_address(text)
