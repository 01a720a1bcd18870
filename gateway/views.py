"""What the control plane shows, as JSON: records of the runtime turned into views at the HTTP edge.

Instants become RFC 3339 text in UTC with microseconds, and their fields lose the unit: ``created_at_us`` is
``created_at``. An event is its log form with its instants turned so. The views' classes are also where the OpenAPI
document takes its schemas from. Pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

from obelisk.runtime.effects import Intervened
from obelisk.runtime.log.events import Event, Response
from obelisk.runtime.ports import LoggedEvent, LoggedResponse, Page, Summary
from obelisk.runtime.registry import Component, Registry

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_UNIT: Final = "_us"

Instant: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
STATUSES: Final = ("pending_at", "locked", "blocked_by_join_set", "paused", "cancelling", "finished")
Status: TypeAlias = Literal["pending_at", "locked", "blocked_by_join_set", "paused", "cancelling", "finished"]
ResultKind: TypeAlias = Literal[
    "ok", "err", "trapped", "timed_out", "nondeterminism_detected", "out_of_fuel", "cancelled", "uncategorized"
]


def instant(at_us: int) -> str:
    """RFC 3339 of microseconds since 1970; what lies beyond the year 9999 is its last microsecond."""
    try:
        moment = _EPOCH + timedelta(microseconds=at_us)
    except OverflowError:
        moment = _LAST
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Root of what is shown; the class name is the schema's name."""


class Accepted(View, frozen=True, kw_only=True):
    """A call that is recorded and has no result yet."""

    execution_id: str
    execution: str
    result: str


class Execution(View, frozen=True, kw_only=True):
    """One execution's line. `waits_for` is the join set it waits on; `result_kind` is set once it has finished."""

    execution_id: str
    ffqn: str
    parent: str | None
    status: Status
    waits_for: str | None
    pending_at: Instant | None
    executor: str | None
    version: int
    attempts: int
    created_at: Instant
    updated_at: Instant
    finished_at: Instant | None
    result_kind: ResultKind | None


class Intervention(View, frozen=True, kw_only=True):
    """What an intervention did; `execution_id` is the id it was asked for, of an execution or of a delay.

    `done`: it is recorded. `already`: it was so before. `cancelling`, `finished`: too late, nothing was recorded.
    """

    execution_id: str
    effect: Literal["done", "already", "cancelling", "finished"]


class Executions(View, frozen=True, kw_only=True):
    """A page of executions, newest first; `next_cursor` is null on the last one."""

    items: list[Execution]
    next_cursor: str | None


class LogEntry(View, frozen=True, kw_only=True):
    """An event of an execution's log; `version` is its index."""

    version: int
    at: Instant
    event: Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Event"})]


class LogEntries(View, frozen=True, kw_only=True):
    """A slice of a log; `next` is the version to go on from, null when the log has no more for now."""

    items: list[LogEntry]
    next: int | None


class ResponseEntry(View, frozen=True, kw_only=True):
    """A response to an execution; `number` is its index."""

    number: int
    at: Instant
    response: Annotated[dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/Response"})]


class ResponseEntries(View, frozen=True, kw_only=True):
    """A slice of an execution's responses; `next` is the number to go on from, null when there are no more for now."""

    items: list[ResponseEntry]
    next: int | None


class ComponentView(View, frozen=True, kw_only=True):
    """A deployed component. `settings` as in the configuration file, with the defaults filled in."""

    name: str
    kind: Literal["workflow", "activity", "stub"]
    digest: str
    settings: dict[str, Any]
    imports: list[str]
    exports: list[str]
    functions: list[str]


class Components(View, frozen=True, kw_only=True):
    """All deployed components."""

    items: list[ComponentView]


class RemovedComponent(View, frozen=True, kw_only=True):
    """A component that is not deployed any more, and the digest of its binary."""

    name: str
    digest: str


class Param(View, frozen=True, kw_only=True):
    """A parameter: `name` as in WIT, `type` its WIT text."""

    name: str
    type: str


class FunctionView(View, frozen=True, kw_only=True):
    """A deployed function. `result` is the WIT text of its type, null without one.

    `params_schema` and `result_schema` are JSON Schemas of the named parameters and of the result in canonical form,
    each complete in itself. A function that has no endpoint has no `path`, and `unsupported` says why.
    """

    ffqn: str
    component: str
    kind: Literal["workflow", "activity", "stub"]
    digest: str
    docs: str
    wit: str
    params: list[Param]
    result: str | None
    path: str | None
    unsupported: str | None
    params_schema: dict[str, Any] | None
    result_schema: dict[str, Any] | None
    example: dict[str, Any] | None


class Functions(View, frozen=True, kw_only=True):
    """All deployed functions, in order of their names."""

    items: list[FunctionView]


class Health(View, frozen=True, kw_only=True):
    """The server is there."""

    status: Literal["ok"]


def execution(summary: Summary) -> Execution:
    """The view of an execution's line."""
    return msgspec.convert(
        {
            "execution_id": summary.execution_id,
            "ffqn": summary.ffqn,
            "parent": summary.parent,
            "status": summary.status,
            "waits_for": summary.waits_for,
            "pending_at": _instant_or_none(summary.pending_at_us),
            "executor": summary.executor,
            "version": summary.version,
            "attempts": summary.attempts,
            "created_at": instant(summary.created_at_us),
            "updated_at": instant(summary.updated_at_us),
            "finished_at": _instant_or_none(summary.finished_at_us),
            "result_kind": summary.result_kind or None,
        },
        Execution,
    )


def intervention(intervened: Intervened) -> Intervention:
    """The view of what an intervention did."""
    return Intervention(execution_id=intervened.id, effect=intervened.effect.value)


def executions(page: Page) -> Executions:
    """The view of a page."""
    return Executions(items=[execution(summary) for summary in page.items], next_cursor=page.cursor)


def log_entry(logged: LoggedEvent) -> LogEntry:
    """The view of an event."""
    return LogEntry(version=logged.version, at=instant(logged.at_us), event=_edge(logged.event))


def response_entry(logged: LoggedResponse) -> ResponseEntry:
    """The view of a response."""
    return ResponseEntry(number=logged.number, at=instant(logged.at_us), response=_edge(logged.response))


def component(component: Component, registry: Registry) -> ComponentView:
    """The view of a component of `registry`."""
    description = component.description
    return ComponentView(
        name=component.name,
        kind=component.kind.value,
        digest=component.digest,
        settings=msgspec.to_builtins(component.settings),
        imports=sorted([str(i.name) for i in description.imports] + list(description.plain_imports)),
        exports=[str(i.name) for i in description.exports],
        functions=[f.ffqn for f in registry.functions.values() if f.component.name == component.name],
    )


def _edge_name(name: str) -> str:
    """The name outside of a field: instants are shown without their unit."""
    return name.removesuffix(_UNIT) if name.endswith(f"_at{_UNIT}") else name


def _edge(record: Event | Response) -> dict[str, Any]:
    """The JSON form of an event or response with its instants as text."""
    shown: dict[str, Any] = {"type": record.__struct_config__.tag}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        outside = _edge_name(name)
        shown[outside] = value if outside == name else instant(value)
    return shown


def shown_type(type_: Any) -> Any:
    """The type of what `_edge` makes of a value of `type_`, for its schema: nothing in it is optional."""
    if type_ is msgspec.Raw:
        return Any
    if get_origin(type_) in (Union, UnionType):
        first, *others = get_args(type_)
        whole: Any = shown_type(first)
        for other in others:
            whole = whole | shown_type(other)
        return whole
    return _shown_record(type_) if hasattr(type_, "__struct_fields__") else type_


@cache
def _shown_record(record: type[msgspec.Struct]) -> type[msgspec.Struct]:
    hints = get_type_hints(record)
    fields: list[tuple[str, Any]] = []
    for name in record.__struct_fields__:
        outside = _edge_name(name)
        fields.append((outside, shown_type(hints[name]) if outside == name else Instant))
    config = record.__struct_config__
    return msgspec.defstruct(
        record.__name__, fields, tag=config.tag, tag_field=config.tag_field, namespace={"__doc__": record.__doc__}
    )


def _instant_or_none(at_us: int | None) -> str | None:
    return None if at_us is None else instant(at_us)
