"""``GET /v1/components``: what is deployed. Components are added with the command line."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway import responses, views
from obelisk.gateway.context import Gateway
from obelisk.gateway.operations import Answer, Operation, ParameterValue
from obelisk.gateway.routes.endpoint import Endpoint

LIST = Operation(
    id="list-components",
    path="/v1/components",
    tag="components",
    summary="List the deployed components",
    answers={200: Answer(description="All components.", view=views.Components)},
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """All routes below ``/v1/components``."""

    async def list_(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        registry = gateway.api.registry
        items = [views.component(component, registry) for component in registry.components]
        return responses.json_answer(views.Components(items=items))

    return (Endpoint(LIST, list_),)
