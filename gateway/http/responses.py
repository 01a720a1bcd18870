"""From outcomes and refusals to HTTP answers (the table of ARCHITECTURE §7)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from obelisk.gateway import errors
from obelisk.gateway.views import executions as views
from obelisk.runtime.log.events import ABSENT, Failed, Outcome
from obelisk.runtime.log.outcomes import case_of

EXECUTION_ID = "Obelisk-Execution-Id"
JSON = "application/json"


def execution_path(execution_id: str) -> str:
    """Where an execution is found. The id is one segment: ``/`` in it is encoded, ``:`` and ``.`` are not."""
    return f"/v1/executions/{quote(execution_id, safe=':')}"


def json_answer(view: views.View) -> Response:
    """200 with a view."""
    return Response(msgspec.json.encode(view), media_type=JSON)


def refused(refusal: errors.Refusal) -> Response:
    """The problem details of a refusal; an execution id among its members goes into the header too."""
    headers = dict(refusal.headers)
    execution_id = refusal.members.get("execution_id")
    if isinstance(execution_id, str) and refusal.status != 404:
        headers[EXECUTION_ID] = execution_id
    content = errors.body(refusal.code, refusal.detail, refusal.members)
    return Response(content, status_code=refusal.status, headers=headers, media_type=errors.MEDIA_TYPE)


def accepted(execution_id: str, headers: Mapping[str, str]) -> Response:
    """202: recorded, without a result so far."""
    path = execution_path(execution_id)
    view = views.Accepted(execution_id=execution_id, execution=path, result=f"{path}/result")
    headers = {**headers, EXECUTION_ID: execution_id, "Location": path}
    return Response(msgspec.json.encode(view), status_code=202, headers=headers, media_type=JSON)


def forked(execution_id: str) -> Response:
    """201: a new execution."""
    path = execution_path(execution_id)
    view = views.Forked(execution_id=execution_id, execution=path, result=f"{path}/result")
    headers = {EXECUTION_ID: execution_id, "Location": path}
    return Response(msgspec.json.encode(view), status_code=201, headers=headers, media_type=JSON)


def finished(execution_id: str, outcome: Outcome, headers: Mapping[str, str]) -> Response:
    """The answer to a call that has finished, as its outcome is on record: a result with its shape, or a failure."""
    if isinstance(outcome, Failed):
        refusal = errors.failure(execution_id, outcome)
        refusal.headers.update(headers)
        return refused(refusal)
    case, payload = case_of(outcome.value, outcome.shape)
    if case == "err":
        return _business_error(execution_id, ABSENT if payload is None else payload, headers)
    return _value(execution_id, payload, headers)


def _business_error(execution_id: str, payload: msgspec.Raw, headers: Mapping[str, str]) -> Response:
    members = {"error": payload, "execution_id": execution_id}
    return refused(errors.Refusal("returned_err", "the function returned err", members=members, headers=headers))


def _value(execution_id: str, value: msgspec.Raw | None, headers: Mapping[str, str]) -> Response:
    headers = {**headers, EXECUTION_ID: execution_id}
    if value is None:
        return Response(status_code=204, headers=headers)
    return Response(bytes(value), headers=headers, media_type=JSON)
