"""``POST /v1/functions/{ns}:{pkg}/{ifc}[@{version}]/{function}`` submits; ``GET /v1/functions`` lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as ASGIScope

from obelisk.gateway.auth.access import require
from obelisk.gateway.auth.tokens import Scope, Token
from obelisk.gateway.context import Gateway
from obelisk.gateway.document.operations import Answer, Operation, Parameter, ParameterValue
from obelisk.gateway.errors import Refusal, starting
from obelisk.gateway.http import requests, responses
from obelisk.gateway.http.gate import ASKER, HELD, OPERATION
from obelisk.gateway.http.incoming import Call
from obelisk.gateway.http.refusing import REFUSED, refused
from obelisk.gateway.http.traces import CallTrace
from obelisk.gateway.routes.endpoint import Endpoint, of_other_method
from obelisk.gateway.views import describe
from obelisk.gateway.views import executions as views
from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.usecases.api import Submission

PREFIX: Final = "/v1/functions"
CALLS: Final = f"{PREFIX}/"
SUBMIT: Final = "submit"
"""What calls are counted under."""
_METHODS: Final = frozenset({"POST"})

LIST = Operation(
    id="list-functions",
    path=PREFIX,
    tag="functions",
    summary="List the deployed functions with their types",
    parameters=(
        Parameter(name="function", kind="text", description="Only functions whose name starts so: `ns:pkg/ifc.fn`."),
        Parameter(name="component", kind="text", description="Only functions of the deployed component of that name."),
    ),
    problems=(404,),
    answers={200: Answer(description="All functions.", view=views.Functions)},
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The listing."""

    async def list_(_: Request, query: Mapping[str, ParameterValue]) -> Response:
        prefix, component = query["function"], query["component"]
        if isinstance(component, str):
            gateway.api.deployment.find(component)
        return responses.json_answer(
            describe.functions(
                gateway.api.registry,
                prefix=prefix if isinstance(prefix, str) else "",
                component=component if isinstance(component, str) else None,
            )
        )

    return (Endpoint(LIST, list_),)


class Calls:
    """The endpoints of all functions, as ASGI; which there are is looked up in the current registry at every request.

    It is asked for more than all else together, so it stands before the router and does without what is made for any
    route, a fifth of what a call over HTTP cost.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        scope[OPERATION] = SUBMIT
        if scope["method"] not in _METHODS:
            answer = of_other_method(scope["method"], _METHODS)
        else:
            try:
                require(scope[HELD], Scope.SUBMIT)
                token: Token | None = scope[ASKER]
                caller = "" if token is None else token.shown
                answer = await self._submit(Call(scope, receive), scope["query_string"], caller)
            except REFUSED as error:
                answer = refused(error, scope["method"], scope["path"])
        await answer(scope, receive, send)

    async def _submit(self, call: Call, query: bytes, caller: str) -> Response:
        gateway = self._gateway
        function = _function(gateway, call.path.removeprefix(CALLS))
        if query:
            raise Refusal("parameter_invalid", "a call has no query parameters; parameters belong into the body")
        wish = requests.preference(call.headers.getlist("prefer"), gateway.settings)
        key = requests.idempotency_key(call.headers.getlist("idempotency-key"))
        tags = requests.tags_of(call.headers.getlist("obelisk-tags"))
        params: object = {}
        if function.function.params or requests.has_body(call):
            params = await requests.json_body(call, gateway.settings)
        trace = CallTrace(gateway.api, call)
        execution_id, response = "", None
        try:
            submission = Submission(
                ffqn=function.ffqn, params=params, key=key, trace=trace.text, tags=tags, caller=caller
            )
            execution_id = (await gateway.api.submit(submission)).execution_id
            response = await _answer(gateway, execution_id, wish)
            return response
        finally:
            status = response.status_code if response is not None else 500
            trace.end(status, {"obelisk.execution_id": execution_id} if execution_id else {})


async def _answer(gateway: Gateway, execution_id: str, wish: requests.Preference) -> Response:
    """What the client hears of its execution, after it waited as long as it wished to."""
    headers = {"Preference-Applied": wish.applied} if wish.applied else {}
    outcome = await gateway.api.wait(execution_id, wish.wait_s, submitted=True) if wish.wait_s > 0 else None
    if outcome is None:
        return responses.accepted(execution_id, headers)
    return responses.finished(execution_id, outcome, headers)


def _function(gateway: Gateway, path: str) -> DeployedFunction:
    """The deployed function at a path below the prefix. Refusal, FunctionNotFound."""
    interface, _, name = path.rpartition("/")
    try:
        function = gateway.api.registry.function(f"{interface}.{name}")
    except FunctionNotFound:
        if gateway.api.deployment.preparing is None:
            raise
        raise starting(gateway.api.deployment.preparing) from None  # it may be about to be deployed
    if function.unsupported:
        raise Refusal("function_not_served", f"{function.ffqn} has no endpoint: {function.unsupported}")
    return function
