"""What a workflow waits for: ranges of the ids of its children and delays. Off the hot path; it only reads."""

from __future__ import annotations

import sqlite3

from obelisk.runtime import ids
from obelisk.runtime.log.codec import EVENT_KINDS
from obelisk.runtime.log.events import Persist
from obelisk.runtime.ports.waiting import OpenRequest, Waiting
from obelisk.runtime.store import rows

LAST_STEP = f"""
select at_us from log where execution = (select number from execution where execution_id = ?) and (
    version = 0 or kind >= {EVENT_KINDS[Persist]}) order by version desc limit 1"""
OPEN_OF_SET = f"""
select execution_id, ffqn, status, created_at_us, deadline_us from execution
where execution_id > ? and execution_id < ? and depth = ? and status <> {rows.FINISHED} order by execution_id limit ?"""
DELAYS_OF_SET = "select delay, expires_at_us from delay where delay > ? and delay < ? order by delay limit ?"


def waiting(connection: sqlite3.Connection, execution_id: str, join_set: str, limit: int) -> Waiting:
    """See `waiting.WaitingStore.waiting`. Several statements."""
    (since_us,) = connection.execute(LAST_STEP, (execution_id,)).fetchone()
    depth = ids.depth(execution_id) + 1
    children = connection.execute(OPEN_OF_SET, (*_range(rows.children_of(execution_id, join_set)), depth, limit))
    delays = connection.execute(DELAYS_OF_SET, (*_range(rows.delays_of(execution_id, join_set)), limit))
    return Waiting(
        since_us=since_us,
        requests=(
            *(
                OpenRequest(
                    id=child,
                    ffqn=ffqn,
                    status=rows.STATUS_NAMES[status],
                    created_at_us=created_at_us,
                    until_us=deadline_us,
                )
                for child, ffqn, status, created_at_us, deadline_us in children.fetchall()
            ),
            *(OpenRequest(id=delay, until_us=until_us) for delay, until_us in delays.fetchall()),
        ),
    )


def _range(prefix: str) -> tuple[str, str]:
    """The texts between which all lie that begin with `prefix`, which ends with an underscore."""
    return prefix, f"{prefix[:-1]}`"
