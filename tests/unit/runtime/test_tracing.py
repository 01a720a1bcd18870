"""Contexts of traces: read strictly, carried on by ids alone."""

from __future__ import annotations

import pytest

from obelisk.runtime.log.codec import decode_event, encode_event
from obelisk.runtime.log.events import Created
from obelisk.runtime.observe import tracing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_a_context_is_read_and_written() -> None:
    context = tracing.Context(trace_id=TRACE, span_id=SPAN)
    assert tracing.read(context.text) == (context, True)
    assert tracing.read(f"00-{TRACE}-{SPAN}-00") == (context, False)
    assert tracing.read(f"00-{TRACE}-{SPAN}-03") == (context, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"01-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01-more",
    ],
)
def test_what_is_no_context_is_none(text: str) -> None:
    assert tracing.read(text) is None


def test_what_an_execution_begins_is_below_its_span() -> None:
    below = tracing.below(f"00-{TRACE}-{SPAN}-01", "E_1")
    assert below == f"00-{TRACE}-{tracing.span_id_of('E_1')}-01"
    assert tracing.below("", "E_1") == ""
    assert tracing.span_id_of("E_1") != tracing.span_id_of("E_2")


def test_a_span_never_ends_before_it_begins() -> None:
    span = tracing.span(
        f"00-{TRACE}-{SPAN}-01", of="E_1", name="n", kind="internal", start_us=9, end_us=5, attributes={}
    )
    assert span is not None
    assert (span.parent_id, span.start_us, span.end_us) == (SPAN, 9, 9)
    assert tracing.span("", of="E_1", name="n", kind="internal", start_us=1, end_us=2, attributes={}) is None


def test_a_log_without_a_trace_reads_as_before_and_stays_as_short() -> None:
    kind, body = 1, b'{"type":"created","ffqn":"a:b/c.d","params":[],"scheduled_at_us":5,"parent":null}'
    created = decode_event(kind, body)
    assert isinstance(created, Created)
    assert created.trace == ""
    assert encode_event(created) == (kind, b'{"type":"created","ffqn":"a:b/c.d","params":[],"scheduled_at_us":5}')
