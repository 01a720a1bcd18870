"""The parts of every OpenAPI document that do not depend on functions: headers, problems, shared responses."""

from __future__ import annotations

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
    "description": "The execution is recorded and has not finished.",
    "properties": {"execution_id": {"type": "string"}},
    "required": ["execution_id"],
}

SCHEMAS: Final[JsonObject] = {"Problem": PROBLEM, "ParameterError": PARAMETER_ERROR, "Accepted": ACCEPTED}

EXECUTION_HEADER: Final[JsonObject] = {"Obelisk-Execution-Id": {"$ref": "#/components/headers/ExecutionId"}}
PREFERENCE_HEADER: Final[JsonObject] = {"Preference-Applied": {"$ref": "#/components/headers/PreferenceApplied"}}
_RETRY_HEADER: Final[JsonObject] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
_PROBLEM_CONTENT: Final[JsonObject] = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _problem(description: str, headers: JsonObject | None = None) -> JsonObject:
    response: JsonObject = {"description": description}
    if headers:
        response["headers"] = headers
    return {**response, "content": _PROBLEM_CONTENT}


RESPONSES: Final[dict[str, JsonObject]] = {
    "Accepted": {
        "description": "The execution is recorded and goes on.",
        "headers": {
            **EXECUTION_HEADER,
            "Location": {"$ref": "#/components/headers/Location"},
            **PREFERENCE_HEADER,
        },
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
    },
    "BadRequest": _problem("The body is no JSON or its parameters do not typecheck. Nothing was recorded."),
    "Unauthenticated": _problem("No valid credentials."),
    "Forbidden": _problem(
        "The token's scope is too small; or the server does not answer for that host or to that page."
    ),
    "NotFound": _problem("The function is not deployed any more."),
    "KeyConflict": _problem("The idempotency key was used with other parameters.", EXECUTION_HEADER),
    "BodyTimeout": _problem("The body took too long."),
    "TooLarge": _problem("The body is too large."),
    "UnsupportedMediaType": _problem("The body is not application/json."),
    "QueueFull": _problem("Too many executions wait, or this client asks too much.", _RETRY_HEADER),
    "HeadTooLarge": _problem("The request line and the headers are too large together."),
    "Failed": _problem("The execution failed, as `kind` says; or the server did.", EXECUTION_HEADER),
    "Unavailable": _problem("The server cannot record executions at present.", _RETRY_HEADER),
    "TimedOut": _problem("The execution timed out in all its attempts.", EXECUTION_HEADER),
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
"""The shared responses of every function, by status; 401 joins them when the document has security schemes."""
