"""``POST /v1/executions/{id}/replay``, ``/fork``, ``/upgrade``: look at the log of a workflow with a build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.http import responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.routes.executions import SEGMENTS, execution_id_of, number_of
from obelisk.gateway.views import executions as views

_TAG: Final = "executions"

REPLAY = Operation(
    id="replay-execution",
    path="/v1/executions/{execution_id}/replay",
    method="POST",
    tag=_TAG,
    summary="Verify the log of a workflow against a build",
    description="Runs the workflow over what is on record, as far as it goes. Nothing is written, nothing else runs.",
    segments=SEGMENTS,
    parameters=(
        Parameter(
            name="build",
            kind="text",
            description="A digest or the name of a deployed component; without it the build that is deployed.",
        ),
    ),
    answers={200: Answer(description="The verdict.", view=views.ReplayVerdict)},
    problems=(404, 409),
    scope=Scope.SUBMIT,
)
FORK = Operation(
    id="fork-execution",
    path="/v1/executions/{execution_id}/fork",
    method="POST",
    tag=_TAG,
    summary="Begin a new execution with the first events of a workflow",
    description="The new one is top-level and goes on at once. Every call makes another one.",
    segments=SEGMENTS,
    parameters=(
        Parameter(
            name="version",
            kind="integer",
            description="How many events of the log the new one takes.",
            required=True,
            minimum=1,
        ),
        Parameter(
            name="build",
            kind="text",
            description="A digest or the name of a component: only if this build, a deployed one, replays them.",
        ),
    ),
    answers={
        201: Answer(description="The new execution.", view=views.Forked, headers=(responses.EXECUTION_ID, "Location"))
    },
    problems=(404, 409),
)
UPGRADE = Operation(
    id="upgrade-execution",
    path="/v1/executions/{execution_id}/upgrade",
    method="POST",
    tag=_TAG,
    summary="Let a workflow go on with the build that is deployed",
    description=(
        "Its log is replayed with that build first; where they diverge it is refused with `incompatible`, and nothing "
        "is changed. What was paused goes on. `already`: its log was made with that build."
    ),
    segments=SEGMENTS,
    answers={200: Answer(description="What it did.", view=views.Intervention)},
    problems=(404, 409),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The routes that replay."""
    api = gateway.api

    async def replay(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.verdict(await api.replay(execution_id_of(request), _build(query))))

    async def fork(request: Request, query: Mapping[str, ParameterValue]) -> Response:
        return responses.forked(await api.fork(execution_id_of(request), number_of(query["version"]), _build(query)))

    async def upgrade(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(views.intervention(await api.upgrade(execution_id_of(request))))

    return (Endpoint(REPLAY, replay), Endpoint(FORK, fork), Endpoint(UPGRADE, upgrade))


def _build(query: Mapping[str, ParameterValue]) -> str | None:
    build = query["build"]
    return build if isinstance(build, str) and build else None
