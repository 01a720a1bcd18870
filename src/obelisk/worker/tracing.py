"""Spans of an attempt's code belong to the trace of the call that caused it, where OpenTelemetry is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from functools import cache
from typing import Any


@cache
def _library() -> tuple[Any, Any] | None:
    """The context of OpenTelemetry and what reads `traceparent`; None without the library."""
    try:
        from opentelemetry import context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
    except ImportError:
        return None
    return context, TraceContextTextMapPropagator()


@contextlib.contextmanager
def continued(traceparent: str) -> Generator[None]:
    """Within, the current span is the one that `traceparent` names."""
    library = _library() if traceparent else None
    if library is None:
        yield
        return
    context, propagator = library
    token = context.attach(propagator.extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)
