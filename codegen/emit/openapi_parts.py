"""The parts of every OpenAPI document that do not depend on functions: headers, problems, shared responses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Final

from obelisk.codegen.emit.json_schema import JsonObject

PROBLEM_TYPE: Final = "application/problem+json"
_TAG: Final = r"[A-Za-z0-9_.-]{1,64}=[-!-+.-~]{1,128}"
TAGS: Final = rf"^{_TAG}( *, *{_TAG}){{0,15}}$"
"""As the runtime reads lists of tags."""

PARAMETERS: Final[JsonObject] = {
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N` waits up to N seconds for the result; `respond-async` answers at once (RFC 7240). "
        "`wide-integers=string` asks for integers beyond ±(2^53 − 1) as strings of decimal digits, as JavaScript needs "
        "it. What is not understood is ignored.",
        "schema": {"type": "string"},
        "examples": {
            "wait": {"summary": "wait ten seconds", "value": "wait=10"},
            "async": {"summary": "do not wait", "value": "respond-async"},
            "digits": {"summary": "keep all digits in JavaScript", "value": "wait=10, wide-integers=string"},
        },
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A key of the caller's business. The same key with the same parameters gives the same "
        "execution; with other parameters it is refused with 409.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"},
    },
    "Tags": {
        "name": "Obelisk-Tags",
        "in": "header",
        "description": "Up to 16 tags of the new execution, to find it by: `key=value`, separated by commas. An "
        "execution that its idempotency key finds keeps those that it has.",
        "schema": {"type": "string", "pattern": TAGS},
        "examples": {"two": {"summary": "two tags", "value": "order=7, tenant=acme"}},
    },
}

HEADERS: Final[JsonObject] = {
    "ExecutionId": {
        "description": "The execution that this answer is about.",
        "schema": {"type": "string"},
    },
    "PreferenceApplied": {
        "description": "Which of the request's preferences were followed (RFC 7240).",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Location": {
        "description": "Where to ask for the execution.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
}

PROBLEM: Final[JsonObject] = {
    "type": "object",
    "description": "A refusal or a failure (RFC 9457). `code` is stable and meant for programs.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Every fault of the parameters.",
            "items": {"$ref": "#/components/schemas/ParameterError"},
        },
        "kind": {"type": "string", "description": "How the execution failed."},
        "error_id": {"type": "string", "description": "Quote it when asking about a failure."},
        "execution_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "code", "detail"],
}

PARAMETER_ERROR: Final[JsonObject] = {
    "type": "object",
    "description": "One fault of the parameters.",
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into the body."},
        "expected": {"type": "string", "description": "The WIT type that was expected there."},
        "detail": {"type": "string"},
    },
    "required": ["pointer", "expected", "detail"],
}

ACCEPTED: Final[JsonObject] = {
    "type": "object",
    "description": "A call that is recorded and has no result yet.",
    "properties": {
        "execution_id": {"type": "string"},
        "execution": {"type": "string"},
        "result": {"type": "string"},
    },
    "required": ["execution_id", "execution", "result"],
}

SCHEMAS: Final[JsonObject] = {"Problem": PROBLEM, "ParameterError": PARAMETER_ERROR, "Accepted": ACCEPTED}

EXECUTION_HEADER: Final[JsonObject] = {"Obelisk-Execution-Id": {"$ref": "#/components/headers/ExecutionId"}}
PREFERENCE_HEADER: Final[JsonObject] = {"Preference-Applied": {"$ref": "#/components/headers/PreferenceApplied"}}
_RETRY_HEADER: Final[JsonObject] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}

EXECUTION_ID: Final = "E_01J3N4T8W0V6Q2R7Y5K9M1C3B7"
"""Stands in examples."""

FOLLOW_UPS: Final[Mapping[str, tuple[str, str]]] = {
    "get-execution": ("get", "/v1/executions/{execution_id}"),
    "get-result": ("get", "/v1/executions/{execution_id}/result"),
    "list-events": ("get", "/v1/executions/{execution_id}/events"),
    "follow-events": ("get", "/v1/executions/{execution_id}/events/follow"),
    "list-responses": ("get", "/v1/executions/{execution_id}/responses"),
    "cancel-execution": ("post", "/v1/executions/{execution_id}/cancel"),
    "pause-execution": ("post", "/v1/executions/{execution_id}/pause"),
    "unpause-execution": ("post", "/v1/executions/{execution_id}/unpause"),
    "replay-execution": ("post", "/v1/executions/{execution_id}/replay"),
    "upgrade-execution": ("post", "/v1/executions/{execution_id}/upgrade"),
    "stub-execution": ("put", "/v1/executions/{execution_id}/stub"),
}
"""What may be asked of an execution once its id is known: method and path of each operation of the server."""

LINKED: Final[JsonObject] = {name: {"$ref": f"#/components/links/{name}"} for name in FOLLOW_UPS}


def links(known: Collection[str]) -> JsonObject:
    """The links to `FOLLOW_UPS`: by their ids where the document has them (`known`), else into that of the server."""
    parameters: JsonObject = {"execution_id": "$response.header.Obelisk-Execution-Id"}
    made: JsonObject = {}
    for name, (method, path) in FOLLOW_UPS.items():
        place = path.replace("~", "~0").replace("/", "~1")
        target = {"operationId": name} if name in known else {"operationRef": f"/openapi.json#/paths/{place}/{method}"}
        made[name] = {**target, "parameters": parameters}
    return made


def problem(status: int, code: str, detail: str, more: JsonObject | None = None) -> JsonObject:
    """An example of problem details, as a server writes them."""
    title = HTTPStatus(status).phrase
    members: JsonObject = {"type": f"urn:obelisk:problem:{code}", "title": title, "status": status, "code": code}
    return {**members, "detail": detail, **(more or {})}


def _problem(description: str, example: JsonObject, headers: JsonObject | None = None) -> JsonObject:
    response: JsonObject = {"description": description}
    if headers:
        response["headers"] = headers
    schema: JsonObject = {"$ref": "#/components/schemas/Problem"}
    return {**response, "content": {PROBLEM_TYPE: {"schema": schema, "example": example}}}


_ABOUT: Final[JsonObject] = {"execution_id": EXECUTION_ID}
_FAULT: Final[JsonObject] = {"pointer": "/n", "expected": "u8", "detail": "found 300, out of range 0 to 255"}
_FAILURE: Final[JsonObject] = {"error_id": "Err_01J3N4T8W0V6Q2R7Y5K9M1C3B7", **_ABOUT}

RESPONSES: Final[dict[str, JsonObject]] = {
    "Accepted": {
        "description": "The execution is recorded and goes on.",
        "headers": {
            **EXECUTION_HEADER,
            "Location": {"$ref": "#/components/headers/Location"},
            **PREFERENCE_HEADER,
        },
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Accepted"},
                "example": {
                    "execution_id": EXECUTION_ID,
                    "execution": f"/v1/executions/{EXECUTION_ID}",
                    "result": f"/v1/executions/{EXECUTION_ID}/result",
                },
            }
        },
        "links": LINKED,
    },
    "BadRequest": _problem(
        "The body is no JSON or its parameters do not typecheck. Nothing was recorded.",
        problem(400, "params_invalid", "the parameters do not have the types of the function", {"errors": [_FAULT]}),
    ),
    "Unauthenticated": _problem(
        "No valid credentials, where a server asks for them.",
        problem(401, "unauthenticated", "a valid bearer token is needed"),
    ),
    "Forbidden": _problem(
        "The token's scope is too small; or the server does not answer for that host or to that page.",
        problem(403, "scope_insufficient", "this needs the scope submit, the token has read"),
    ),
    "NotFound": _problem(
        "The function is not deployed any more.",
        problem(404, "function_not_found", "no deployed component exports demo:fibo/fibo.fibo"),
    ),
    "KeyConflict": _problem(
        "The idempotency key was used with other parameters.",
        problem(409, "idempotency_conflict", "the key was used for another call", _ABOUT),
        EXECUTION_HEADER,
    ),
    "BodyTimeout": _problem(
        "The body took too long.", problem(408, "request_timeout", "the body took longer than 30 s")
    ),
    "TooLarge": _problem(
        "The body is too large.", problem(413, "body_too_large", "the body is larger than 4194304 bytes")
    ),
    "UnsupportedMediaType": _problem(
        "The body is not application/json.",
        problem(415, "media_type_unsupported", "expected content type application/json, found text/plain"),
    ),
    "QueueFull": _problem(
        "Too many executions wait, or this client asks too much.",
        problem(429, "queue_full", "1000 executions wait for an executor, which is the limit"),
        _RETRY_HEADER,
    ),
    "HeadTooLarge": _problem(
        "The request line and the headers are too large together.",
        problem(431, "head_too_large", "the request line and the headers are too large together"),
    ),
    "Failed": _problem(
        "The execution failed, as `kind` says; or the server did.",
        problem(500, "execution_failed", "the component trapped", {"kind": "trapped", **_FAILURE}),
        EXECUTION_HEADER,
    ),
    "Unavailable": _problem(
        "The server cannot record executions at present.",
        problem(503, "store_unavailable", "the database cannot be written"),
        _RETRY_HEADER,
    ),
    "TimedOut": _problem(
        "The execution timed out in all its attempts.",
        problem(504, "execution_timed_out", "all attempts timed out", {"kind": "timed_out", **_FAILURE}),
        EXECUTION_HEADER,
    ),
}

SECURITY_SCHEMES: Final[dict[str, JsonObject]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `obelisk token create`. Scope `admin` includes `submit`, which includes `read`.",
    }
}

STATUSES: Final[dict[str, str]] = {
    "202": "Accepted",
    "400": "BadRequest",
    "401": "Unauthenticated",
    "403": "Forbidden",
    "404": "NotFound",
    "408": "BodyTimeout",
    "409": "KeyConflict",
    "413": "TooLarge",
    "415": "UnsupportedMediaType",
    "429": "QueueFull",
    "431": "HeadTooLarge",
    "500": "Failed",
    "503": "Unavailable",
    "504": "TimedOut",
}
"""The shared responses of every function, by status."""
