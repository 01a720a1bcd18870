"""The application factory: routes, refusals and headers put together over one `Api`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from obelisk.gateway.auth.access import OPEN, Access
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.compressed import takes_gzip
from obelisk.gateway.document.operations import Operation
from obelisk.gateway.http.gate import Gate
from obelisk.gateway.http.refusing import REFUSED, refused
from obelisk.gateway.http.wide_integers import WideIntegers
from obelisk.gateway.routes import (
    bulk,
    components,
    documents,
    executions,
    following,
    functions,
    health,
    interface,
    interventions,
    logs,
    metrics,
    overview,
    replaying,
    workers,
)
from obelisk.gateway.routes.endpoint import Endpoint, routes
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.usecases.api import Api

_COMPRESS_FROM: Final = 1024  # bytes
_COMPRESS_LEVEL: Final = 5
_COMPRESSED: Final = ("GET", "HEAD")


def create_app(api: Api, settings: GatewaySettings, access: Access = OPEN) -> Starlette:
    """The gateway over `api`. ``app.state.gateway`` is its `Gateway`: set its `stopping` to end all waits at once.

    Without `access` every request may do everything: that is for a caller that keeps strangers out itself.
    """
    gateway = Gateway(api=api, settings=settings, access=access)
    plane = endpoints(gateway)
    app = Application(
        gateway,
        routes=routes(plane, settings),
        exception_handlers=cast("Mapping[Any, Any]", dict.fromkeys(REFUSED, _refused)),
    )
    app.router.redirect_slashes = False
    app.state.gateway = gateway
    return app


class Application(Starlette):
    """Starlette's router for all but calls and exchanges, and the gate before them. Starlette's own answer to a bug is
    left out: the gate has one."""

    def __init__(self, gateway: Gateway, **parts: Any) -> None:
        super().__init__(**parts)
        self._gateway = gateway

    def build_middleware_stack(self) -> ASGIApp:
        """See Starlette."""
        plane = ExceptionMiddleware(self.router, handlers=self.exception_handlers)
        values = WideIntegers(plane)

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            shows_values = scope["path"].startswith((executions.PREFIX, workers.PREFIX))
            await (values if shows_values else plane)(scope, receive, send)

        rest = Compression(routed, minimum_size=_COMPRESS_FROM, compresslevel=_COMPRESS_LEVEL)
        calls = WideIntegers(functions.Calls(self._gateway))
        exchange = workers.Exchanges(self._gateway)
        exchanges = WideIntegers(exchange)

        async def lane(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"].startswith(functions.CALLS):
                await calls(scope, receive, send)
            else:
                await (exchanges if exchange.takes(scope) else rest)(scope, receive, send)

        return Gate(lane, self._gateway.access, self._gateway.requests, self._gateway.durations)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """Every route there is, except for those of the functions; of those that overlap the longer path first."""
    plane = (
        *functions.endpoints(gateway),
        *bulk.endpoints(gateway),
        *interventions.endpoints(gateway),
        *replaying.endpoints(gateway),
        *following.endpoints(gateway),
        *logs.endpoints(gateway),
        *executions.endpoints(gateway),
        *components.endpoints(gateway),
        *workers.endpoints(gateway),
        *health.endpoints(gateway),
        *overview.endpoints(gateway),
        *metrics.endpoints(gateway),
        *interface.endpoints(),
    )
    operations: tuple[Operation, ...] = tuple(endpoint.operation for endpoint in plane)
    return (*plane, *documents.endpoints(gateway, operations))


class Compression(GZipMiddleware):
    """Compresses what is read. Answers to calls are small as a rule, and a large result may be read again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        accepted = dict(scope["headers"]).get(b"accept-encoding", b"").decode("latin-1")
        refused = "gzip" in accepted.lower() and not takes_gzip(accepted)  # Starlette takes any mention for a wish
        inner: ASGIApp = super().__call__ if scope["method"] in _COMPRESSED and not refused else self.app
        await inner(scope, receive, send)


async def _refused(request: Request, error: Any) -> Response:
    return refused(error, request.method, request.url.path)
