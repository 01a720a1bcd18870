"""Connections that go only where the policies allow: the name is resolved here, every address is asked about, and the
connection is made to the very address that was allowed, so that no DNS server leads it elsewhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from obelisk.runtime.host.wasi.http.failures import connecting
from obelisk.runtime.host.wasi.http.messages import HttpFailed
from obelisk.runtime.host.wasi.http.policy import Address, Reach, allows_address
from obelisk.runtime.host.wasi.http.wire import Wire
from obelisk.runtime.ports.guest import JsonValue

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text; OSError (`socket.gaierror`) when it has none."""
_RESOLVERS: Final = 16
_MAX_ADDRESSES: Final = 16
"""So many of a host's addresses are tried."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go that share connections: to one host and port, and each allowed to `reaches` by the policies."""

    scheme: str
    host: str
    port: int
    reaches: tuple[Reach, ...]


@dataclass(slots=True)
class Phase:
    """What a connection waits for, as the code of the failure if that takes too long."""

    code: JsonValue = "connection_limit_reached"


@cache
def _resolvers() -> ThreadPoolExecutor:
    """Threads that wait for DNS servers, which strangers may run, and for nothing else."""
    return ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="obelisk-names")


async def resolve(host: str, port: int) -> list[str]:
    """By the operating system, on a thread."""

    def ask() -> list[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    return await asyncio.get_running_loop().run_in_executor(_resolvers(), ask)


class Connector:
    """Makes connections; see the module. `keys` are the names of the policies, for messages."""

    def __init__(self, keys: Sequence[str], resolve_: Resolve, tls: ssl.SSLContext | None) -> None:
        self._keys, self._resolve, self._tls = keys, resolve_, tls

    async def connect(self, origin: Origin, phase: Phase) -> Wire:
        """To the first allowed address of the origin that answers; HttpFailed."""
        phase.code = "DNS_timeout"
        addresses = await self.addresses(origin)
        phase.code = "connection_timeout"
        failure: OSError = ConnectionRefusedError("no address")
        for address in addresses:
            try:
                return await self._connected(address, origin)
            except ssl.SSLError as error:
                raise connecting(error, tls=True) from None
            except OSError as error:
                failure = error
        raise connecting(failure, tls=origin.scheme == "https") from None

    async def addresses(self, origin: Origin) -> list[str]:
        """Those of a host that a request may go to; HttpFailed when there are none."""
        try:
            found = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError) as error:
            name = socket.EAI_NONAME if isinstance(error, socket.gaierror) else None
            rcode = "NXDOMAIN" if name is not None and error.args[0] == name else "SERVFAIL"
            raise HttpFailed({"DNS_error": {"rcode": rcode, "info_code": None}}, str(error)) from None
        allowed = [text for text in found if allows_address(origin.reaches, _address(text))]
        if not allowed:
            keys = " and of ".join(self._keys)
            where = f"{origin.host} is at {', '.join(found[:_MAX_ADDRESSES]) or 'no address'}"
            advice = f"name it in `networks` of a rule of {keys} that allows the request"
            raise HttpFailed("destination_IP_prohibited", f"{where}: {advice}")
        return allowed[:_MAX_ADDRESSES]

    async def _connected(self, address: str, origin: Origin) -> Wire:
        loop = asyncio.get_running_loop()
        if origin.scheme != "https":
            _, wire = await loop.create_connection(lambda: Wire(loop), address, origin.port)
        else:
            _, wire = await loop.create_connection(
                lambda: Wire(loop), address, origin.port, ssl=self._context(), server_hostname=origin.host
            )
        return wire

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _address(text: str) -> Address:
    return ipaddress.ip_address(text)
