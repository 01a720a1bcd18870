"""Traces: spans of requests, executions, attempts and requests of guests, tied together by their ids. Pure.

A trace's context travels as W3C ``traceparent`` text: from the HTTP request into the `created` event of its execution,
and from there into those of its children. Ids of spans follow from what they are of, so that a child, which may run in
another process and years later, names its parent's span without asking. Only what is sampled has a context; everything
else carries ``""`` and costs nothing. A span is told when it has ended.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")
_NO_TRACE: Final = "0" * 32
_NO_SPAN: Final = "0" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time. Ids are lower-case hexadecimal, instants microseconds since 1970; `error` is why it
    failed, ``""`` when it did not."""

    name: str
    kind: Literal["server", "internal", "client"]
    trace_id: str
    span_id: str
    parent_id: str
    start_us: int
    end_us: int
    attributes: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])
    error: str = ""


class Tracer(Protocol):
    """Where spans go; any thread, never blocks. `ratio` of the calls that bring no context of their own are traced."""

    @property
    def ratio(self) -> float:
        """From 0 to 1."""
        ...

    def tell(self, span: Span) -> None:
        """Pass on a span that has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A place in a trace: what comes next has the span `span_id` as its parent."""

    trace_id: str
    span_id: str

    @property
    def text(self) -> str:
        """As ``traceparent``, sampled."""
        return f"00-{self.trace_id}-{self.span_id}-01"


def read(text: str) -> tuple[Context, bool] | None:
    """The context in a ``traceparent`` and whether it is sampled; None for text that is none."""
    found = _TRACEPARENT.match(text)
    if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
        return None
    return Context(trace_id=found[1], span_id=found[2]), bool(int(found[3], 16) & 1)


def span_id_of(name: str) -> str:
    """The id of the span of an execution or a run, by its id."""
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()


def below(trace: str, execution_id: str) -> str:
    """The ``traceparent`` of what an execution begins; ``""`` when it is not traced itself."""
    known = read(trace) if trace else None
    return "" if known is None else Context(trace_id=known[0].trace_id, span_id=span_id_of(execution_id)).text


def span(
    trace: str,
    *,
    of: str,
    name: str,
    kind: Literal["server", "internal", "client"],
    start_us: int,
    end_us: int,
    attributes: Mapping[str, str | int],
    error: str = "",
) -> Span | None:
    """The span of `of` (an id, or any text that is like no other) below the place `trace`; None when that is none."""
    known = read(trace) if trace else None
    if known is None:
        return None
    context, _ = known
    return Span(
        name=name,
        kind=kind,
        trace_id=context.trace_id,
        span_id=span_id_of(of),
        parent_id=context.span_id,
        start_us=start_us,
        end_us=max(start_us, end_us),
        attributes=attributes,
        error=error,
    )
