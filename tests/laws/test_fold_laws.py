"""The fold is total: any sequence of events folds or is refused, and a refused event changes nothing."""

from __future__ import annotations

import contextlib
import copy
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.log.state import (
    AwaitingResult,
    BlockedByJoinSet,
    Cancelling,
    FinishedState,
    LockedBy,
    PausedState,
    PendingAt,
    Status,
)

NULL = msgspec.Raw(b"null")
HISTORY: list[log.Event] = [
    log.Persist(request=NULL, value=NULL),
    log.JoinSetCreate(join_set="g:1"),
    log.JoinSetRequest(join_set="g:1", child="E_1.g:1_1", ffqn="a:b/c.d", params=NULL),
    log.DelayRequest(join_set="g:1", delay="Delay_1.g:1_2", schedule=NULL, expires_at_us=1),
    log.JoinNext(join_set="g:1", response=None),
    log.JoinNextTry(join_set="g:1", response=None),
    log.JoinSetClose(join_set="g:1"),
    log.Schedule(execution_id="E_2", ffqn="a:b/c.d", params=NULL, schedule=NULL, scheduled_at_us=1),
    log.Stub(execution_id="E_1.g:1_1", ffqn="a:b/c.d", result=NULL),
]
OUTCOMES: list[log.Outcome] = [
    log.Returned(value=NULL),
    log.Failed(kind=log.FailureKind.CANCELLED, error_id="Err_1", reason="asked"),
]
SAMPLES: list[log.Event] = [
    *HISTORY,
    *(log.Created(ffqn="a:b/c.d", params=NULL, scheduled_at_us=at) for at in (0, 7)),
    *(log.Locked(executor="Exr_1", run=run, digest="sha256:1") for run in ("Run_1", "Run_2")),
    *(log.Unlocked(reason="r", pending_at_us=at, join_set=js) for at in (0, 7) for js in (None, "g:1")),
    *(log.Unlocked(reason="r", pending_at_us=7, cut_off=cuts) for cuts in (1, 2, 3)),
    *(log.TemporarilyFailed(error_id="Err_1", reason="r", pending_at_us=at) for at in (0, 7)),
    *(log.TemporarilyTimedOut(error_id="Err_1", pending_at_us=at) for at in (0, 7)),
    *(log.ComponentUpgraded(digest=digest) for digest in ("sha256:2", "sha256:3")),
    *(log.Finished(outcome=outcome) for outcome in OUTCOMES),
    log.Paused(),
    log.Unpaused(),
    log.CancellationRequested(),
]
LOCKED = st.sampled_from([e for e in SAMPLES if isinstance(e, log.Locked)])
EVENTS: st.SearchStrategy[log.Event] = st.sampled_from(SAMPLES) | LOCKED

# Said once more, row by row, as an operator would: status -> what may happen.
MAY = {
    PendingAt: "locked paused cancellation_requested component_upgraded finished",
    BlockedByJoinSet: "locked paused cancellation_requested component_upgraded finished",
    LockedBy: "unlocked temporarily_failed temporarily_timed_out paused cancellation_requested component_upgraded "
    "finished persist join_set_create join_set_request delay_request join_next join_next_try join_set_close schedule "
    "stub",
    AwaitingResult: "paused cancellation_requested finished",
    PausedState: "unpaused cancellation_requested component_upgraded",
    Cancelling: "finished",
    FinishedState: "",
}
LEADS_TO: dict[str, type[Status]] = {
    "locked": LockedBy,
    "temporarily_failed": PendingAt,
    "temporarily_timed_out": PendingAt,
    "paused": PausedState,
    "unpaused": PendingAt,
    "cancellation_requested": Cancelling,
    "finished": FinishedState,
}


def name_of(event: log.Event) -> str:
    return str(msgspec.json.decode(msgspec.json.encode(event))["type"])


def expected(status: Status, event: log.Event) -> type[Status]:
    if isinstance(event, log.Unpaused) and status == PausedState(None):
        return AwaitingResult
    if isinstance(event, log.Unlocked):
        return PendingAt if event.join_set is None else BlockedByJoinSet
    return LEADS_TO.get(name_of(event), type(status))


@settings(deadline=None, max_examples=300)
@given(st.lists(EVENTS, max_size=30), st.booleans())
def test_every_sequence_of_events_folds_or_is_refused_without_change(events: list[log.Event], stub: bool) -> None:
    created = log.Created(ffqn="a:b/c.d", params=NULL, scheduled_at_us=5, parent="E_0", awaits_result=stub)
    accepted: list[log.Event] = [created]
    state = fold.fold(accepted)
    assert state == fold.start(created)
    for event in events:
        before = copy.deepcopy(state)
        if name_of(event) in MAY[type(state.status)].split():
            state = fold.apply(state, event)
            accepted.append(event)
            assert type(state.status) is expected(before.status, event)
            assert state.version == before.version + 1
            assert (state.ffqn, state.parent) == (before.ffqn, before.parent)
            continue
        with pytest.raises(fold.IllegalEvent) as refused:
            fold.apply(state, event)
        assert state == before
        assert refused.value.code == "illegal_event"
        assert refused.value.fields == {
            "event": name_of(event),
            "status": type(state.status).__name__,
            "version": len(accepted),
        }
    assert fold.fold(accepted) == state
    failed = [e for e in accepted if isinstance(e, log.TemporarilyFailed | log.TemporarilyTimedOut)]
    cut_off = [e for e in accepted if isinstance(e, log.Unlocked) and e.cut_off >= 2]
    assert (state.version, state.attempts) == (len(accepted), len(failed) + len(cut_off))


@settings(deadline=None, max_examples=100)
@given(st.lists(EVENTS, max_size=6))
def test_a_whole_log_folds_or_is_refused(events: list[log.Event]) -> None:
    with contextlib.suppress(fold.IllegalEvent):
        state = fold.fold(events)
        assert isinstance(events[0], log.Created)
        assert state.version == len(events)


def test_every_event_has_a_row() -> None:
    named = {name for names in MAY.values() for name in names.split()}
    types = {t for alias in (log.ExecutionEvent, log.HistoryEvent) for t in get_args(alias)} - {log.Created}
    assert named == {str(t.__struct_config__.tag) for t in types}
    assert set(MAY) == set(get_args(Status))
