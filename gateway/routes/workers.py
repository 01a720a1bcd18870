"""Routes below ``/v1/workers``: the protocol of workers outside the engine (docs/workers.md).

``exchange`` is all in one round trip; the others are its parts, for clients that want to be simple.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from obelisk.gateway.auth.access import require
from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.http import requests, responses
from obelisk.gateway.http.gate import HELD, OPERATION
from obelisk.gateway.http.incoming import Call, Incoming
from obelisk.gateway.http.presence import while_present
from obelisk.gateway.http.refusing import REFUSED, refused
from obelisk.gateway.routes.endpoint import Endpoint
from obelisk.gateway.views import executions as views
from obelisk.gateway.views import workers as worker_views
from obelisk.runtime.external.exchange import MAX_DETAIL_BYTES
from obelisk.runtime.external.serving import External
from obelisk.runtime.ports.claims import Offering

V = TypeVar("V", bound=views.View)
PREFIX: Final = "/v1/workers"
_TAG: Final = "workers"
_AT: Final = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_SEGMENTS: Final = {"worker": {"type": "string", "description": "The id that it got when it registered: `Wrk_…`."}}
_ANSWER: Final = {200: Answer(description="What it is told.", view=worker_views.WorkerAnswer)}
_PROBLEMS: Final = (404, 413, 415)
_WORKER: Final = f"{PREFIX}/"
_EXCHANGE: Final = "/exchange"

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
        body = await _body(request, gateway, worker_views.WorkerExchange)
        return await _exchange(gateway, request.path_params["worker"], body, request.receive)

    return (
        Endpoint(LIST, list_),
        Endpoint(REGISTER, register),
        Endpoint(EXCHANGE, exchange),
        *(_part(gateway, *part) for part in _PARTS),
        Endpoint(LEAVE, leave),
    )


class Exchanges:
    """The exchange as ASGI. It is all that a worker asks for as a rule, so it stands before the router, as calls do."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def takes(self, scope: ASGIScope) -> bool:
        """Whether a request is one. The rest is left to the router: what is to be refused, and what has a query."""
        path: str = scope["path"]
        is_one = (
            path.endswith(_EXCHANGE) and path.startswith(_WORKER) and "/" not in path[len(_WORKER) : -len(_EXCHANGE)]
        )
        return is_one and scope["method"] == EXCHANGE.method and not scope["query_string"]

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        scope[OPERATION] = EXCHANGE.id
        try:
            require(scope[HELD], EXCHANGE.needed)
            body = await _body(Call(scope, receive), self._gateway, worker_views.WorkerExchange)
            worker: str = scope["path"][len(_WORKER) : -len(_EXCHANGE)]
            content = await _exchanged(self._gateway, worker, body, receive)
        except REFUSED as error:
            await refused(error, scope["method"], scope["path"])(scope, receive, send)
            return
        headers = [(b"content-length", b"%d" % len(content)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


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
        return await _exchange(gateway, request.path_params["worker"], whole, request.receive)

    return Endpoint(operation, answer)


def _serving(gateway: Gateway) -> External:
    if gateway.api.workers is None:
        raise Refusal("not_ready", "this server only takes submissions: it serves no workers")
    return gateway.api.workers


async def _body(request: Incoming, gateway: Gateway, view: type[V]) -> V:
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


async def _exchange(gateway: Gateway, worker: str, body: worker_views.WorkerExchange, receive: Receive) -> Response:
    return Response(await _exchanged(gateway, worker, body, receive), media_type=responses.JSON)


async def _exchanged(gateway: Gateway, worker: str, body: worker_views.WorkerExchange, receive: Receive) -> bytes:
    """The JSON of the answer; nothing once the client is gone, of which none reads it."""
    for number, result in enumerate(body.results):
        if worker_views.outcome_count(result.outcome) != 1:
            raise _invalid(f"expected exactly one of ok, err and failure - at `$.results[{number}].outcome`")
    said = worker_views.said(body, round(gateway.settings.max_wait_s * 1000))
    for number, beat in enumerate(said.heartbeats):
        if beat.detail is not None and len(beat.detail) > MAX_DETAIL_BYTES:
            detail = f"the detail has {len(beat.detail)} bytes as JSON, at most {MAX_DETAIL_BYTES} are allowed"
            raise _invalid(f"{detail} - at `$.heartbeats[{number}].detail`")
    work = _serving(gateway).exchange(worker, said)
    waits = said.claim is not None and said.claim.wait_ms > 0
    answer = await (while_present(work, receive) if waits else work)
    return b"" if answer is None else msgspec.json.encode(worker_views.answer(answer))
