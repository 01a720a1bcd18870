"""What is on record of a lock."""

from __future__ import annotations

from obelisk.runtime.executor.watchers import GONE
from obelisk.runtime.log.events import (
    CancellationRequested,
    Event,
    Finished,
    Locked,
    Paused,
    TemporarilyFailed,
    TemporarilyTimedOut,
    Unlocked,
)
from obelisk.runtime.ports.store import LoggedEvent

ENDS_OF_LOCKS = Unlocked | TemporarilyFailed | TemporarilyTimedOut | Paused | CancellationRequested | Finished
LATE_S = 120
"""How long it may take until it is found out that a time is over."""


def covers(events: list[LoggedEvent], locked: Locked) -> bool:
    """Whether a lock is the last thing on record, or all that came after it are interventions, of which news may be
    late, or the end of its lease, which nobody has made use of."""
    after = (logged.event for logged in reversed(events))
    late = (e for e in after if not (isinstance(e, CancellationRequested | Paused) or _is_release(e)))
    return next(late, None) == locked


def _is_release(event: Event) -> bool:
    return isinstance(event, Unlocked) and event.reason == GONE
