"""An operation and who answers it, as a Starlette route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from obelisk.gateway.auth.access import require
from obelisk.gateway.document.operations import Operation, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import requests, responses
from obelisk.gateway.http.gate import HELD, OPERATION
from obelisk.gateway.settings import GatewaySettings

Handler: TypeAlias = Callable[[Request, Mapping[str, ParameterValue]], Awaitable[Response]]
"""Gets the request and its parameters of query and headers, checked and complete."""


class SoleRoute(Route):
    """A route that its path belongs to: another method is refused, however well a later route would match.

    OPTIONS says which methods there are, to everybody; HEAD is GET without a body. Another operation of the same path
    is one of `others`, by its methods.
    """

    others: Mapping[str, Route] = MappingProxyType({})

    def share(self, other: Route) -> None:
        """Have the methods of another route of the same path, too."""
        own, added = self.methods or set[str](), other.methods or set[str]()
        self.methods = own | added
        self.others = {**self.others, **dict.fromkeys(added, other)}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Starlette."""
        match, child = super().matches(scope)
        return Match.FULL if match is Match.PARTIAL else match, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See Starlette."""
        if scope["method"] in self.others:
            await self.others[scope["method"]].handle(scope, receive, send)
            return
        scope[OPERATION] = self.name
        methods = self.methods or set[str]()
        if scope["method"] in methods:
            await self.app(scope, receive, send)
        else:
            await of_other_method(scope["method"], methods)(scope, receive, send)


def of_other_method(method: str, methods: Set[str]) -> Response:
    """The answer to a method that is not among the `methods` of a path."""
    allow = {"Allow": ", ".join(sorted({*methods, "OPTIONS"}))}
    if method == "OPTIONS":
        return Response(status_code=204, headers=allow)
    detail = f"{method} is not allowed here; allowed: {allow['Allow']}"
    return responses.refused(Refusal("method_not_allowed", detail, headers=allow))


def routes(endpoints: Iterable[Endpoint], settings: GatewaySettings) -> list[Route]:
    """The routes of all operations, one for each path."""
    found: dict[str, SoleRoute] = {}
    for endpoint in endpoints:
        route = endpoint.route(settings)
        if route.path in found:
            found[route.path].share(route)
        else:
            found[route.path] = route
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route of the control plane."""

    operation: Operation
    handler: Handler

    def route(self, settings: GatewaySettings) -> SoleRoute:
        """The route; the id's placeholder takes everything up to the end of the template, ``/`` included."""

        async def answer(request: Request) -> Response:
            require(request.scope[HELD], self.operation.needed)
            query = self.operation.read_query(request.scope["query_string"])
            if not self.operation.body:
                await requests.no_body(request, settings)
            return await self.handler(request, query | self.operation.read_headers(request.headers))

        path = self.operation.path.replace("{execution_id}", "{execution_id:path}")
        return SoleRoute(path, answer, methods=[self.operation.method], name=self.operation.id)
