"""The OpenAPI document of one server: every function that is deployed and every route of the control plane. Pure.

Functions come from `codegen.emit.openapi`, routes from their `Operation` records, schemas from the view classes and the
log's event classes: from what the server itself works with.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

import msgspec

from obelisk.codegen.emit.json_schema import JsonObject
from obelisk.codegen.emit.openapi import openapi_document
from obelisk.codegen.emit.openapi_parts import EXECUTION_HEADER, PROBLEM_TYPE, SECURITY_SCHEMES, problem
from obelisk.gateway.auth.tokens import Scope
from obelisk.gateway.document.operations import Answer, Operation, Parameter
from obelisk.gateway.views import describe
from obelisk.gateway.views import executions as views
from obelisk.gateway.views import logs as log_views
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.log.events import Event, PauseCause, Response

TITLE: Final = "Obelisk"
_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (400, 403, 429, 431, 500, 503)
_WITH_BODY: Final = (408,)
_TAGS: Final[tuple[JsonObject, ...]] = (
    {"name": "executions", "description": "What was called, how far it is, and what came of it."},
    {"name": "functions", "description": "What can be called."},
    {"name": "components", "description": "What is deployed."},
    {"name": "workers", "description": "The protocol of workers outside the engine."},
    {"name": "health"},
    {"name": "documents"},
)
_HEADERS: Final = {
    "Obelisk-Execution-Id": "ExecutionId",
    "Location": "Location",
    "Retry-After": "RetryAfter",
}
_DETAILS: Final = {
    400: "A parameter is not as described, or the request is no HTTP.",
    401: "A valid bearer token is needed.",
    403: "The token's scope is too small; or the server does not answer for that host or to that page.",
    404: "There is no such thing.",
    408: "The body took too long.",
    409: "What is recorded does not allow this, as `code` says; nothing was changed.",
    413: "The body is too large.",
    415: "The body is not of the media type described.",
    422: "The function returned an error, and `error` has it; or the component cannot be deployed, as `code` says.",
    429: "Too many requests of this client.",
    431: "The request line and the headers are too large together.",
    500: "The execution failed, as `kind` says; or the server did.",
    503: "The server cannot read or write its store at present.",
    504: "The execution timed out in all its attempts.",
}
_CODES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("parameter_invalid", "parameter limit: expected an integer from 1 to 200"),
    401: ("unauthenticated", "a valid bearer token is needed"),
    403: ("scope_insufficient", "this needs the scope admin, the token has read"),
    404: ("route_not_found", "no route /v1/nothing"),
    408: ("request_timeout", "the body took longer than 30 s"),
    409: ("conflict", "it changed again and again; try again"),
    413: ("body_too_large", "the body is larger than 4194304 bytes"),
    415: ("media_type_unsupported", "expected content type application/json, found text/plain"),
    422: ("returned_err", "the function returned err"),
    429: ("too_many_requests", "more than 100 requests a second"),
    431: ("head_too_large", "the request line and the headers are too large together"),
    500: ("internal", "the server failed; its log has the reason"),
    501: ("unsupported", "this store cannot do that"),
    503: ("store_unavailable", "the database cannot be read"),
    504: ("execution_timed_out", "all attempts timed out"),
}
"""What stands in examples, by status."""
_MISSING: Final[Mapping[str, tuple[str, str]]] = {
    "/v1/executions": ("execution_not_found", "no execution E_01J3N4T8W0V6Q2R7Y5K9M1C3B7"),
    "/v1/components": ("component_not_found", "no component shop is deployed"),
    "/v1/functions": ("component_not_found", "no component shop is deployed"),
}


def document(
    registry: Registry, operations: Sequence[Operation], *, version: str, authenticated: bool = False
) -> JsonObject:
    """The document of a server with that registry and those routes; `authenticated`: it asks for tokens."""
    served = [describe.endpoint(function) for function in registry.functions.values() if not function.unsupported]
    paths: dict[str, JsonObject] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, authenticated)
    made = openapi_document(
        served,
        title=TITLE,
        version=version,
        description="Durable executions of WebAssembly component functions.",
        extra_paths=paths,
        extra_schemas=schemas(),
        extra_tags=_TAGS,
        security_schemes=SECURITY_SCHEMES if authenticated else None,
        servers=[{"url": "/", "description": "This server."}],
        known={operation.id for operation in operations},
    )
    if authenticated:
        plain = cast("dict[str, Any]", made)
        for endpoint in served:
            plain["paths"][endpoint.path]["post"]["security"] = _security(Scope.SUBMIT)
    return made


def schemas() -> dict[str, JsonObject]:
    """The schemas of all views, of the log's events and of responses, by name."""
    unions = {"Event": Event, "Response": Response, "PauseCause": PauseCause}
    types: list[Any] = [*views.View.__subclasses__(), *map(log_views.shown_type, unions.values())]
    shown, named = msgspec.json.schema_components(types, ref_template=_REF)
    found = {name: _plain(schema) for name, schema in named.items()}
    return {
        **found,
        **{name: cast(JsonObject, schema) for name, schema in zip(unions, shown[-len(unions) :], strict=True)},
    }


def _plain(schema: dict[str, Any]) -> JsonObject:
    """A class's schema without its name again, its text without the marks and the indentation of a docstring."""
    plain = {name: value for name, value in schema.items() if name != "title"}
    if "description" in plain:
        plain["description"] = inspect.cleandoc(plain["description"]).replace("``", "`")
    return plain


def _security(needed: Scope) -> list[Any]:
    """What an operation needs; OpenAPI allows names of scopes with a scheme that does not exchange them."""
    return [{"bearer": [needed.word]}] if needed is not Scope.PUBLIC else []


def _operation(operation: Operation, authenticated: bool) -> JsonObject:
    parameters: list[Any] = [
        {"name": name, "in": "path", "required": True, **_segment(schema)}
        for name, schema in operation.segments.items()
    ]
    parameters += [_parameter(parameter, "query") for parameter in operation.parameters]
    parameters += [_parameter(parameter, "header") for parameter in operation.headers]
    responses: dict[str, Any] = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    needs_token = authenticated and operation.needed is not Scope.PUBLIC
    always = (*_ALWAYS, *(_WITH_BODY if operation.body else ()), *((401,) if needs_token else ()))
    for status in sorted({*always, *operation.problems}):
        about_execution = status == 409 or 422 in operation.problems
        responses[str(status)] = _problem(status, operation.path, about_execution=about_execution)
    documented: JsonObject = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        documented["description"] = operation.description
    if parameters:
        documented["parameters"] = parameters
    if operation.body:
        view = operation.body_view
        schema: JsonObject = {} if view is None else {"$ref": _REF.format(name=view.__name__)}
        content: JsonObject = {operation.body_type: {"schema": schema}}
        documented["requestBody"] = {"description": operation.body, "required": True, "content": content}
    if authenticated:
        documented["security"] = _security(operation.needed)
    return {**documented, "responses": dict(sorted(responses.items()))}


def _segment(schema: Mapping[str, object]) -> dict[str, Any]:
    rest = {name: value for name, value in schema.items() if name != "description"}
    return {"description": schema.get("description", ""), "schema": rest}


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    documented = {
        "name": parameter.name,
        "in": place,
        "description": parameter.description,
        "schema": parameter.schema(),
    }
    return documented | {"required": True} if parameter.required else documented


def _answer(answer: Answer) -> dict[str, Any]:
    documented: dict[str, Any] = {"description": answer.description}
    if answer.headers:
        documented["headers"] = {name: {"$ref": f"#/components/headers/{_HEADERS[name]}"} for name in answer.headers}
    if answer.media_types:
        schema = {} if answer.view is None else {"schema": {"$ref": _REF.format(name=answer.view.__name__)}}
        documented["content"] = dict.fromkeys(answer.media_types, schema)
    return documented


def _example(status: int, path: str) -> JsonObject:
    """Problem details of that status as a route gives them."""
    code, detail = _CODES[status]
    if status == 404:
        code, detail = next((found for start, found in _MISSING.items() if path.startswith(start)), (code, detail))
    return problem(status, code, detail)


def _problem(status: int, path: str, *, about_execution: bool) -> dict[str, Any]:
    documented: dict[str, Any] = {"description": _DETAILS.get(status, HTTPStatus(status).phrase)}
    headers: dict[str, Any] = {}
    if about_execution and status in (409, 422, 500, 504):
        headers.update(EXECUTION_HEADER)
    if status in (429, 503):
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if headers:
        documented["headers"] = headers
    content = {"schema": {"$ref": _REF.format(name="Problem")}, "example": _example(status, path)}
    return {**documented, "content": {PROBLEM_TYPE: content}}
