"""``POST /v1/executions/{id}/cancel``, ``/pause``, ``/unpause``, ``/retry``, ``PUT …/stub``: steer an execution.

All are answered once they are recorded and may be repeated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.http import requests, responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.executions import SEGMENTS, execution_id_of
from obelisk.gateway.views import executions as views
from obelisk.runtime.usecases.effects import Intervened

_TAG: Final = "executions"
_EFFECT: Final = {200: Answer(description="What it did.", view=views.Intervention)}

CANCEL = Operation(
    id="cancel-execution",
    path="/v1/executions/{execution_id}/cancel",
    method="POST",
    tag=_TAG,
    summary="Cancel an execution with all its children, or a delay",
    description=(
        "An execution ends as `cancelled` once its children have ended; until then its status is `cancelling`. A "
        "workflow whose component has `cancellable = false` is refused with `not_cancellable`. A cancelled delay "
        "answers `err` to the workflow that awaits it."
    ),
    segments={
        "execution_id": {"type": "string", "description": "`E_…`, or `Delay_…`; a `/` in it is sent as `%2F`."},
    },
    answers=_EFFECT,
    problems=(404, 409),
)
PAUSE = Operation(
    id="pause-execution",
    path="/v1/executions/{execution_id}/pause",
    method="POST",
    tag=_TAG,
    summary="Stop an execution until it is unpaused",
    description="Its children go on. The attempt of an activity that is under way is given up.",
    segments=SEGMENTS,
    answers=_EFFECT,
    problems=(404,),
)
UNPAUSE = Operation(
    id="unpause-execution",
    path="/v1/executions/{execution_id}/unpause",
    method="POST",
    tag=_TAG,
    summary="Let a paused execution go on",
    segments=SEGMENTS,
    answers=_EFFECT,
    problems=(404,),
)
RETRY = Operation(
    id="retry-execution",
    path="/v1/executions/{execution_id}/retry",
    method="POST",
    tag=_TAG,
    summary="Make the next attempt now",
    description=(
        "An execution whose attempt failed waits for the instant of the next one; this does not wait. The attempt "
        "counts as any other. One that is paused goes on. `already`: no attempt is awaited."
    ),
    segments=SEGMENTS,
    answers=_EFFECT,
    problems=(404,),
)
STUB = Operation(
    id="stub-execution",
    path="/v1/executions/{execution_id}/stub",
    method="PUT",
    tag=_TAG,
    summary="Give the result of a stub",
    description=(
        "A stub is an execution of a function that is deployed without code: its result comes from outside, once. The "
        "same result again is `already`; another one is refused with `result_conflict`."
    ),
    segments=SEGMENTS,
    body='The result, of the function\'s result type in canonical form: a `result` as `{"ok": …}`, nothing as `null`.',
    answers=_EFFECT,
    problems=(404, 409, 413, 415),
    scope=Scope.SUBMIT,
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The routes that change executions."""
    api = gateway.api

    def steer(operation: Operation, use_case: Callable[[str], Awaitable[Intervened]]) -> Endpoint:
        async def answer(request: Request, _: Mapping[str, ParameterValue]) -> Response:
            return responses.json_answer(views.intervention(await use_case(execution_id_of(request))))

        return Endpoint(operation, answer)

    async def stub(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        result = await requests.json_body(request, gateway.settings)
        return responses.json_answer(views.intervention(await api.stub(execution_id_of(request), result)))

    return (
        steer(CANCEL, api.cancel),
        steer(PAUSE, api.pause),
        steer(UNPAUSE, api.unpause),
        steer(RETRY, api.control.retry),
        Endpoint(STUB, stub),
    )
