"""What a database has, counted through its indices: none of these reads the executions one by one. They only read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from obelisk.runtime.ports.overview import Rates, Size
from obelisk.runtime.store import rows

CLOCKS_DIFFER_US: Final = 60_000_000
"""Executions are numbered as they are recorded; the clocks of processes that record them may differ by so much."""
HELD_COUNTS = f"""
select executor, count(*) from execution
where status = {rows.LOCKED} and status between 2 and 5 group by executor"""
LAST: Final = "select coalesce(max(number), 0) from execution where depth = 0"
NEXT: Final = """
select number, created_at_us from execution where depth = 0 and number >= ? order by number limit 1"""
STARTED: Final = """
select (created_at_us - :from) / :step, count(*) from execution
where depth = 0 and number >= :first and created_at_us >= :from and created_at_us < :until group by 1"""
FINISHED: Final = """
select (finished_at_us - :from) / :step, count(*) from execution
where depth = 0 and finished_at_us >= :from and finished_at_us < :until group by 1"""


def rates(connection: sqlite3.Connection, from_us: int, step_us: int, steps: int) -> Rates:
    """See `OverviewStore.rates`."""
    first = _first_since(connection, from_us - CLOCKS_DIFFER_US)
    values = {"from": from_us, "until": from_us + steps * step_us, "step": step_us, "first": first}
    return Rates(
        started=_counts(connection.execute(STARTED, values), steps),
        finished=_counts(connection.execute(FINISHED, values), steps),
    )


def held_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """See `OverviewStore.held_counts`."""
    return dict(connection.execute(HELD_COUNTS).fetchall())


def size(path: Path) -> Size:
    """See `OverviewStore.size`."""
    return Size(kind="sqlite", bytes=_bytes(path), log_bytes=_bytes(path.with_name(f"{path.name}-wal")))


def _first_since(connection: sqlite3.Connection, at_us: int) -> int:
    """The lowest number from which on executions were created at or after an instant: found by halving, as their
    instants are in no index."""
    low, high = 1, int(connection.execute(LAST).fetchone()[0]) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(NEXT, (middle,)).fetchone()
        if found is None or found[1] >= at_us:
            high = middle
        else:
            low = int(found[0]) + 1
    return low


def _counts(found: Iterable[tuple[int, int]], steps: int) -> tuple[int, ...]:
    by_step = dict(found)
    return tuple(by_step.get(step, 0) for step in range(steps))


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
