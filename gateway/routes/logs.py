"""``GET /v1/executions/{id}/logs``, ``…/logs/follow``: what guests logged and wrote to their standard streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.feeds import Part
from obelisk.gateway.http import responses
from obelisk.gateway.routes import following
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.event_stream import MEDIA_TYPE
from obelisk.gateway.routes.executions import SEGMENTS, execution_id_of, number_of
from obelisk.gateway.views import logs as log_views
from obelisk.runtime.log.lines import LEVELS

_FROM: Final = Parameter(name="from", kind="integer", description="The first number wanted.", default=0)
_LEVEL: Final = Parameter(
    name="level", kind="text", description="Only lines of this level or above.", default="trace", choices=LEVELS
)

LOGS = Operation(
    id="list-logs",
    path="/v1/executions/{execution_id}/logs",
    tag="executions",
    summary="Read what an execution logged and wrote to its standard streams",
    description=(
        "Lines in the order in which they were said, over all attempts of an activity and all runs of a workflow; what "
        "a workflow says again when it is replayed is not repeated. A line of `stdout` counts as `info`, one of "
        "`stderr` as `warn`. Of one execution the newest lines are kept; `dropped` says how many were not. They are no "
        "part of the durable log: a crash may take those of the last moments with it."
    ),
    segments=SEGMENTS,
    parameters=(
        _FROM,
        Parameter(
            name="limit", kind="integer", description="At most so many lines.", default=100, minimum=1, maximum=1000
        ),
        _LEVEL,
    ),
    answers={200: Answer(description="A slice of the lines.", view=log_views.GuestLines)},
    problems=(404,),
)

FOLLOW = Operation(
    id="follow-logs",
    path="/v1/executions/{execution_id}/logs/follow",
    tag="executions",
    summary="Follow what an execution logs and writes until it has finished",
    description=following.FOLLOW.format(entry="line", number="number", page="list-logs"),
    segments=SEGMENTS,
    parameters=(_FROM, _LEVEL),
    headers=following.RESUME,
    answers={200: Answer(description="The stream.", media_types=(MEDIA_TYPE,)), 204: following.NOTHING},
    problems=(404,),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The routes."""
    api = gateway.api

    async def logs(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        start, limit, level = number_of(query["from"]), number_of(query["limit"]), query["level"]
        found = await api.lines(execution_id_of(request), from_number=start, limit=limit, level=str(level))
        items = [log_views.guest_line(line) for line in found.items]
        after = items[-1].number + 1 if found.has_more else None
        return responses.json_answer(log_views.GuestLines(items=items, next=after, dropped=found.dropped))

    async def follow(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        execution_id, level = execution_id_of(request), str(query["level"])

        async def read(start: int, limit: int) -> Part:
            said_all = await api.said_all(execution_id)  # before the rest, which may grow until then
            found = await api.lines(execution_id, from_number=start, limit=limit, level=level)
            entries = [msgspec.json.encode(log_views.guest_line(line)) for line in found.items]
            numbers = [line.number for line in found.items]
            more, whole = found.has_more, said_all and not found.has_more
            return Part(start=start, entries=entries, whole=whole, numbers=numbers, limit=limit, has_more=more)

        return await following.follow(gateway, ("lines", execution_id), query, read, level)

    return (Endpoint(LOGS, logs), Endpoint(FOLLOW, follow))
