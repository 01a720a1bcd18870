"""From a dead guest to the failure that the log records. Pure."""

from __future__ import annotations

from obelisk.runtime.guest import Trapped, TrapReason
from obelisk.runtime.log.events import Failed, FailureKind

_KINDS = {TrapReason.TIMED_OUT: FailureKind.TIMED_OUT, TrapReason.OUT_OF_FUEL: FailureKind.OUT_OF_FUEL}
MAX_TEXT = 16_384
"""Characters of a message or a backtrace that are kept: a guest must not fill the log with one trap."""


def failed(trap: Trapped, ulid: str) -> Failed:
    """The final failure for a trap, with a fresh error id made of `ulid`."""
    return Failed(
        kind=_KINDS.get(trap.reason, FailureKind.TRAPPED),
        error_id=f"Err_{ulid}",
        reason=shorten(trap.message),
        detail=shorten(trap.backtrace),
    )


def shorten(text: str) -> str:
    """At most `MAX_TEXT` characters of `text`, saying how many are missing."""
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} more characters)"
