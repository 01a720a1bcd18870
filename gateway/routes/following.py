"""``GET /v1/executions/{id}/events/follow``, ``…/responses/follow``: logs as they grow, as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.feeds import FIRST, Part, Read
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.event_stream import MEDIA_TYPE, EventStream
from obelisk.gateway.routes.executions import SEGMENTS, VALUES, execution_id_of, number_of
from obelisk.gateway.views import logs as log_views
from obelisk.runtime.log.events import Finished

_LAST: Final = "Last-Event-ID"
FOLLOW: Final = (
    "Server-sent events, one per {entry}: `id` is its {number}, `data` is what `{page}` shows. `event: end` comes "
    "when the execution has finished and nothing will follow; a stream that ends without it is taken up again with the "
    "header `Last-Event-ID`, as browsers do by themselves. `event: problem` brings problem details and ends it, too."
)
RESUME: Final = (
    Parameter(name=_LAST, kind="integer", description="The `id` seen last: begin after it. It wins over `from`."),
)
NOTHING: Final = Answer(description="The execution has finished, and all of it was seen.", media_types=())

EVENTS = Operation(
    id="follow-events",
    path="/v1/executions/{execution_id}/events/follow",
    tag="executions",
    summary="Follow an execution's log until it has finished",
    description=FOLLOW.format(entry="event", number="version", page="list-events"),
    segments=SEGMENTS,
    parameters=(Parameter(name="from", kind="integer", description="The first version wanted.", default=0),),
    headers=(*RESUME, *VALUES),
    answers={200: Answer(description="The stream.", media_types=(MEDIA_TYPE,)), 204: NOTHING},
    problems=(404,),
)
RESPONSES = Operation(
    id="follow-responses",
    path="/v1/executions/{execution_id}/responses/follow",
    tag="executions",
    summary="Follow the responses of an execution's children and delays until it has finished",
    description=FOLLOW.format(entry="response", number="number", page="list-responses"),
    segments=SEGMENTS,
    parameters=(Parameter(name="from", kind="integer", description="The first number wanted.", default=0),),
    headers=(*RESUME, *VALUES),
    answers={200: Answer(description="The stream.", media_types=(MEDIA_TYPE,)), 204: NOTHING},
    problems=(404,),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The routes that follow."""
    api = gateway.api

    async def events(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        execution_id = execution_id_of(request)

        async def read(start: int, limit: int) -> Part:
            found = await api.events(execution_id, from_version=start, limit=limit)
            entries = [msgspec.json.encode(log_views.log_entry(logged)) for logged in found]
            if found:
                whole = isinstance(found[-1].event, Finished)
                return Part(start=start, entries=entries, whole=whole, limit=limit, has_more=found.has_more)
            summary = await api.get(execution_id)
            whole = summary.status == "finished" and start >= summary.version
            return Part(start=start, entries=(), whole=whole, limit=limit)

        return await follow(gateway, ("events", execution_id), query, read)

    async def responses(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        execution_id = execution_id_of(request)

        async def read(start: int, limit: int) -> Part:
            finished = (await api.get(execution_id)).status == "finished"  # before the rest, which may grow until then
            found = await api.responses(execution_id, from_number=start, limit=limit)
            entries = [msgspec.json.encode(log_views.response_entry(logged)) for logged in found]
            whole = finished and not found.has_more
            return Part(start=start, entries=entries, whole=whole, limit=limit, has_more=found.has_more)

        return await follow(gateway, ("responses", execution_id), query, read)

    return (Endpoint(EVENTS, events), Endpoint(RESPONSES, responses))


async def follow(
    gateway: Gateway, what: tuple[str, str], query: Mapping[str, ParameterValue], read: Read, *more: str
) -> Response:
    """A stream of what `read` gives from ``Last-Event-ID`` or ``from`` on; 204 when nothing will come.

    `what` names the list and its execution, `more` what else tells it from others: who follows the same shares a feed.
    """
    last = query[_LAST]
    first = await read(number_of(query["from"]) if last is None else number_of(last) + 1, FIRST)
    if first.whole and not first.entries:
        return Response(status_code=204)
    return EventStream(gateway, (*what, *more), what[1], first, read)
