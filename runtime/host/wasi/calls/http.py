"""`wasi:http` as a whole, also for workflows whose toolchain imports it: these are denied every request."""

from __future__ import annotations

from typing import Final

from obelisk.runtime.host.wasi.calls.call import Calls
from obelisk.runtime.host.wasi.calls.http_fields import FIELD_CALLS
from obelisk.runtime.host.wasi.calls.http_requests import HANDLER_CALLS, REQUEST_CALLS
from obelisk.runtime.host.wasi.calls.http_responses import RESPONSE_CALLS, SERVING_CALLS
from obelisk.runtime.host.wasi.calls.offer import WITHOUT_HTTP

WITH_HTTP: Final[Calls] = {
    **WITHOUT_HTTP,
    "wasi:http/types": {**FIELD_CALLS, **REQUEST_CALLS, **RESPONSE_CALLS, **SERVING_CALLS},
    "wasi:http/outgoing-handler": HANDLER_CALLS,
}
"""The calls of a guest that has `wasi:http`."""
