"""The fold: an execution's state from its events, one transition per event. The law of the log.

    event                   legal in                                 leads to
    created                 (nothing, version 0)                     awaiting_result if it says so, else pending_at
    locked                  pending_at, blocked                      locked
    unlocked                locked                                   blocked if it names a join set, else pending_at;
                                                                     one attempt more if it was cut off once before
    temporarily_failed      locked                                   pending_at, one attempt more
    temporarily_timed_out   locked                                   pending_at, one attempt more
    history events          locked                                   (the same)
    paused                  pending_at, locked, blocked, awaiting    paused
    unpaused                paused                                   awaiting_result if it was, else pending_at
    cancellation_requested  all but cancelling and finished          cancelling
    component_upgraded      pending_at, locked, blocked, paused      (the same; a lock takes the new digest)
    finished                all but paused and finished              finished

Any other event raises `IllegalEvent` and changes nothing: states are values. Nothing follows finished.

- An executor may lock a blocked execution: a response has arrived, and responses are no events of this log.
- Finished without a lock is a cancellation or a timeout that needs no run.
- Pausing and cancelling take a lock away: the run that held it loses its next append to the fence on versions.
- What was blocked when it was paused is pending at once when unpaused: a response may have come meanwhile, and a
  replay finds out. What was pending later (a schedule, a backoff) keeps its instant.

The fold looks at one event at a time: whether history events agree with each other is the replay machine's concern,
no part checks whether instants make sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from zlib import crc32

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import (
    AwaitingResult,
    BlockedByJoinSet,
    Cancelling,
    ExecutionState,
    FinishedState,
    LockedBy,
    PausedState,
    PendingAt,
    Status,
)


class IllegalEvent(ObeliskError):
    """An event that cannot follow; `fields` has ``event``, ``status`` (None before the first event), ``version``."""

    code = "illegal_event"


_Statuses = frozenset[type[Status]]
_HELD: Final[_Statuses] = frozenset({LockedBy})
_WAITING: Final[_Statuses] = frozenset({PendingAt, BlockedByJoinSet})
_RUNNING: Final[_Statuses] = _WAITING | _HELD
_OPEN: Final[_Statuses] = _RUNNING | {PausedState}
_AWAITING: Final[_Statuses] = frozenset({AwaitingResult})

_LEGAL: Final[Mapping[type[log.Event], _Statuses]] = {
    log.Created: frozenset(),
    log.Locked: _WAITING,
    log.Unlocked: _HELD,
    log.TemporarilyFailed: _HELD,
    log.TemporarilyTimedOut: _HELD,
    log.Paused: _RUNNING | _AWAITING,
    log.Unpaused: frozenset({PausedState}),
    log.CancellationRequested: _OPEN | _AWAITING,
    log.ComponentUpgraded: _OPEN,
    log.Finished: _RUNNING | _AWAITING | {Cancelling},
    log.Persist: _HELD,
    log.JoinSetCreate: _HELD,
    log.JoinSetRequest: _HELD,
    log.DelayRequest: _HELD,
    log.JoinNext: _HELD,
    log.JoinNextTry: _HELD,
    log.JoinSetClose: _HELD,
    log.Schedule: _HELD,
    log.Stub: _HELD,
}
"""The statuses in which each event is legal: the table of the module's text."""
_MOVES: Final = frozenset(
    {
        log.Locked,
        log.Unlocked,
        log.TemporarilyFailed,
        log.TemporarilyTimedOut,
        log.Paused,
        log.Unpaused,
        log.CancellationRequested,
        log.ComponentUpgraded,
        log.Finished,
    }
)
"""What may change the status: history events never do."""
_ATTEMPTS: Final = frozenset({log.TemporarilyFailed, log.TemporarilyTimedOut})
_MAY_BE_ATTEMPTS: Final = _ATTEMPTS | {log.Unlocked}
FREE_CUTS: Final = 1
"""So many runs in a row may be cut off before that counts as an attempt: any crash may hit any run once, but a run that
is cut off again may be what the crash comes from."""
_FIRST_PAUSE_US, _LAST_PAUSE_US = 500_000, 30_000_000


def start(created: log.Created, locked: log.Locked | None = None) -> ExecutionState:
    """The state of a new log: its first event, and the lock by its creator when there is one."""
    state = ExecutionState(
        ffqn=created.ffqn,
        parent=created.parent,
        status=AwaitingResult() if created.awaits_result else PendingAt(created.scheduled_at_us),
        version=1,
        attempts=0,
    )
    return state if locked is None else apply(state, locked)


def is_legal(state: ExecutionState, event: log.Event) -> bool:
    """Whether `event` can follow."""
    return type(state.status) in _LEGAL[type(event)]


def apply(state: ExecutionState, event: log.Event) -> ExecutionState:
    """The state after one more event; IllegalEvent when it cannot follow."""
    status, kind = state.status, type(event)
    if type(status) not in _LEGAL[kind]:
        raise _illegal(event, state)
    if kind not in _MOVES:  # as history events, which are most
        return ExecutionState(
            ffqn=state.ffqn, parent=state.parent, status=status, version=state.version + 1, attempts=state.attempts
        )
    return ExecutionState(
        ffqn=state.ffqn,
        parent=state.parent,
        status=_next(status, event),
        version=state.version + 1,
        attempts=state.attempts + (kind in _MAY_BE_ATTEMPTS and is_attempt(event)),
    )


def fold(events: Iterable[log.Event]) -> ExecutionState:
    """The state of a whole log, from its first event on; IllegalEvent."""
    rest = iter(events)
    first = next(rest, None)
    if not isinstance(first, log.Created):
        name = "nothing" if first is None else _name(first)
        raise IllegalEvent(f"a log begins with created, not with {name}", event=name, status=None, version=0)
    state = start(first)
    for event in rest:
        state = apply(state, event)
    return state


def is_attempt(event: log.Event) -> bool:
    """Whether an event ends an attempt that another one may follow."""
    return type(event) in _ATTEMPTS or (type(event) is log.Unlocked and event.cut_off > FREE_CUTS)


def cut_off(before: log.Event | None, reason: str, now_us: int, execution_id: str) -> log.Unlocked:
    """What the log gets when a run is cut off; `before` is the last event before its lock.

    One that may be what ends its executors is tried again after a growing pause, in which its id has a part: so that
    those which were cut off together are not run together again, and the guilty one is soon alone.
    """
    cuts = 1 + (before.cut_off if isinstance(before, log.Unlocked) else 0)
    pause_us = 0
    if cuts > FREE_CUTS:
        longest_us = min(_FIRST_PAUSE_US << min(cuts - FREE_CUTS, 8), _LAST_PAUSE_US)
        pause_us = longest_us // 4 + crc32(f"{execution_id} {cuts}".encode()) % (longest_us * 3 // 4)
    return log.Unlocked(reason=reason, pending_at_us=now_us + pause_us, cut_off=cuts)


def _next(status: Status, event: log.Event) -> Status:
    """The status after a legal event."""
    match event:
        case log.Locked(executor=executor, run=run, digest=digest):
            return LockedBy(executor, run, digest)
        case log.Unlocked(join_set=str(join_set)):
            return BlockedByJoinSet(join_set)
        case (
            log.Unlocked(pending_at_us=at_us)
            | log.TemporarilyFailed(pending_at_us=at_us)
            | log.TemporarilyTimedOut(pending_at_us=at_us)
        ):
            return PendingAt(at_us)
        case log.Paused():
            return PausedState(_resumed_at(status))
        case log.Unpaused(pending_at_us=given_us):
            resumed_us = status.pending_at_us if isinstance(status, PausedState) else 0
            return AwaitingResult() if resumed_us is None else PendingAt(resumed_us if given_us is None else given_us)
        case log.CancellationRequested():
            return Cancelling()
        case log.ComponentUpgraded(digest=digest):
            return LockedBy(status.executor, status.run, digest) if isinstance(status, LockedBy) else status
        case log.Finished(outcome=outcome):
            return FinishedState(outcome)
        case _:
            return status


def _resumed_at(status: Status) -> int | None:
    """From when on what is paused now is pending again; None when it awaits a result."""
    if isinstance(status, AwaitingResult):
        return None
    return status.at_us if isinstance(status, PendingAt) else 0


def _illegal(event: log.Event, state: ExecutionState) -> IllegalEvent:
    name, status = _name(event), type(state.status).__name__
    message = f"{name} cannot follow at version {state.version}: the execution is {status}"
    return IllegalEvent(message, event=name, status=status, version=state.version)


def _name(event: log.Event) -> str:
    """The event's name as it is stored."""
    return str(event.__struct_config__.tag)
