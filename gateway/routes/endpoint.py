"""An operation and who answers it, as a Starlette route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from obelisk.gateway.operations import Operation, ParameterValue

Handler: TypeAlias = Callable[[Request, Mapping[str, ParameterValue]], Awaitable[Response]]
"""Gets the request and its query parameters, checked and complete."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One GET route of the control plane."""

    operation: Operation
    handler: Handler

    def route(self) -> Route:
        """The route; the id's placeholder takes everything up to the end of the template, ``/`` included."""

        async def answer(request: Request) -> Response:
            query = self.operation.read_query(request.scope["query_string"])
            return await self.handler(request, query)

        path = self.operation.path.replace("{execution_id}", "{execution_id:path}")
        return Route(path, answer, methods=["GET"], name=self.operation.id)
