"""Routes below ``/v1/workers``: the protocol of workers outside the engine (docs/workers.md).

``exchange`` is all in one round trip; the others are its parts, for clients that want to be simple.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import requests, responses
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import executions as views
from obelisk.gateway.views import workers as worker_views
from obelisk.runtime.external.exchange import MAX_DETAIL_BYTES, Exchange
from obelisk.runtime.external.serving import External
from obelisk.runtime.ports.claims import Offering

V = TypeVar("V", bound=views.View)
PREFIX: Final = "/v1/workers"
_TAG: Final = "workers"
_AT: Final = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_SEGMENTS: Final = {"worker": {"type": "string", "description": "The id that it got when it registered: `Wrk_…`."}}
_ANSWER: Final = {200: Answer(description="What it is told.", view=worker_views.WorkerAnswer)}
_PROBLEMS: Final = (404, 413, 415)

LIST: Final = Operation(
    id="list-workers",
    path=PREFIX,
    tag=_TAG,
    summary="List the workers that are registered",
    answers={200: Answer(description="Those whose leases have not run out.", view=worker_views.Workers)},
)
REGISTER: Final = Operation(
    id="register-worker",
    path=PREFIX,
    method="POST",
    tag=_TAG,
    summary="Register a worker",
    description=(
        "The answer has its id, under which it asks from then on, and says of each function whether it may be given "
        "attempts. A worker that is silent for its lease loses what it holds and has to register again."
    ),
    body="The worker.",
    body_view=worker_views.Registration,
    answers={201: Answer(description="It is registered.", view=worker_views.WorkerView)},
    problems=(413, 415),
    scope=Scope.WORK,
)
EXCHANGE: Final = Operation(
    id="exchange-with-worker",
    path=f"{PREFIX}/{{worker}}/exchange",
    method="POST",
    tag=_TAG,
    summary="Give results, heartbeats and lines, and take attempts",
    description=(
        "Results are recorded first, each in a transaction of its own; their verdicts are in the answer. With a "
        "`claim` the answer waits until there are attempts, a result is refused, an attempt of the worker was ended by "
        "others, or `wait_ms` have passed. A newer claim of the same worker ends the wait of an older one. After any "
        "failure the same may be said again: what was recorded is told as `stale`."
    ),
    segments=_SEGMENTS,
    body="What the worker says.",
    body_view=worker_views.WorkerExchange,
    answers=_ANSWER,
    problems=_PROBLEMS,
    scope=Scope.WORK,
)
LEAVE: Final = Operation(
    id="leave-worker",
    path=f"{PREFIX}/{{worker}}",
    method="DELETE",
    tag=_TAG,
    summary="Give up a worker's lease",
    description="What it holds is pending again at once, and counts as not attempted.",
    segments=_SEGMENTS,
    answers={204: Answer(description="It is registered no more.", media_types=())},
    problems=(404,),
    scope=Scope.WORK,
)


class ClaimPart(views.View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an exchange that takes attempts."""

    claim: worker_views.WorkerClaim


class ResultsPart(views.View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an exchange that gives results."""

    results: list[worker_views.AttemptResult]


class HeartbeatsPart(views.View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an exchange that gives signs of life."""

    heartbeats: list[worker_views.AttemptHeartbeat]


class LinesPart(views.View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an exchange that gives messages for logs."""

    lines: list[worker_views.AttemptLine]


_PARTS: Final[tuple[tuple[str, str, type[views.View]], ...]] = (
    ("claim", "Take attempts", ClaimPart),
    ("results", "Give results", ResultsPart),
    ("heartbeats", "Give signs of life, and hear what was taken away", HeartbeatsPart),
    ("lines", "Write into the logs of executions", LinesPart),
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """All routes below ``/v1/workers``."""

    async def list_(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        workers = [worker_views.worker(one) for one in await _serving(gateway).all()]
        return responses.json_answer(worker_views.Workers(items=workers))

    async def register(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        body = await _body(request, gateway, worker_views.Registration)
        offering = Offering(
            name=body.name, functions={f.ffqn: f.signature for f in body.functions}, lease_ms=body.lease_ms
        )
        registered = await _serving(gateway).register(offering, body.labels)
        content = msgspec.json.encode(worker_views.worker(registered))
        return Response(content, status_code=201, media_type=responses.JSON)

    async def leave(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        await _serving(gateway).leave(request.path_params["worker"])
        return Response(status_code=204)

    async def exchange(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        return await _exchange(request, gateway, await _body(request, gateway, worker_views.WorkerExchange))

    return (
        Endpoint(LIST, list_),
        Endpoint(REGISTER, register),
        Endpoint(EXCHANGE, exchange),
        *(_part(gateway, *part) for part in _PARTS),
        Endpoint(LEAVE, leave),
    )


def _part(gateway: Gateway, name: str, summary: str, view: type[views.View]) -> Endpoint:
    operation = Operation(
        id=f"give-{name}" if name != "claim" else "claim-attempts",
        path=f"{PREFIX}/{{worker}}/{name}",
        method="POST",
        tag=_TAG,
        summary=summary,
        description="A part of the exchange, for simple clients.",
        segments=_SEGMENTS,
        body="That part.",
        body_view=view,
        answers=_ANSWER,
        problems=_PROBLEMS,
        scope=Scope.WORK,
    )

    async def answer(request: Request, _: Mapping[str, ParameterValue]) -> Response:
        body = await _body(request, gateway, view)
        whole = worker_views.WorkerExchange(**{name: getattr(body, name)})
        return await _exchange(request, gateway, whole)

    return Endpoint(operation, answer)


def _serving(gateway: Gateway) -> External:
    if gateway.api.workers is None:
        raise Refusal("not_ready", "this server only takes submissions: it serves no workers")
    return gateway.api.workers


async def _body(request: Request, gateway: Gateway, view: type[V]) -> V:
    """The body as a view. Refusal ``body_invalid`` with the place."""
    content = await requests.json_body(request, gateway.settings)
    try:
        return msgspec.convert(content, view)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None


def _invalid(message: str) -> Refusal:
    found = _AT.search(message)
    place = "" if found is None else found[1]
    pointer = re.sub(r"[.\[]", "/", place).replace("]", "")
    detail = message if found is None else message[: found.start()]
    errors = [{"pointer": pointer, "expected": "as the document describes", "detail": detail}]
    return Refusal("body_invalid", f"{pointer or 'the body'}: {detail}", members={"errors": errors})


async def _exchange(request: Request, gateway: Gateway, body: worker_views.WorkerExchange) -> Response:
    for number, result in enumerate(body.results):
        if worker_views.outcome_count(result.outcome) != 1:
            raise _invalid(f"expected exactly one of ok, err and failure - at `$.results[{number}].outcome`")
    said = worker_views.said(body, round(gateway.settings.max_wait_s * 1000))
    for number, beat in enumerate(said.heartbeats):
        if beat.detail is not None and len(beat.detail) > MAX_DETAIL_BYTES:
            detail = f"the detail has {len(beat.detail)} bytes as JSON, at most {MAX_DETAIL_BYTES} are allowed"
            raise _invalid(f"{detail} - at `$.heartbeats[{number}].detail`")
    answer = await _answered(request, gateway, said)
    if answer is None:
        return Response(status_code=204)  # the connection is gone: no client reads it
    return responses.json_answer(worker_views.answer(answer))


async def _answered(request: Request, gateway: Gateway, said: Exchange) -> Any:
    """The answer of the engine; None once the client is gone, for which nothing is kept waiting."""
    work = _serving(gateway).exchange(request.path_params["worker"], said)
    if said.claim is None or not said.claim.wait_ms:
        return await work
    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        await _end(leaving)
        await _end(task)


async def _end(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _gone(request: Request) -> None:
    receive: Awaitable[Any]
    while True:
        receive = request.receive()
        if (await receive)["type"] == "http.disconnect":
            return
