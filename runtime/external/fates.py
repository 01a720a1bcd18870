"""What became of an attempt, as the log tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from obelisk.runtime.external.exchange import Fate
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import Cancelling, ExecutionState, FinishedState, LockedBy, PausedState

LOOKED_BACK = 64
"""So many of the last events are looked through for the end of an attempt."""


def by_state(state: ExecutionState | None, worker: str, run: str) -> Fate | None:
    """What became of an attempt as far as the state tells; None: its last events have to be looked at."""
    if state is None:
        return Fate.UNKNOWN
    match state.status:
        case LockedBy(executor, of_run, _) if of_run == run:
            return Fate.RUNNING if executor == worker else Fate.NOT_YOURS
        case PausedState():
            return Fate.PAUSED
        case Cancelling():
            return Fate.CANCELLED
        case FinishedState(log.Failed(kind=log.FailureKind.CANCELLED)):
            return Fate.CANCELLED
        case _:
            return None


def by_events(events: Iterable[log.Event], run: str) -> Fate:
    """How an attempt of a worker or of the engine ended, from the last events of its execution."""
    rest = iter(events)
    for event in rest:
        if isinstance(event, log.Locked) and event.run == run:
            return _ended(next(rest, None))
    return Fate.LOST


def _ended(end: log.Event | None) -> Fate:
    match end:
        case log.TemporarilyTimedOut():
            return Fate.TIMED_OUT
        case log.Finished(outcome=log.Failed(kind=log.FailureKind.TIMED_OUT)):
            return Fate.TIMED_OUT
        case log.Paused():
            return Fate.PAUSED
        case log.CancellationRequested():
            return Fate.CANCELLED
        case log.Unlocked():
            return Fate.LOST
        case _:
            return Fate.ENDED
