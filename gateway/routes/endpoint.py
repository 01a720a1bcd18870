"""An operation and who answers it, as a Starlette route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from obelisk.gateway import requests
from obelisk.gateway.operations import Operation, ParameterValue

Handler: TypeAlias = Callable[[Request, Mapping[str, ParameterValue]], Awaitable[Response]]
"""Gets the request and its parameters of query and headers, checked and complete."""


class SoleRoute(Route):
    """A route that its path belongs to: another method is refused, however well a later route would match."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        match, child = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, child


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the control plane."""

    operation: Operation
    handler: Handler

    def route(self) -> Route:
        """The route; the id's placeholder takes everything up to the end of the template, ``/`` included."""

        async def answer(request: Request) -> Response:
            query = self.operation.read_query(request.scope["query_string"])
            if self.operation.method != "GET" and not self.operation.body:
                await requests.no_body(request)
            return await self.handler(request, query | self.operation.read_headers(request.headers))

        path = self.operation.path.replace("{execution_id}", "{execution_id:path}")
        return SoleRoute(path, answer, methods=[self.operation.method], name=self.operation.id)
