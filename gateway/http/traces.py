"""The span of a call over HTTP, and the context that its execution is recorded with.

A ``traceparent`` that the client sends is taken up, sampled or not; without one a new trace begins, for as many calls
as are to be sampled.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from obelisk.gateway.http.incoming import Call
from obelisk.runtime.observe import tracing
from obelisk.runtime.usecases.api import Api

_FINE = 1 << 32


class CallTrace:
    """The trace of one call; `text` goes into the execution, ``""`` when the call is not traced."""

    def __init__(self, api: Api, request: Call) -> None:
        self.text = ""
        self._api = api
        if api.tracer is None:
            return
        given = tracing.read(request.headers.get("traceparent", ""))
        if given is None:
            context = tracing.Context(trace_id=secrets.token_hex(16), span_id="")
            sampled = secrets.randbelow(_FINE) < api.tracer.ratio * _FINE
        else:
            context, sampled = given
        if not sampled:
            return
        self._span_id = secrets.token_hex(8)
        self._above = context
        self._start_us = api.now_us()
        self._name = f"{request.method} {request.path}"
        self._attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.path": request.path,
        }
        self.text = tracing.Context(trace_id=context.trace_id, span_id=self._span_id).text

    def end(self, status: int, more: Mapping[str, str | int]) -> None:
        """The call was answered."""
        if not self.text or self._api.tracer is None:
            return
        self._api.tracer.tell(
            tracing.Span(
                name=self._name,
                kind="server",
                trace_id=self._above.trace_id,
                span_id=self._span_id,
                parent_id=self._above.span_id,
                start_us=self._start_us,
                end_us=self._api.now_us(),
                attributes={**self._attributes, "http.response.status_code": status, **more},
                error=f"status {status}" if status >= 500 else "",
            )
        )
