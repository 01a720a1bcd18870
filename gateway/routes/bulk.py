"""``POST /v1/executions/cancel``, ``…/delete``: cancel what a filter finds, delete what finished long ago; a bounded
number at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.executions import number_of
from obelisk.gateway.routes.filters import CURSOR, DELETE_FILTERS, OPEN_FILTERS, query_of
from obelisk.gateway.views import executions as views
from obelisk.runtime.errors import ExecutionNotFound, NotCancellable
from obelisk.runtime.usecases.effects import Effect

_LIMIT: Final = Parameter(
    name="limit",
    kind="integer",
    description="At most so many executions in this step.",
    default=200,
    minimum=1,
    maximum=1000,
)

CANCEL = Operation(
    id="cancel-executions",
    path="/v1/executions/cancel",
    method="POST",
    tag="executions",
    summary="Cancel all executions that match and have not finished",
    description=(
        "At least one condition is required. A step takes at most `limit` "
        "executions, the newest first; repeat it with `next_cursor` until that is null. Steps may be repeated at will."
    ),
    parameters=(*OPEN_FILTERS, CURSOR, _LIMIT),
    answers={200: Answer(description="What this step did.", view=views.Bulk)},
    problems=(404,),
)

DELETE = Operation(
    id="delete-executions",
    path="/v1/executions/delete",
    method="POST",
    tag="executions",
    summary="Delete executions that finished before an instant",
    description=(
        "Whole trees: a top-level execution that finished before then with all that descends from it, if all of that "
        "has finished, too. The conditions are on the top-level executions. Their logs and results are gone, and their "
        "idempotency keys free. A step deletes about `limit` executions; repeat it with `next_cursor` until that is "
        "null. The tree that was created last stays."
    ),
    parameters=(
        Parameter(
            name="finished_before", kind="instant", description="Only what finished before this instant.", required=True
        ),
        *DELETE_FILTERS,
        Parameter(name="cursor", kind="integer", description="`next_cursor` of the previous step.", default=0),
        _LIMIT,
    ),
    answers={200: Answer(description="What this step did.", view=views.Deleted)},
    problems=(404,),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The bulk interventions."""
    api = gateway.api

    async def cancel(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        _require_condition(query)
        query = {**query, "status": query["status"] or "open"}
        page = await api.list(query_of(query, api.deployment, limit=number_of(query["limit"])))
        effects: Counter[str] = Counter()
        for summary in page.items:
            try:
                effects[(await api.cancel(summary.execution_id)).effect.value] += 1
            except NotCancellable:
                effects["refused"] += 1
            except ExecutionNotFound:  # deleted meanwhile
                effects[Effect.FINISHED.value] += 1
        counts = {name: effects[name] for name in (*(effect.value for effect in Effect), "refused")}
        return responses.json_answer(views.Bulk(**counts, next_cursor=page.cursor))

    async def delete(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        before_us, after, limit = (number_of(query[name]) for name in ("finished_before", "cursor", "limit"))
        where = query_of({**query, "cursor": None, "finished_before": None}, api.deployment, limit=limit)
        deleted, place = await api.delete(finished_before_us=before_us, after=after, limit=limit, where=where)
        return responses.json_answer(views.Deleted(deleted=deleted, next_cursor=place))

    return (Endpoint(CANCEL, cancel), Endpoint(DELETE, delete))


def _require_condition(query: Mapping[str, ParameterValue]) -> None:
    """A filter without conditions is a mistake: it must not mean everything."""
    if all(query[parameter.name] == parameter.default for parameter in OPEN_FILTERS):
        raise Refusal("parameter_invalid", "name at least one condition, as status=open")
