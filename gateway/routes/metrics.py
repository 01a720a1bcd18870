"""``GET /metrics``: what the process counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk import __version__
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.http.protocol import tally
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import exposition
from obelisk.runtime.observe.metrics import counter, gauge, histogram

METRICS: Final = Operation(
    id="metrics",
    path="/metrics",
    tag="health",
    summary="What the server counts",
    description="In the text format of Prometheus. Counters begin at 0 with the process.",
    answers={200: Answer(description="The metrics.", media_types=(exposition.MEDIA_TYPE,))},
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The route."""

    async def metrics(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        build = gauge("build_info", "The version that runs.", {(__version__,): 1}, "version")
        http = counter("http_requests", "Requests by operation and status.", gateway.requests, "operation", "status")
        took = histogram(
            "http_request_seconds",
            "Time from the head of a request to the end of its answer.",
            gateway.durations.by_labels,
            "operation",
            "method",
            "status",
        )
        refused = counter("http_refused", "Refused before they were requests, by code.", tally.counts, "code")
        held = gauge("http_connections", "Connections that clients hold.", {(): len(gateway.connections)})
        text, media_type = exposition.render((*await gateway.api.metrics(), http, took, refused, held, build))
        return Response(text, headers={"Content-Type": media_type})

    return (Endpoint(METRICS, metrics),)
