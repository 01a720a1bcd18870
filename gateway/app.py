"""The application factory: routes, refusals and headers put together over one `Api`."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from obelisk.gateway import errors, responses
from obelisk.gateway.context import Gateway
from obelisk.gateway.errors import Refusal
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
    replaying,
)
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.settings import GatewaySettings
from obelisk.runtime.api import Api
from obelisk.runtime.errors import ObeliskError

logger = logging.getLogger("obelisk.gateway")

Handler: TypeAlias = Callable[[Request, Any], Response]


def create_app(api: Api, settings: GatewaySettings) -> Starlette:
    """The gateway over `api`. ``app.state.gateway`` is its `Gateway`: set its `stopping` to end all waits at once."""
    gateway = Gateway(api=api, settings=settings)
    plane = endpoints(gateway)
    app = Starlette(
        # First what is asked for most; no other route has its paths.
        routes=[functions.submit_route(gateway), *(endpoint.route() for endpoint in plane)],
        middleware=[Middleware(Headers)],
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
    )
    operations: tuple[Operation, ...] = tuple(endpoint.operation for endpoint in plane)
    return (*plane, *documents.endpoints(gateway, operations))


class Headers:
    """Headers of every answer: no sniffing of types, and nothing kept by caches unless the answer says otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


# --- refusals -------------------------------------------------------------------------------------------------------
async def _refusal(_: Request, refusal: Refusal) -> Response:
    return responses.refused(refusal)


async def _runtime(request: Request, error: ObeliskError) -> Response:
    refusal = errors.refusal(error)
    if refusal.status >= 500:
        logger.error("%s %s: %s: %s", request.method, request.url.path, error.code, error.message)
    return responses.refused(refusal)


async def _framework(request: Request, error: HTTPException) -> Response:
    """What Starlette itself refuses: no such route, or no such method there."""
    if error.status_code == 404:
        return responses.refused(Refusal("route_not_found", f"no route {request.url.path}"))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        detail = f"{request.method} is not allowed here; allowed: {allowed}"
        return responses.refused(Refusal("method_not_allowed", detail, headers={"Allow": allowed}))
    return responses.refused(Refusal("bad_request", error.detail))


async def _gone(_: Request, __: ClientDisconnect) -> Response:
    """The client left in the middle of its body; nobody hears this."""
    return responses.refused(Refusal("bad_request", "the body ended early"))


async def _bug(request: Request, _: Exception) -> Response:
    """A bug. The client gets an id that is in the log beside the traceback (the server writes that)."""
    error_id = f"Err_{secrets.token_hex(8)}"
    logger.error("%s %s: internal error %s", request.method, request.url.path, error_id)
    return responses.refused(
        Refusal("internal", "the server failed; its log has the reason", members={"error_id": error_id})
    )


_HANDLERS = {
    Refusal: _refusal,
    ObeliskError: _runtime,
    HTTPException: _framework,
    ClientDisconnect: _gone,
    Exception: _bug,
}
