"""How the stores present an execution: status names, result kinds, response ids, cursors. Pure.

Statuses have one name each (shown to people and filtered by) and one small number (stored). The numbers are part of the
stored format and never change their meaning.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict, CursorInvalid
from obelisk.runtime.log.events import (
    CancellationRequested,
    ChildFinished,
    ComponentUpgraded,
    Created,
    Diverged,
    Event,
    FailureKind,
    Finished,
    Locked,
    Outcome,
    Outdated,
    PauseCause,
    Paused,
    Response,
)
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
from obelisk.runtime.ports.store import Append, Create, DropDelay, StoredComponent, Transaction

PENDING, LOCKED, BLOCKED, PAUSED, CANCELLING, FINISHED, AWAITING = 1, 2, 3, 4, 5, 6, 7
STATUS_NAMES = {
    PENDING: "pending_at",
    LOCKED: "locked",
    BLOCKED: "blocked_by_join_set",
    PAUSED: "paused",
    CANCELLING: "cancelling",
    FINISHED: "finished",
    AWAITING: "awaiting_result",
}
STATUS_CODES = {name: code for code, name in STATUS_NAMES.items()}
CODE_OF: dict[type, int] = {
    PendingAt: PENDING,
    LockedBy: LOCKED,
    BlockedByJoinSet: BLOCKED,
    PausedState: PAUSED,
    Cancelling: CANCELLING,
    FinishedState: FINISHED,
    AwaitingResult: AWAITING,
}
_SAYS_BUILD = frozenset({Locked, ComponentUpgraded, Paused})
_CURSOR_PREFIX = b"executions-before:"


def status_code(status: Status) -> int:
    """The stored number of a status."""
    return CODE_OF[type(status)]


def waits_for(status: Status, hot: str | None) -> str | None:
    """The join set an execution waits on: that which blocks it, or while it is locked, what its run says (`hot`)."""
    if isinstance(status, BlockedByJoinSet):
        return status.join_set
    return hot if isinstance(status, LockedBy) else None


def waits_until(status: Status, until_us: int) -> bool:
    """Whether an execution is pending, or would be if it were not paused, and not for later than `until_us`."""
    match status:
        case PendingAt(at_us) | PausedState(at_us):
            return at_us is not None and at_us <= until_us
        case _:
            return False


def statuses(wanted: str) -> tuple[str, ...]:
    """The statuses that a listing's `status` stands for."""
    return tuple(name for name in STATUS_CODES if name != "finished") if wanted == "open" else (wanted,)


def result_kinds(wanted: str) -> tuple[str, ...]:
    """The kinds that a listing's `result_kind` stands for."""
    return tuple(kind.value for kind in FailureKind) if wanted == "failed" else (wanted,)


def locks_build(event: Event, digest: str) -> bool:
    """Whether the event takes the lock with that build."""
    return isinstance(event, Locked) and event.digest == digest


def tags_of(first: Event) -> tuple[str, ...]:
    """The tags of an execution whose log begins with that event."""
    return first.tags if isinstance(first, Created) else ()


def source_of(response: Response) -> str:
    """The id of the child or delay that a response answers."""
    return response.child if isinstance(response, ChildFinished) else response.delay


def short_source(execution_id: str, source: str) -> str:
    """A source without what it shares with the id of the execution it answers. Different for different sources."""
    if source.startswith(f"{execution_id}."):
        return source[len(execution_id) :]
    delays = ids.DELAY + execution_id[len(ids.EXECUTION) :]
    return f"D{source[len(delays) :]}" if source.startswith(f"{delays}.") else f"={source}"


def children_of(execution_id: str, join_set: str) -> str:
    """What the ids of all children in a join set begin with."""
    return ids.child(execution_id, join_set, 1)[:-1]


def delays_of(execution_id: str, join_set: str) -> str:
    """What the ids of all delays in a join set begin with."""
    return ids.delay(execution_id, join_set, 1)[:-1]


def locks(events: tuple[Event, ...] | list[Event]) -> bool:
    """Whether one of the events takes the lock."""
    return any(type(event) is Locked for event in events)


def build_after(events: Sequence[Event]) -> str | None:
    """The build that an execution goes on with after these events; None: they do not say."""
    build = None
    if _SAYS_BUILD.isdisjoint(map(type, events)):
        return build
    for event in events:
        if isinstance(event, (Locked, ComponentUpgraded)):
            build = event.digest
        elif isinstance(event, Paused) and isinstance(event.cause, Diverged | Outdated):
            build = event.cause.before or build
    return build


def takes_away(event: Event) -> bool:
    """Whether an intervention ends whatever run there is."""
    return type(event) in (CancellationRequested, Paused)


def pause_reason(status: Status, last: Event) -> tuple[str, PauseCause | None]:
    """Why the engine paused an execution, or ``""``, with the cause."""
    return (last.reason, last.cause) if isinstance(status, PausedState) and isinstance(last, Paused) else ("", None)


def outcome_of(event: Event) -> Outcome:
    """The outcome in the last event of a finished log."""
    assert isinstance(event, Finished)
    return event.outcome


def touched(transaction: Transaction) -> set[str]:
    """The executions that a transaction writes to."""
    return {write.execution_id for write in transaction if not isinstance(write, DropDelay)}


def check(transaction: Transaction) -> None:
    """Refuse a transaction that no correct caller builds (ValueError, nothing is queued).

    A child's id extends its parent's: children are found by it. A state's version is the length of the log after the
    write.
    """
    for write in transaction:
        if type(write) is Append:
            if write.state.version != write.version + len(write.events):
                raise ValueError(f"{write.execution_id}: the state is not that after version {write.version}'s events")
        elif type(write) is Create:
            if write.created.parent != ids.parent_of(write.execution_id):
                raise ValueError(f"{write.execution_id}: its parent is not {write.created.parent}")
            if write.state.version != (1 if write.locked is None else 2):
                raise ValueError(f"{write.execution_id}: the state is not that after its creation")


def locked_state(state: ExecutionState, lock: Locked) -> ExecutionState:
    """The state after a claim appended `lock`."""
    return _with_status(state, LockedBy(executor=lock.executor, run=lock.run, digest=lock.digest))


def _with_status(state: ExecutionState, status: Status) -> ExecutionState:
    return ExecutionState(
        ffqn=state.ffqn, parent=state.parent, status=status, version=state.version + 1, attempts=state.attempts
    )


def cursor_before(sequence: int) -> str:
    """The cursor of the page that starts below that creation number."""
    return base64.urlsafe_b64encode(_CURSOR_PREFIX + str(sequence).encode()).decode()


def sequence_before(cursor: str) -> int:
    """The creation number in a cursor; CursorInvalid for text that `cursor_before` did not make."""
    try:
        text = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        text = b""
    digits = text.removeprefix(_CURSOR_PREFIX)
    if len(digits) == len(text) or not digits.isdigit() or len(digits) > 18 or cursor_before(int(digits)) != cursor:
        raise CursorInvalid("the cursor is none of this listing", cursor=cursor)
    return int(digits)


def expect(onto: Iterable[StoredComponent] | None, found: Iterable[StoredComponent]) -> None:
    """Conflict when something else is deployed than a change was checked against (None: it was not)."""
    if onto is not None and set(onto) != set(found):
        raise Conflict("other components are deployed by now")
