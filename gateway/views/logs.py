"""What is shown of logs: an event is its log form with its instants turned into text, as in `executions`. Pure."""

from __future__ import annotations

from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from obelisk.gateway.views.executions import Instant, View, instant
from obelisk.runtime.log.lines import LEVELS, SOURCES, NumberedLine
from obelisk.runtime.ports.store import LoggedEvent, LoggedResponse

_UNIT: Final = "_us"


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


class GuestLine(View, frozen=True, kw_only=True):
    """A line that a guest logged, or wrote to a standard stream; `run` is the lock under which it did.

    A run is one attempt of an activity, or one stretch of a workflow; the execution's log has its `locked` event.
    """

    number: int
    at: Instant
    run: str
    source: Literal["log", "stdout", "stderr"]
    level: Literal["trace", "debug", "info", "warn", "error"]
    text: str


class GuestLines(View, frozen=True, kw_only=True):
    """A slice of an execution's lines; `next` is the number to go on from, null when there are no more for now.

    `dropped` counts the lines of the execution that are not kept.
    """

    items: list[GuestLine]
    next: int | None
    dropped: int


def log_entry(logged: LoggedEvent) -> LogEntry:
    """The view of an event."""
    return LogEntry(version=logged.version, at=instant(logged.at_us), event=_edge(logged.event))


def response_entry(logged: LoggedResponse) -> ResponseEntry:
    """The view of a response."""
    return ResponseEntry(number=logged.number, at=instant(logged.at_us), response=_edge(logged.response))


def guest_line(numbered: NumberedLine) -> GuestLine:
    """The view of a line."""
    line = numbered.line
    return msgspec.convert(
        {
            "number": numbered.number,
            "at": instant(line.at_us),
            "run": line.run,
            "source": SOURCES[line.source],
            "level": LEVELS[line.level],
            "text": line.text,
        },
        GuestLine,
    )


def _edge_name(name: str) -> str:
    """The name outside of a field: instants are shown without their unit."""
    return name.removesuffix(_UNIT) if name.endswith(f"_at{_UNIT}") else name


def _edge(record: msgspec.Struct) -> dict[str, Any]:
    """The JSON form of an event or response, or of a record in one, whole and with its instants as text."""
    tag = record.__struct_config__.tag
    shown: dict[str, Any] = {} if tag is None else {"type": tag}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        outside = _edge_name(name)
        if outside != name:
            shown[outside] = None if value is None else instant(value)
        else:
            shown[name] = _edge(value) if isinstance(value, msgspec.Struct) else value
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
        at: Any = shown_type(hints[name])
        if outside != name:
            at = cast("Any", Instant) | None if type(None) in get_args(hints[name]) else Instant
        fields.append((outside, at))
    config = record.__struct_config__
    return msgspec.defstruct(
        record.__name__, fields, tag=config.tag, tag_field=config.tag_field, namespace={"__doc__": record.__doc__}
    )
