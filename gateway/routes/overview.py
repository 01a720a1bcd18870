"""Routes for people who operate the engine: ``/v1/rates``, ``/v1/executors``, ``/v1/store``, ``/v1/token``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.auth.tokens import Scope, Token
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.http import responses
from obelisk.gateway.http.gate import ASKER, HELD
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import overview as views
from obelisk.gateway.views.executions import instant

_TAG: Final = "health"
_DAY: Final = 1440

RATES: Final = Operation(
    id="rates",
    path="/v1/rates",
    tag=_TAG,
    summary="What started and finished, minute by minute",
    description="Executions without a parent, whichever server took or ran them. Deleted ones are not counted.",
    parameters=(
        Parameter(
            name="minutes",
            kind="integer",
            description="So many minutes, the present one among them.",
            default=60,
            minimum=1,
            maximum=_DAY,
        ),
    ),
    answers={200: Answer(description="The counts.", view=views.RatesView)},
)
EXECUTORS: Final = Operation(
    id="list-executors",
    path="/v1/executors",
    tag=_TAG,
    summary="List the executors of all servers",
    answers={200: Answer(description="Those that have a lease, run out or not.", view=views.Executors)},
)
STORE: Final = Operation(
    id="store",
    path="/v1/store",
    tag=_TAG,
    summary="What the store takes, and the room that it has",
    answers={200: Answer(description="Its size.", view=views.StoreView)},
)
TOKEN_OF: Final = Operation(
    id="token",
    path="/v1/token",
    tag=_TAG,
    summary="What the sender of the request may do",
    description="The scope of its token: `admin` where the server needs none, `public` without one where it does.",
    answers={200: Answer(description="The scope.", view=views.TokenView)},
    scope=Scope.PUBLIC,
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The routes."""
    overview = gateway.api.overview

    async def rates(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        minutes = query["minutes"]
        assert isinstance(minutes, int)
        return responses.json_answer(views.rates(await overview.minutes(minutes)))

    async def executors(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        found = await overview.executors()
        return responses.json_answer(views.Executors(items=[views.executor(seen) for seen in found]))

    async def store(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.store(*overview.size()))

    async def token(request: Request, __: Mapping[str, ParameterValue]) -> Response:
        held: Scope = request.scope[HELD]
        known: Token | None = request.scope[ASKER]
        expires_at_us = None if known is None else known.expires_at_us
        view = views.TokenView(
            id=None if known is None else known.id,
            name=None if known is None else known.name,
            scope=cast("views.ScopeName", held.word),
            expires_at=None if expires_at_us is None else instant(expires_at_us),
        )
        return responses.json_answer(view)

    return (Endpoint(RATES, rates), Endpoint(EXECUTORS, executors), Endpoint(STORE, store), Endpoint(TOKEN_OF, token))
