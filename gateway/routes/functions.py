"""``POST /v1/functions/{ns}:{pkg}/{ifc}[@{version}]/{function}`` submits; ``GET /v1/functions`` lists."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from obelisk.gateway import describe, requests, responses, views
from obelisk.gateway.access import require
from obelisk.gateway.context import Gateway
from obelisk.gateway.errors import Refusal
from obelisk.gateway.gate import HELD
from obelisk.gateway.operations import Answer, Operation, ParameterValue
from obelisk.gateway.routes.endpoint import Endpoint, SoleRoute
from obelisk.gateway.tokens import Scope
from obelisk.runtime.api import Submission
from obelisk.runtime.registry import DeployedFunction

PREFIX = "/v1/functions"

LIST = Operation(
    id="list-functions",
    path=PREFIX,
    tag="functions",
    summary="List the deployed functions with their types",
    answers={200: Answer(description="All functions.", view=views.Functions)},
)


def endpoints(gateway: Gateway) -> tuple[Endpoint, ...]:
    """The listing."""

    async def list_(_: Request, __: Mapping[str, ParameterValue]) -> Response:
        return responses.json_answer(describe.functions(gateway.api.registry))

    return (Endpoint(LIST, list_),)


def submit_route(gateway: Gateway) -> Route:
    """The endpoints of all functions; which there are is looked up in the current registry at every request."""

    async def submit(request: Request) -> Response:
        require(request.scope[HELD], Scope.SUBMIT)
        function = _function(gateway, request.path_params["function"])
        if request.scope["query_string"]:
            raise Refusal("parameter_invalid", "a call has no query parameters; parameters belong into the body")
        wish = requests.preference(request.headers.getlist("prefer"), gateway.settings)
        key = requests.idempotency_key(request.headers.getlist("idempotency-key"))
        params: object = {}
        if function.function.params or requests.has_body(request):
            params = await requests.json_body(request, gateway.settings)
        submitted = await gateway.api.submit(Submission(ffqn=function.ffqn, params=params, key=key))
        headers = {"Preference-Applied": wish.applied} if wish.applied else {}
        execution_id = submitted.execution_id
        outcome = None
        if wish.wait_s > 0:
            outcome = await gateway.api.wait(execution_id, wish.wait_s)
        if outcome is None:
            return responses.accepted(execution_id, headers)
        return responses.finished(execution_id, outcome, function.function.result, headers)

    return SoleRoute(f"{PREFIX}/{{function:path}}", submit, methods=["POST"])


def _function(gateway: Gateway, path: str) -> DeployedFunction:
    """The deployed function at a path below the prefix. Refusal, FunctionNotFound."""
    interface, _, name = path.rpartition("/")
    function = gateway.api.registry.function(f"{interface}.{name}")
    if function.unsupported:
        raise Refusal("function_not_served", f"{function.ffqn} has no endpoint: {function.unsupported}")
    return function
