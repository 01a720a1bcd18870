"""The conditions that a listing and the bulk interventions share, as query parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from obelisk.gateway.document.operations import Parameter, ParameterValue
from obelisk.gateway.errors import Refusal
from obelisk.gateway.views import executions as views
from obelisk.runtime import tags
from obelisk.runtime.catalog.registry import Component, Registry
from obelisk.runtime.deployment.deployment import Deployment
from obelisk.runtime.ports.store import Query

_WHAT: Final = (
    Parameter(name="function", kind="text", description="Only functions whose name starts so: `ns:pkg/ifc.fn`."),
    Parameter(name="component", kind="text", description="Only functions of the deployed component of that name."),
    Parameter(
        name="tags", kind="tags", description="Only what has all of these tags: `order=7` or `order=7,tenant=acme`."
    ),
    Parameter(name="created_from", kind="instant", description="Only what was created at this instant or later."),
    Parameter(name="created_before", kind="instant", description="Only what was created before this instant."),
)
_CONDITIONS: Final = (
    *_WHAT,
    Parameter(
        name="digest",
        kind="text",
        description=(
            "Only executions that ran with this build: `sha256:…`. It is looked for in their logs, so something that "
            "leaves few of them is needed, too: `status` (not `finished`), `parent`, `tags` or `created_from`."
        ),
    ),
    Parameter(name="parent", kind="text", description="Only children of this execution."),
    Parameter(name="idempotency_key", kind="text", description="Only what was submitted with this key."),
    Parameter(name="top_level", kind="boolean", description="Only executions without a parent.", default=False),
)
_RESULT_KIND: Final = Parameter(
    name="result_kind",
    kind="text",
    description="Only what ended so; `failed` is every failure, that is all but `ok` and `err`.",
    choices=("failed", *views.RESULT_KINDS),
)
FILTERS: Final = (
    *_CONDITIONS,
    Parameter(
        name="status",
        kind="text",
        description="Only this status; `open` is every status but `finished`.",
        choices=("open", *views.STATUSES),
    ),
    _RESULT_KIND,
    Parameter(name="finished_before", kind="instant", description="Only what finished before this instant."),
)
"""For what may have finished."""

OPEN_FILTERS: Final = (
    *_CONDITIONS,
    Parameter(
        name="status",
        kind="text",
        description="Only this status; `open` is all of them.",
        choices=("open", *(status for status in views.STATUSES if status != "finished")),
    ),
)
"""For what has not finished; without `status` all of it."""

DELETE_FILTERS: Final = (*_WHAT, _RESULT_KIND)
"""For trees of which all has finished: conditions on their roots."""

CURSOR: Final = Parameter(name="cursor", kind="text", description="`next_cursor` of the previous page.")


def query_of(values: Mapping[str, ParameterValue], deployment: Deployment, *, limit: int) -> Query:
    """The query that the values of `FILTERS`, `OPEN_FILTERS` or `DELETE_FILTERS`, and `CURSOR`, stand for.

    ComponentNotFound; Refusal ``parameter_invalid`` for a digest that would be looked for in all logs there are.
    """
    name = _text(values["component"])
    query = Query(
        ffqn_prefix=_text(values["function"]),
        ffqns=None if name is None else functions_of(deployment.find(name), deployment.registry),
        digest=_text(values.get("digest")),
        parent=_text(values.get("parent")),
        top_level_only=values.get("top_level") is True,
        status=_text(values.get("status")),
        result_kind=_text(values.get("result_kind")),
        created_from_us=_instant(values["created_from"]),
        created_before_us=_instant(values["created_before"]),
        finished_before_us=_instant(values.get("finished_before")),
        tags=tags.parse(_text(values["tags"]) or "") or (),
        key=_text(values.get("idempotency_key")),
        cursor=_text(values.get("cursor")),
        limit=limit,
    )
    if query.digest is not None and not _is_narrow(query):
        detail = "parameter digest: needs status (not finished), parent, tags or created_from as well"
        raise Refusal("parameter_invalid", detail, members={"parameter": "digest"})
    return query


def functions_of(component: Component, registry: Registry) -> tuple[str, ...]:
    """The names of the functions that a component serves."""
    return tuple(ffqn for ffqn, function in registry.functions.items() if function.component is component)


def _is_narrow(query: Query) -> bool:
    """Whether an index leads to what is asked for, or a bound on time that the caller has chosen."""
    is_open = query.status not in (None, "finished")
    return is_open or query.parent is not None or query.created_from_us is not None or bool(query.tags)


def _text(value: ParameterValue) -> str | None:
    return value if isinstance(value, str) else None


def _instant(value: ParameterValue) -> int | None:
    return value if isinstance(value, int) else None
