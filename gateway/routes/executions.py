"""``/v1/executions``: the listing, one execution, its log, its responses and its result.

An id stands in the path as one segment with ``/`` encoded as ``%2F`` (only ids of children in named join sets have
one). A plain ``/`` is understood too: ids end in a number, so none ends like ``/events``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.http import responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.filters import CURSOR, FILTERS, query_of
from obelisk.gateway.views import executions as views
from obelisk.gateway.views import logs as log_views

PREFIX: Final = "/v1/executions"
_TAG = "executions"
_CALL_PROBLEMS = (422, 500, 504)
MAX_PAGE = 200
SEGMENTS: Final = {"execution_id": {"type": "string", "description": "`E_…`; a `/` in it is sent as `%2F`."}}

_SHORTER = (
    "A slice has at most 8 MiB of entries as they are stored, or one that is larger; so it may be shorter than `limit` "
    "while `next` still goes on."
)

VALUES: Final = (
    Parameter(
        name="Prefer",
        kind="text",
        description="`wide-integers=string` asks for integers beyond ±(2^53 − 1) as strings of decimal digits, as "
        "JavaScript needs it. What is not understood is ignored.",
    ),
)
"""What may be asked of every answer that shows values."""

_LIMIT = Parameter(
    name="limit", kind="integer", description="At most so many items.", default=50, minimum=1, maximum=MAX_PAGE
)

LIST = Operation(
    id="list-executions",
    path="/v1/executions",
    tag=_TAG,
    summary="List executions, newest first",
    parameters=(*FILTERS, CURSOR, _LIMIT),
    answers={200: Answer(description="A page.", view=views.Executions)},
    problems=(404,),
)
COUNT = Operation(
    id="count-executions",
    path="/v1/executions/count",
    tag=_TAG,
    summary="Count executions",
    description="How many a listing with the same conditions has on all its pages.",
    parameters=FILTERS,
    answers={200: Answer(description="How many there are.", view=views.Count)},
    problems=(404,),
)
GET = Operation(
    id="get-execution",
    path="/v1/executions/{execution_id}",
    tag=_TAG,
    summary="Show one execution",
    segments=SEGMENTS,
    headers=VALUES,
    answers={200: Answer(description="The execution.", view=views.Execution)},
    problems=(404,),
)
EVENTS = Operation(
    id="list-events",
    path="/v1/executions/{execution_id}/events",
    tag=_TAG,
    summary="Read an execution's log",
    description=_SHORTER,
    segments=SEGMENTS,
    headers=VALUES,
    parameters=(
        Parameter(name="from", kind="integer", description="The first version wanted.", default=0),
        Parameter(
            name="limit", kind="integer", description="At most so many events.", default=100, minimum=1, maximum=1000
        ),
    ),
    answers={200: Answer(description="A slice of the log.", view=log_views.LogEntries)},
    problems=(404,),
)
RESPONSES = Operation(
    id="list-responses",
    path="/v1/executions/{execution_id}/responses",
    tag=_TAG,
    summary="Read the responses of an execution's children and delays",
    description=_SHORTER,
    segments=SEGMENTS,
    headers=VALUES,
    parameters=(
        Parameter(name="from", kind="integer", description="The first number wanted.", default=0),
        Parameter(
            name="limit", kind="integer", description="At most so many responses.", default=100, minimum=1, maximum=1000
        ),
    ),
    answers={200: Answer(description="A slice of the responses.", view=log_views.ResponseEntries)},
    problems=(404,),
)
RESULT = Operation(
    id="get-result",
    path="/v1/executions/{execution_id}/result",
    tag=_TAG,
    summary="Get an execution's result, waiting for it if asked to",
    segments=SEGMENTS,
    headers=VALUES,
    description=(
        "Answers as the function's own endpoint did when it finished: what is deployed by now does not matter, nor "
        "whether the function has other types since."
    ),
    parameters=(
        Parameter(
            name="wait",
            kind="integer",
            description="Seconds to wait for the result; the server caps it.",
            default=0,
        ),
    ),
    answers={
        200: Answer(description="The result.", headers=(responses.EXECUTION_ID,)),
        202: Answer(description="Not finished.", view=views.Accepted, headers=(responses.EXECUTION_ID, "Location")),
        204: Answer(description="Finished without a value.", media_types=(), headers=(responses.EXECUTION_ID,)),
    },
    problems=(404, *_CALL_PROBLEMS),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """All routes below ``/v1/executions``; those with a longer path first."""
    api = gateway.api

    async def list_(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        page = await api.list(query_of(query, api.deployment, limit=number_of(query["limit"])))
        return responses.json_answer(views.executions(page))

    async def count(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.Count(count=await api.count(query_of(query, api.deployment, limit=1))))

    async def get(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.execution(await api.get(execution_id_of(request))))

    async def events(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        start, limit = number_of(query["from"]), number_of(query["limit"])
        found = await api.events(execution_id_of(request), from_version=start, limit=limit)
        items = [log_views.log_entry(logged) for logged in found]
        after = start + len(items) if found.has_more else None
        return responses.json_answer(log_views.LogEntries(items=items, next=after))

    async def responses_(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        start, limit = number_of(query["from"]), number_of(query["limit"])
        found = await api.responses(execution_id_of(request), from_number=start, limit=limit)
        items = [log_views.response_entry(logged) for logged in found]
        after = start + len(items) if found.has_more else None
        return responses.json_answer(log_views.ResponseEntries(items=items, next=after))

    async def result(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        execution_id = execution_id_of(request)
        wait_s = min(number_of(query["wait"]), gateway.settings.max_wait_s)
        outcome = await gateway.api.wait(execution_id, wait_s)
        if outcome is None:
            return responses.accepted(execution_id, {})
        return responses.finished(execution_id, outcome, {})

    return (
        Endpoint(LIST, list_),
        Endpoint(COUNT, count),
        Endpoint(EVENTS, events),
        Endpoint(RESPONSES, responses_),
        Endpoint(RESULT, result),
        Endpoint(GET, get),
    )


def execution_id_of(request: Request) -> str:
    """The id in the path."""
    return str(request.path_params["execution_id"])


def number_of(value: ParameterValue) -> int:
    """The value of an integer parameter that has a default."""
    assert isinstance(value, int)
    return value
