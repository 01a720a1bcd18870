"""``GET /v1/executions/{id}/logs``: what an execution's guests logged and wrote to their standard streams."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway import log_views, responses
from obelisk.gateway.context import Gateway
from obelisk.gateway.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.executions import SEGMENTS, execution_id_of, number_of
from obelisk.runtime.lines import LEVELS

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
        Parameter(name="from", kind="integer", description="The first number wanted.", default=0),
        Parameter(
            name="limit", kind="integer", description="At most so many lines.", default=100, minimum=1, maximum=1000
        ),
        Parameter(
            name="level", kind="text", description="Only lines of this level or above.", default="trace", choices=LEVELS
        ),
    ),
    answers={200: Answer(description="A slice of the lines.", view=log_views.GuestLines)},
    problems=(404,),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The route."""

    async def logs(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        start, limit, level = number_of(query["from"]), number_of(query["limit"]), query["level"]
        found = await gateway.api.lines(execution_id_of(request), from_number=start, limit=limit + 1, level=str(level))
        items = [log_views.guest_line(line) for line in found.items[:limit]]
        after = items[-1].number + 1 if len(found.items) > limit else None
        return responses.json_answer(log_views.GuestLines(items=items, next=after, dropped=found.dropped))

    return (Endpoint(LOGS, logs),)
