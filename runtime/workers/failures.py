"""From a dead guest to the failure that the log records. Pure."""

from __future__ import annotations

from obelisk.runtime.log.events import Failed, FailureKind
from obelisk.runtime.ports.guest import Trapped, TrapReason

_KINDS = {
    TrapReason.TIMED_OUT: FailureKind.TIMED_OUT,
    TrapReason.OUT_OF_FUEL: FailureKind.OUT_OF_FUEL,
    TrapReason.COMPUTED_TOO_LONG: FailureKind.OUT_OF_FUEL,
    TrapReason.CUT_OFF: FailureKind.UNCATEGORIZED,
    TrapReason.WORKER: FailureKind.UNCATEGORIZED,
}
_LIMITS = {
    TrapReason.STACK_OVERFLOW: "stack limit",
    TrapReason.OUT_OF_FUEL: "fuel limit",
    TrapReason.COMPUTED_TOO_LONG: "compute limit",
    TrapReason.OUT_OF_MEMORY: "memory limit",
    TrapReason.TOO_LARGE: "size limit",
}
MAX_TEXT = 16_384
"""Characters of a message or a backtrace that are kept: a guest must not fill the log with one trap."""


def failed(trap: Trapped, ulid: str) -> Failed:
    """The final failure for a trap, with a fresh error id made of `ulid`."""
    return Failed(
        kind=_KINDS.get(trap.reason, FailureKind.TRAPPED),
        error_id=f"Err_{ulid}",
        reason=reason_of(trap),
        detail=shorten(trap.backtrace),
    )


def reason_of(trap: Trapped) -> str:
    """Why the guest died, beginning with the limit that it hit, if it was one."""
    limit = _LIMITS.get(trap.reason)
    return shorten(f"{limit}: {trap.message}" if limit else trap.message)


def too_large(value: bytes, limit: int) -> Trapped | None:
    """The end of a guest that returned more than `limit` bytes of JSON; None when it did not."""
    if len(value) <= limit:
        return None
    return Trapped(TrapReason.TOO_LARGE, f"the result has {len(value)} bytes as JSON, at most {limit} are allowed")


def shorten(text: str) -> str:
    """At most `MAX_TEXT` characters of `text`, saying how many are missing."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} more characters)"
