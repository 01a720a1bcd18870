"""What workflows are written with. A component that imports this is a workflow.

Calls of imported functions need nothing of it: `payments.charge(order)` is a durable call that waits for its result.
"""

from __future__ import annotations

from obelisk_guest.calls import Call, call
from obelisk_guest.clock import now, sleep, sleep_until
from obelisk_guest.identity import execution_id, idempotency_key
from obelisk_guest.join_sets import Child, ChildFailed, Delay, JoinSet, TimedOut, gather, join_set, race
from obelisk_guest.retries import retry
from obelisk_guest.sagas import Saga, saga
from obelisk_guest.spans import Span

__all__ = [
    "Call",
    "Child",
    "ChildFailed",
    "Delay",
    "JoinSet",
    "Saga",
    "Span",
    "TimedOut",
    "call",
    "execution_id",
    "gather",
    "idempotency_key",
    "join_set",
    "now",
    "race",
    "retry",
    "saga",
    "sleep",
    "sleep_until",
]
