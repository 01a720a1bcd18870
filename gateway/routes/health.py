"""``/livez``: the process answers. ``/readyz``: it can take work, that is, the store reads and writes, all components
are prepared and nothing is stopping. ``/v1/info``: what runs."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from importlib import metadata

from starlette.requests import Request
from starlette.responses import Response

from obelisk import __version__
from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.errors import Refusal, starting
from obelisk.gateway.http import responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import executions as views
from obelisk.runtime.ports.store import Query

LIVE = Operation(
    id="live",
    path="/livez",
    tag="health",
    summary="Whether the server answers",
    answers={200: Answer(description="It does.", view=views.Health)},
    scope=Scope.PUBLIC,
)
READY = Operation(
    id="ready",
    path="/readyz",
    tag="health",
    summary="Whether the server can take work",
    answers={200: Answer(description="It can.", view=views.Readiness)},
    scope=Scope.PUBLIC,
)

INFO = Operation(
    id="info",
    path="/v1/info",
    tag="health",
    summary="What runs here, and since when",
    answers={200: Answer(description="Versions.", view=views.Info)},
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The health routes."""

    async def live(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.Health(status="ok"))

    async def ready(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        if gateway.stopping.is_set():
            raise Refusal("not_ready", "the server is stopping")
        if gateway.api.trouble:
            raise Refusal("not_ready", f"the store takes no writes: {gateway.api.trouble}")
        if gateway.api.deployment.preparing is not None:
            raise starting(gateway.api.deployment.preparing)
        await gateway.api.list(Query(limit=1))
        return responses.json_answer(views.Readiness(status="ok", faults=len(gateway.api.registry.faults)))

    info = views.Info(
        version=__version__,
        python=platform.python_version(),
        wasmtime=metadata.version("wasmtime"),
        platform=f"{platform.system()} {platform.machine()}",
        started_at=views.instant(time.time_ns() // 1000),
    )

    async def info_(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(info)

    return (Endpoint(LIVE, live), Endpoint(READY, ready), Endpoint(INFO, info_))
