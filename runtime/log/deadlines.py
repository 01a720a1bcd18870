"""When the time of an execution is over, by what its first event says. Pure.

The bound that holds is that of the component as it was deployed when the execution was created: a later deployment
judges none that exists. First events that are older than that field say nothing: what is deployed today counts for
them, as it did before.
"""

from __future__ import annotations

from typing import Final

from obelisk.runtime.log import events as log
from obelisk.runtime.log.instants import later

UNBOUNDED: Final = 0
"""The deadline of an execution that has none on record."""


def total_ms(created: log.Created, today_ms: int) -> int:
    """How long an execution may take, in milliseconds from the instant it was scheduled for; 0: as long as it will.
    `today_ms` is what its component says today."""
    return today_ms if created.total_timeout_ms is None else created.total_timeout_ms


def deadline_us(created: log.Created, today_ms: int) -> int | None:
    """The instant at which its time is over; None: never."""
    bound_ms = today_ms if created.total_timeout_ms is None else created.total_timeout_ms
    return later(created.scheduled_at_us, bound_ms * 1000) if bound_ms else None


def recorded_deadline_us(created: log.Created) -> int | None:
    """The same as far as it is on record: `UNBOUNDED` where it has none; None where the record does not say."""
    bound_ms = created.total_timeout_ms
    if not bound_ms:
        return None if bound_ms is None else UNBOUNDED
    return later(created.scheduled_at_us, bound_ms * 1000)
