"""The application factory: routes, refusals and headers put together over one `Api`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from obelisk.gateway import errors, responses
from obelisk.gateway.access import OPEN, Access
from obelisk.gateway.context import Gateway
from obelisk.gateway.errors import Refusal
from obelisk.gateway.gate import Gate
from obelisk.gateway.operations import Operation
from obelisk.gateway.routes import (
    bulk,
    components,
    documents,
    executions,
    following,
    functions,
    health,
    interventions,
    logs,
    metrics,
    replaying,
)
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.api import Api
from obelisk.runtime.errors import ObeliskError

logger = logging.getLogger("obelisk.gateway")

_COMPRESS_FROM: Final = 1024  # bytes
_COMPRESS_LEVEL: Final = 5
_COMPRESSED: Final = ("GET", "HEAD")

Handler: TypeAlias = Callable[[Request, Any], Response]


def create_app(api: Api, settings: GatewaySettings, access: Access = OPEN) -> Starlette:
    """The gateway over `api`. ``app.state.gateway`` is its `Gateway`: set its `stopping` to end all waits at once.

    Without `access` every request may do everything: that is for a caller that keeps strangers out itself.
    """
    gateway = Gateway(api=api, settings=settings, access=access)
    plane = endpoints(gateway)
    app = Starlette(
        # First what is asked for most; no other route has its paths.
        routes=[functions.submit_route(gateway), *(endpoint.route(settings) for endpoint in plane)],
        middleware=[
            Middleware(Gate, access=access, counts=gateway.requests),
            Middleware(Compression, minimum_size=_COMPRESS_FROM, compresslevel=_COMPRESS_LEVEL),
        ],
        exception_handlers=cast("Mapping[Any, Any]", _HANDLERS),
    )
    app.router.redirect_slashes = False
    app.state.gateway = gateway
    return app


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
        *health.endpoints(gateway),
        *metrics.endpoints(gateway),
    )
    operations: tuple[Operation, ...] = tuple(endpoint.operation for endpoint in plane)
    return (*plane, *documents.endpoints(gateway, operations))


class Compression(GZipMiddleware):
    """Compresses what is read. Answers to calls are small as a rule, and a large result may be read again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        inner: ASGIApp = super().__call__ if scope.get("method") in _COMPRESSED else self.app
        await inner(scope, receive, send)


# --- refusals -------------------------------------------------------------------------------------------------------
async def _refusal(_: Request, refusal: Refusal) -> Response:
    return responses.refused(refusal)


async def _runtime(request: Request, error: ObeliskError) -> Response:
    refusal = errors.refusal(error)
    if refusal.status >= 500:
        logger.error("%s %s: %s: %s", request.method, request.url.path, error.code, error.message)
    return responses.refused(refusal)


async def _framework(request: Request, error: HTTPException) -> Response:
    """What Starlette itself refuses: no such route."""
    if error.status_code == 404:
        return responses.refused(Refusal("route_not_found", f"no route {request.url.path}"))
    return responses.refused(Refusal("bad_request", error.detail))


async def _gone(_: Request, __: ClientDisconnect) -> Response:
    """The client left in the middle of its body; nobody hears this."""
    return responses.refused(Refusal("bad_request", "the body ended early"))


_HANDLERS = {
    Refusal: _refusal,
    ObeliskError: _runtime,
    HTTPException: _framework,
    ClientDisconnect: _gone,
}
