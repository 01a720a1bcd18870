"""How large a value may be that a workflow hands over: looked at before anything of it is copied, parsed or recorded.

The bound is `max_value_bytes` of the workflow's component and holds for what is new: a value on record is replayed,
whatever the bound is by now. A guest that hands over more traps.
"""

from __future__ import annotations

import msgspec

from obelisk.runtime.ports.guest import GuestTrap, JsonValue
from obelisk.runtime.workers.host_calls import HostCalls


def raw(calls: HostCalls, value: JsonValue, what: str) -> msgspec.Raw:
    """The value as JSON; `what` names it for the trap, as in "parameters"."""
    encoded = msgspec.json.encode(value)
    if len(encoded) > calls.function.component.settings.max_value_bytes:
        _require(calls, len(encoded), what)
    return msgspec.Raw(encoded)


def require_text(calls: HostCalls, what: str, *texts: str) -> None:
    """Trap a guest whose texts are too large together; `what` names them."""
    _require(calls, sum(text_bytes(text) for text in texts), what)


def text_bytes(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def _require(calls: HostCalls, size: int, what: str) -> None:
    limit = calls.function.component.settings.max_value_bytes
    if size > limit and not calls.machine.facts.is_replaying:
        raise GuestTrap(f"size limit: {what} of {size} bytes as JSON, at most {limit} are allowed")
