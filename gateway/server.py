"""Serving an application on a socket, inside an event loop that others use too.

The socket is bound first and apart, so that a busy port is told before anything else is opened. Signals are the
caller's business: `Server.stop` ends all waits with 202, lets requests under way finish, and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.applications import Starlette

from obelisk.gateway.context import Gateway
from obelisk.gateway.http.protocol import Protocol
from obelisk.runtime.errors import ConfigError

_GRACE_S: Final = 10
_BACKLOG: Final = 2048
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class PortBusy(ConfigError):
    """Another process listens there."""

    code = "port_busy"


class AddressUnusable(ConfigError):
    """This machine has no such address, or may not use the port."""

    code = "address_unusable"


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one. PortBusy, AddressUnusable."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    # The protocol is named because asyncio turns off Nagle's algorithm only for sockets that say they are TCP: without
    # it every answer on a kept connection is 40 ms late.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(f"{address} is in use by another program", key="server.listen") from None
        raise AddressUnusable(f"cannot listen on {address}: {error.strerror}", key="server.listen") from None
    bound.setblocking(False)
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a bound socket as an ``http`` URL; one that stands for all interfaces is shown as the loopback."""
    address: tuple[str, int] = bound.getsockname()[:2]
    host, port = address
    host = _LOOPBACK.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """A server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Nothing is captured."""
        yield


class Server:
    """One application on one socket."""

    def __init__(self, app: Starlette, bound: socket.socket) -> None:
        gateway: Gateway = app.state.gateway
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            http=cast(
                "type[asyncio.Protocol]",  # what is called as one
                partial(Protocol, connections=gateway.connections, body_timeout_s=gateway.settings.body_timeout_s),
            ),
            ws="none",
            # What a client says of where it comes from is believed of proxies that the operator names, of no other.
            proxy_headers=bool(gateway.settings.trusted_proxies),
            forwarded_allow_ips=list(gateway.settings.trusted_proxies),
            timeout_graceful_shutdown=_GRACE_S,
        )
        self._app = app
        self._bound = bound
        self._server = _Uvicorn(config)

    async def serve(self) -> None:
        """Answer requests until `stop`."""
        await self._server.serve(sockets=[self._bound])

    async def started(self) -> None:
        """Wait until requests are answered."""
        while not self._server.started:
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        """Take no more requests and finish those under way. A second call finishes at once."""
        stopping: asyncio.Event = self._app.state.gateway.stopping
        self._server.force_exit = stopping.is_set()
        stopping.set()
        self._server.should_exit = True
