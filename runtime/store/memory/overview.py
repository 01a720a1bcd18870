"""What a database in memory has, counted as `store.sqlite.overview` counts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from obelisk.runtime import ids
from obelisk.runtime.log.state import LockedBy
from obelisk.runtime.ports.overview import Rates
from obelisk.runtime.store.memory.database import MemoryDatabase


def rates(database: MemoryDatabase, from_us: int, step_us: int, steps: int) -> Rates:
    """See `OverviewStore.rates`."""

    def counts(instants: Iterable[int | None]) -> tuple[int, ...]:
        by_step = Counter((at_us - from_us) // step_us for at_us in instants if at_us is not None)
        return tuple(by_step[step] for step in range(steps))

    top_level = [e for e in database.executions.values() if ids.parent_of(e.execution_id) is None]
    return Rates(
        started=counts(execution.created_at_us for execution in top_level),
        finished=counts(execution.summary().finished_at_us for execution in top_level),
    )


def held_counts(database: MemoryDatabase) -> Mapping[str, int]:
    """See `OverviewStore.held_counts`."""
    statuses = (execution.state.status for execution in database.open.values())
    return Counter(status.executor for status in statuses if isinstance(status, LockedBy))
