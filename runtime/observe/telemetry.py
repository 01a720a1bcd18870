"""Spans to an OpenTelemetry collector, by OTLP over HTTP; the only module that knows the library, which is optional.

Spans are exported in batches on a thread of the library's; what cannot be sent is dropped by it, with a warning in the
log. Headers, timeouts and certificates of the collector are those of the standard variables ``OTEL_EXPORTER_OTLP_…``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from obelisk.runtime.errors import ConfigError
from obelisk.runtime.observe.tracing import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_MISSING: Final = 'tracing.endpoint: needs OpenTelemetry: pip install "obelisk-engine[tracing]"'


class OtlpTracer:
    """A `tracing.Tracer`. ConfigError when the library is not installed."""

    def __init__(
        self, endpoint: str, *, service: str, version: str, ratio: float = 1.0, exporter: SpanExporter | None = None
    ) -> None:
        """`exporter` is made for `endpoint` when None."""
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        except ImportError:
            raise ConfigError(_MISSING, key="tracing.endpoint") from None
        self.ratio = ratio
        self._resource = Resource.create({"service.name": service, "service.version": version})
        self._scope = InstrumentationScope("obelisk", version)
        self._processor = BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=endpoint))

    def tell(self, span: Span) -> None:
        """See `Tracer`."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
        from opentelemetry.trace.status import Status, StatusCode

        trace_id, flags = int(span.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
        parent = None
        if span.parent_id:
            parent = SpanContext(trace_id, int(span.parent_id, 16), is_remote=True, trace_flags=flags)
        self._processor.on_end(
            ReadableSpan(
                name=span.name,
                context=SpanContext(trace_id, int(span.span_id, 16), is_remote=False, trace_flags=flags),
                parent=parent,
                resource=self._resource,
                attributes=dict(span.attributes),
                kind=SpanKind[span.kind.upper()],
                status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
                start_time=span.start_us * 1000,
                end_time=span.end_us * 1000,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what waits, for a few seconds at most, and end the thread."""
        shutdown: Callable[[], None] = self._processor.shutdown  # it has no types
        shutdown()
