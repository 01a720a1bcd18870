"""Claims, leases, components: what the writer does besides transactions. Functions of the writing connection.

They run inside the group's database transaction, which holds the write lock: between looking for pending executions
and locking them no other process can come. Each costs what it finds, not what is stored: the pending ones are found
function by function through an index that holds nothing else.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from obelisk.runtime.log import fold
from obelisk.runtime.log.codec import CorruptLog, decode_event, encode_event
from obelisk.runtime.log.events import Event, Locked, Unlocked
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import BuildUse, Claim, Lease, Limit
from obelisk.runtime.ports.store import Deployed, StoredComponent
from obelisk.runtime.store import rows
from obelisk.runtime.store.rows import AWAITING, LOCKED, PENDING
from obelisk.runtime.store.sqlite import rows as sqlite_rows
from obelisk.runtime.store.sqlite.inserts import LOG
from obelisk.runtime.store.sqlite.rows import Whole
from obelisk.runtime.store.turns import in_turn

# Steps from one function to the next that has something pending, or from one lane of one to its next; never looks at
# what is pending in the same one.
PENDING_FFQNS = f"""
with recursive waiting (ffqn) as (
    select min(ffqn) from execution where status = {PENDING}
    union all
    select (select min(ffqn) from execution where status = {PENDING} and ffqn > waiting.ffqn)
    from waiting where waiting.ffqn is not null)
select ffqn from waiting where ffqn is not null"""
PENDING_LANES = f"""
select ffqn, (select max(lane) from execution where status = {PENDING} and execution.ffqn = found.ffqn)
from ({PENDING_FFQNS}) as found"""
_DUE = f"""
select pending_at_us, number, execution_id, version, ffqn, null from execution
where status = {PENDING} and ffqn = ? and lane = ? and pending_at_us <= ? order by pending_at_us, number limit ?"""
_DUE_OF_BUILDS = f"""
select pending_at_us, number, execution_id, version, ffqn, build from execution
where status = {PENDING} and ffqn = ? and lane = ? and pending_at_us <= ? and (
    build in (select value from json_each(?)) or (build is null and ?))
order by pending_at_us, number limit ?"""
_IN_USE = f"""
select ffqn, build, sum(count) from (
    select ffqn, build, count(*) as count from execution where status = {PENDING} group by ffqn, build
    union all select ffqn, build, count(*) from execution where status between 2 and 5 group by ffqn, build
    union all select ffqn, build, count(*) from execution where status = {AWAITING} group by ffqn, build)
group by ffqn, build order by ffqn, build"""
_LOCK = f"""
update execution set status = {LOCKED}, pending_at_us = null, executor = ?, run = ?, digest = ?, build = ?,
                     waits_for = null, limited = ?, version = version + 1, updated_at_us = ?
where number = ?"""
# The rows themselves are counted: a number kept apart from them could be wrong.
_LOCKED_WITHIN = f"select count(*) from execution where limited = ? and limited is not null and status = {LOCKED}"
_BINARY = """
insert into component_binary (digest, wasm) values (?, ?)
on conflict (digest) do update set wasm = excluded.wasm where wasm <> excluded.wasm"""
_OUTDATED = "select digest from component_binary except select digest from component"
_HELD = f"""
select number, version, execution_id from execution
where status = {LOCKED} and executor = ? and status between 2 and 5"""  # the last part names the index
_UNLOCK = f"""
update execution set status = {PENDING}, pending_at_us = ?, executor = null, run = null, digest = null,
                     waits_for = null, version = version + 1, attempts = attempts + ?, updated_at_us = ?
where number = ?"""
_RENEW = """
insert into lease (executor, expires_at_us, host, pid, started, labels, worker) values (?, ?, ?, ?, ?, ?, ?)
on conflict (executor) do update set expires_at_us = excluded.expires_at_us, host = excluded.host, pid = excluded.pid,
                                     started = excluded.started, labels = excluded.labels, worker = excluded.worker"""
_BEAT = f"""
insert or replace into heartbeat (execution, run, at_us, detail)
select number, run, ?, ? from execution where execution_id = ? and run = ? and status = {LOCKED}"""
_COMPONENT = """
insert into component (name, digest, kind, settings, added_at_us) values (?, ?, ?, ?, ?)
on conflict (name) do update set digest = excluded.digest, kind = excluded.kind, settings = excluded.settings,
                                 added_at_us = excluded.added_at_us"""

# All that have not finished, each part by its index.
_WAITING_OF = f"select count(*) from execution where status = {PENDING} and ffqn = ?"
_BEGUN_OF = "select count(*) from execution where status between 2 and 5 and ffqn = ?"
_AWAITING_OF = f"select count(*) from execution where status = {AWAITING} and ffqn = ?"

_Due: TypeAlias = tuple[int, int, str, int, str, str | None]


def builds_in_use(connection: sqlite3.Connection) -> tuple[BuildUse, ...]:
    """How many executions have not finished, by function and build."""
    found = connection.execute(_IN_USE).fetchall()
    return tuple(BuildUse(ffqn=ffqn, build=build, count=count) for ffqn, build, count in found)


def nothing_to_claim(connection: sqlite3.Connection, claim: Claim) -> tuple[Whole, ...] | None:
    """The empty claim when there is nothing to lock, else None. Takes no lock, so that idle executors stay out of the
    way of busy ones."""
    return None if _due(connection, claim) else ()


def take(connection: sqlite3.Connection, claim: Claim) -> tuple[Whole, ...]:
    """Lock what `claim` asks for, and read it (decoding is left to the caller's thread)."""
    if _is_released(connection, claim.executor):
        return ()
    log: list[tuple[object, ...]] = []
    locks: list[tuple[object, ...]] = []
    taken: list[str] = []
    for (_, number, execution_id, version, ffqn, build), run in zip(_due(connection, claim), claim.runs, strict=False):
        digest = build or claim.digests[ffqn]
        event = Locked(executor=claim.executor, run=run, digest=digest)
        log.append((number, version, claim.now_us, *encode_event(event)))
        within = claim.limits.get(ffqn)
        limited = None if within is None else within.component
        locks.append((claim.executor, run, digest, digest, limited, claim.now_us, number))
        taken.append(execution_id)
    connection.executemany(LOG.one, log)
    connection.executemany(_LOCK, locks)
    found = (sqlite_rows.whole(connection, execution_id) for execution_id in taken)
    return tuple(execution for execution in found if execution is not None)


def renew(connection: sqlite3.Connection, lease: Lease) -> bool:
    """Write or extend a lease; False for an executor that was released."""
    if _is_released(connection, lease.executor):
        return False
    labels = msgspec.json.encode(lease.labels).decode()
    worker = None if lease.worker is None else msgspec.json.encode(lease.worker).decode()
    renewed = (lease.executor, lease.expires_at_us, lease.host, lease.pid, lease.started, labels, worker)
    connection.execute(_RENEW, renewed)
    return True


def add_beats(connection: sqlite3.Connection, beats: Sequence[Beat]) -> None:
    """See `beats.BeatStore.add_beats`."""
    connection.executemany(_BEAT, [(beat.at_us, beat.detail, beat.execution_id, beat.run) for beat in beats])


def release(connection: sqlite3.Connection, executor: str, reason: str, now_us: int, expired_by_us: int | None) -> int:
    """Drop the lease and unlock what the executor held; how many."""
    if expired_by_us is not None:
        row = connection.execute("select expires_at_us from lease where executor = ?", (executor,)).fetchone()
        if row is not None and row[0] > expired_by_us:
            return 0
    connection.execute("delete from lease where executor = ?", (executor,))
    connection.execute("insert or ignore into released (executor, at_us) values (?, ?)", (executor, now_us))
    held = connection.execute(_HELD, (executor,)).fetchall()
    log: list[tuple[object, ...]] = []
    unlocks: list[tuple[object, ...]] = []
    for number, version, execution_id in held:
        event = Unlocked(reason=reason, pending_at_us=now_us)
        if expired_by_us is not None:
            event = fold.cut_off(_before_lock(connection, number, version), reason, now_us, execution_id)
        log.append((number, version, now_us, *encode_event(event)))
        unlocks.append((event.pending_at_us, fold.is_attempt(event), now_us, number))
    connection.executemany(LOG.one, log)
    connection.executemany(_UNLOCK, unlocks)
    return len(held)


def _before_lock(connection: sqlite3.Connection, number: int, version: int) -> Event | None:
    """The event before the lock of a log so long, if the lock is all that its run has recorded; None for one that
    cannot be read, which its claimer will find out."""
    row = connection.execute("select kind, body from log where execution = ? and version = ?", (number, version - 2))
    found = row.fetchone()
    try:
        return None if found is None else decode_event(*found)
    except CorruptLog:
        return None


def put_components(
    connection: sqlite3.Connection, components: Deployed, onto: Sequence[StoredComponent] | None
) -> None:
    """Write or replace the components' rows; a binary is kept once, also that of a replaced component, and written anew
    if it was damaged. Conflict."""
    _expect(connection, onto)
    for component, binary in components:
        connection.execute(_BINARY, (component.digest, binary))
        connection.execute(
            _COMPONENT, (component.name, component.digest, component.kind, component.settings, component.added_at_us)
        )


def remove_component(
    connection: sqlite3.Connection, name: str, needed_for: Sequence[str], onto: Sequence[StoredComponent] | None
) -> int:
    """Delete the component's row unless one of these functions has open executions; how many there are. Conflict."""
    _expect(connection, onto)
    count = 0
    for ffqn in needed_for:
        for part in (_WAITING_OF, _BEGUN_OF, _AWAITING_OF):
            count += connection.execute(part, (ffqn,)).fetchone()[0]
    if not count:
        connection.execute("delete from component where name = ?", (name,))
    return count


def _expect(connection: sqlite3.Connection, onto: Sequence[StoredComponent] | None) -> None:
    if onto is not None:
        found = connection.execute("select name, digest, kind, settings, added_at_us from component")
        deployed = (
            StoredComponent(name=name, digest=digest, kind=kind, settings=settings, added_at_us=at_us)
            for name, digest, kind, settings, at_us in found
        )
        rows.expect(onto, deployed)


def _due(connection: sqlite3.Connection, claim: Claim) -> list[_Due]:
    limit = claim.limit
    if limit <= 0 or not (claim.digests or claim.builds):
        return []
    outdated = {digest for (digest,) in connection.execute(_OUTDATED).fetchall()}
    room: dict[str, int] = {}
    queues: dict[tuple[str, int], list[_Due]] = {}
    for ffqn, lanes in connection.execute(PENDING_LANES).fetchall():
        serves = ffqn in claim.digests and claim.digests[ffqn] not in outdated
        most = min(limit, _room(connection, claim.limits.get(ffqn), room)) if serves or ffqn in claim.builds else 0
        builds = claim.builds.get(ffqn)
        named = None if builds is None else msgspec.json.encode(sorted(builds)).decode()
        for lane in range(lanes + 1) if most > 0 else ():
            if named is None:
                due = connection.execute(_DUE, (ffqn, lane, claim.now_us, most)).fetchall()
            else:
                due = connection.execute(_DUE_OF_BUILDS, (ffqn, lane, claim.now_us, named, serves, most)).fetchall()
            queue = queues.setdefault(claim.queue(ffqn, lane), due)
            if queue is not due:
                queue += due
                queue.sort()
    found = in_turn(queues.values(), claim.turn)
    return _within(found, claim.limits, room)[:limit] if room else found[:limit]


def _room(connection: sqlite3.Connection, limit: Limit | None, room: dict[str, int]) -> int:
    """How many more executions of a function may be locked, as far as its component's limit goes; noted in `room`."""
    if limit is None:
        return sys.maxsize
    if limit.component not in room:
        room[limit.component] = limit.most - int(connection.execute(_LOCKED_WITHIN, (limit.component,)).fetchone()[0])
    return room[limit.component]


def _within(due: list[_Due], limits: Mapping[str, Limit], room: dict[str, int]) -> list[_Due]:
    """The first of what is due, for each limited component as many as it has room for."""
    taken: list[_Due] = []
    for row in due:
        limit = limits.get(row[4])
        if limit is not None:
            if room[limit.component] <= 0:
                continue
            room[limit.component] -= 1
        taken.append(row)
    return taken


def _is_released(connection: sqlite3.Connection, executor: str) -> bool:
    return connection.execute("select 1 from released where executor = ?", (executor,)).fetchone() is not None
