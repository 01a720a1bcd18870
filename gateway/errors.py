"""What clients get told when something is wrong: problem details (RFC 9457) with a stable `code`, for everything.

One table maps codes to HTTP statuses, of the runtime's exceptions and of the gateway's own refusals alike; a failed
execution also has its kind. Pure: no web framework here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from obelisk.codegen.model.problems import Problem
from obelisk.runtime.deployment.progress import Preparing
from obelisk.runtime.errors import ObeliskError, ParamsInvalid
from obelisk.runtime.log.events import Failed, FailureKind

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final[Mapping[str, int]] = {
    # exceptions of the runtime
    "internal": 500,
    "config_invalid": 500,
    "component_invalid": 422,
    "import_unknown": 422,
    "component_not_found": 404,
    "component_in_use": 409,
    "function_not_found": 404,
    "worker_not_found": 404,
    "params_invalid": 400,
    "cursor_invalid": 400,
    "execution_not_found": 404,
    "not_cancellable": 409,
    "idempotency_conflict": 409,
    "not_a_stub": 409,
    "result_invalid": 400,
    "result_conflict": 409,
    "not_replayable": 409,
    "incompatible": 409,
    "fork_invalid": 409,
    "conflict": 409,
    "queue_full": 429,
    "unsupported": 501,
    "no_room": 503,
    "store_unavailable": 503,
    "log_corrupt": 500,
    # refusals of the gateway
    "body_invalid": 400,
    "parameter_invalid": 400,
    "bad_request": 400,
    "route_not_found": 404,
    "function_not_served": 404,
    "method_not_allowed": 405,
    "body_too_large": 413,
    "value_too_large": 413,
    "media_type_unsupported": 415,
    "request_timeout": 408,
    "head_too_large": 431,
    "unauthenticated": 401,
    "scope_insufficient": 403,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "too_many_requests": 429,
    "not_ready": 503,
    "too_many_connections": 503,
    # outcomes of executions
    "returned_err": 422,
    "execution_failed": 500,
    "execution_timed_out": 504,
}
"""Code → HTTP status; the only place where one is chosen."""

RETRY_AFTER_S: Final = 1
"""What ``Retry-After`` says when nothing better is known."""

_DETAIL_CHARS: Final = 8_192
"""Of a sentence that repeats what a stranger sent, or what a guest said when it failed."""
_RESERVED: Final = frozenset({"type", "title", "status", "code", "detail"})
_HIDDEN: Final = frozenset({"internal", "config_invalid"})


class Refusal(Exception):
    """The gateway refuses a request: a code of `STATUS`, a sentence, further members and headers of the answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.members = dict(members or {})
        self.headers = dict(headers or {})

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS[self.code]


def body(code: str, detail: str, members: Mapping[str, object] | None = None, *, status: int | None = None) -> bytes:
    """The problem details of a code as JSON; `members` come after the standard ones and never replace them."""
    status = STATUS[code] if status is None else status
    if len(detail) > _DETAIL_CHARS:
        detail = f"{detail[:_DETAIL_CHARS]}…"
    standard: dict[str, object] = {
        "type": f"urn:obelisk:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    extra = {name: value for name, value in (members or {}).items() if name not in _RESERVED}
    return msgspec.json.encode(standard | extra)


def starting(preparing: Preparing) -> Refusal:
    """What a client is told while components are being prepared and what it asks for is not there yet."""
    return Refusal(
        "not_ready",
        f"the server is starting: {preparing}",
        members={"done": preparing.done, "total": preparing.total, "names": list(preparing.names)},
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )


def located(problems: Sequence[object]) -> list[dict[str, str]]:
    """The ``errors`` member: every fault of a body with its JSON pointer."""
    return [
        {"pointer": problem.pointer, "expected": problem.expected, "detail": problem.detail}
        for problem in problems
        if isinstance(problem, Problem)
    ]


def refusal(error: ObeliskError) -> Refusal:
    """What a client is told of an exception of the runtime. One that is no client's business gets no detail."""
    code = error.code if error.code in STATUS else "internal"
    if code in _HIDDEN:
        return Refusal("internal", "the server failed; its log has the reason")
    members = dict(error.fields)
    if isinstance(error, ParamsInvalid):
        members["errors"] = located(error.problems)
    headers: dict[str, str] = {}
    if STATUS[code] in (429, 503):
        after = error.fields.get("retry_after_s")
        headers["Retry-After"] = str(max(1, round(after)) if isinstance(after, int | float) else RETRY_AFTER_S)
    return Refusal(code, error.message, members=members, headers=headers)


def failure(execution_id: str, failed: Failed) -> Refusal:
    """What a client is told of an execution that failed for good."""
    code = "execution_timed_out" if failed.kind is FailureKind.TIMED_OUT else "execution_failed"
    members = {"kind": failed.kind.value, "error_id": failed.error_id, "execution_id": execution_id}
    return Refusal(code, failed.reason, members=members)
