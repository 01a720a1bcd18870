"""The fold, transition by transition. That nothing else is possible is a law (`test_fold_laws`)."""

from __future__ import annotations

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
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
    awaits_result,
)

NULL = msgspec.Raw(b"null")
CREATED = log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[]"), scheduled_at_us=50, parent="E_0")
LOCKED = log.Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
HELD = LockedBy("Exr_1", "Run_1", "sha256:1")
RETURNED = log.Returned(value=NULL)
CANCELLED = log.Failed(kind=log.FailureKind.CANCELLED, error_id="Err_1", reason="asked")


def status(*events: log.Event) -> Status:
    return fold.fold((CREATED, *events)).status


def test_a_stub_awaits_its_result_also_after_a_pause() -> None:
    created = log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[]"), scheduled_at_us=50, awaits_result=True)
    finished = log.Finished(outcome=log.Returned(value=msgspec.Raw(b"1")))

    def after(*events: log.Event) -> Status:
        return fold.fold((created, *events)).status

    assert after() == after(log.Paused(), log.Unpaused()) == AwaitingResult()
    assert after(log.Paused()) == PausedState(None)
    assert awaits_result(fold.fold((created, log.Paused())))
    assert after(log.CancellationRequested()) == Cancelling()
    assert after(finished) == FinishedState(finished.outcome)
    with pytest.raises(fold.IllegalEvent):
        after(log.Locked(executor="Exr_1", run="Run_1", digest="sha256:1"))


def test_created_waits_for_its_instant() -> None:
    assert fold.start(CREATED) == ExecutionState(
        ffqn="a:b/c.d", parent="E_0", status=PendingAt(50), version=1, attempts=0
    )


def test_a_creator_may_lock_at_once() -> None:
    state = fold.start(CREATED, LOCKED)
    assert state == fold.fold((CREATED, LOCKED))
    assert state.status == HELD
    assert state.version == 2


def test_unlocked_waits_for_its_join_set_or_its_instant() -> None:
    assert status(LOCKED, log.Unlocked(reason="r", pending_at_us=60, join_set="g:1")) == BlockedByJoinSet("g:1")
    assert status(LOCKED, log.Unlocked(reason="r", pending_at_us=60)) == PendingAt(60)


def test_a_blocked_execution_may_be_locked_since_responses_are_no_events() -> None:
    assert status(LOCKED, log.Unlocked(reason="r", pending_at_us=60, join_set="g:1"), LOCKED) == HELD


def test_failed_attempts_are_counted_and_wait() -> None:
    failed = log.TemporarilyFailed(error_id="Err_1", reason="trap", pending_at_us=70)
    timed_out = log.TemporarilyTimedOut(error_id="Err_2", pending_at_us=90)
    state = fold.fold((CREATED, LOCKED, failed, LOCKED, timed_out))
    assert state == ExecutionState(ffqn="a:b/c.d", parent="E_0", status=PendingAt(90), version=5, attempts=2)


def test_runs_that_were_cut_off_count_from_the_second_in_a_row_on() -> None:
    cuts = [log.Unlocked(reason="gone", pending_at_us=60 + n, cut_off=n) for n in (1, 2, 3)]
    state = fold.fold((CREATED, *(event for cut in cuts for event in (LOCKED, cut))))
    assert state == ExecutionState(ffqn="a:b/c.d", parent="E_0", status=PendingAt(63), version=7, attempts=2)
    let_go = log.Unlocked(reason="the executor stopped", pending_at_us=60)
    assert fold.fold((CREATED, LOCKED, let_go, LOCKED, let_go, LOCKED, let_go)).attempts == 0


def test_a_run_that_ended_begins_the_row_of_cuts_anew() -> None:
    first = fold.cut_off(CREATED, "gone", 60, "E_1")
    assert first == log.Unlocked(reason="gone", pending_at_us=60, cut_off=1)
    assert fold.cut_off(first, "gone", 70, "E_1").cut_off == 2
    failed = log.TemporarilyFailed(error_id="Err_1", reason="trap", pending_at_us=70)
    assert fold.cut_off(failed, "gone", 60, "E_1").cut_off == 1


def test_what_is_cut_off_again_and_again_is_tried_less_and_less_often_and_not_with_others() -> None:
    pauses: dict[str, list[int]] = {}
    for execution_id in ("E_1", "E_2"):
        event = fold.cut_off(None, "gone", 0, execution_id)
        pauses[execution_id] = [event.pending_at_us]
        for _ in range(12):
            event = fold.cut_off(event, "gone", 0, execution_id)
            pauses[execution_id].append(event.pending_at_us)
        assert pauses[execution_id][0] == 0
        assert 250_000 <= pauses[execution_id][1] <= 1_000_000
        assert 7_500_000 <= pauses[execution_id][-1] <= 30_000_000
    apart = [abs(one - other) for one, other in zip(*pauses.values(), strict=True)]
    assert sum(each > 50_000 for each in apart) >= 10


def test_history_needs_a_lock_and_changes_the_version_only() -> None:
    locked = fold.start(CREATED, LOCKED)
    state = fold.apply(locked, log.Persist(request=NULL, value=NULL))
    assert (state.status, state.version) == (HELD, 3)
    with pytest.raises(fold.IllegalEvent, match="persist cannot follow at version 1: the execution is PendingAt"):
        fold.apply(fold.start(CREATED), log.Persist(request=NULL, value=NULL))


@pytest.mark.parametrize(
    "before",
    [
        (),
        (LOCKED,),
        (LOCKED, log.Unlocked(reason="r", pending_at_us=60, join_set="g:1")),
        (log.CancellationRequested(),),
    ],
    ids=["pending", "locked", "blocked", "cancelling"],
)
def test_finished_is_possible_without_a_run_and_is_the_end(before: tuple[log.Event, ...]) -> None:
    state = fold.fold((CREATED, *before, log.Finished(outcome=CANCELLED)))
    assert state.status == FinishedState(CANCELLED)
    for event in (LOCKED, log.Finished(outcome=RETURNED), log.Paused(), log.Unpaused(), log.CancellationRequested()):
        with pytest.raises(fold.IllegalEvent, match="FinishedState"):
            fold.apply(state, event)


def test_pausing_takes_the_lock_away_and_keeps_the_instant() -> None:
    assert status(log.Paused()) == PausedState(50)
    assert status(log.Paused(), log.Unpaused()) == PendingAt(50)
    assert status(LOCKED, log.Paused()) == PausedState()
    blocked = log.Unlocked(reason="r", pending_at_us=60, join_set="g:1")
    assert status(LOCKED, blocked, log.Paused(), log.Unpaused()) == PendingAt(0)


def test_a_paused_execution_may_be_cancelled_but_not_finish() -> None:
    assert status(log.Paused(), log.CancellationRequested()) == Cancelling()
    with pytest.raises(fold.IllegalEvent):
        status(log.Paused(), log.Finished(outcome=RETURNED))


def test_an_upgrade_changes_the_digest_of_a_lock() -> None:
    upgraded = log.ComponentUpgraded(digest="sha256:2")
    assert status(LOCKED, upgraded) == LockedBy("Exr_1", "Run_1", "sha256:2")
    assert status(upgraded) == PendingAt(50)
    assert status(log.Paused(), upgraded) == PausedState(50)


@pytest.mark.parametrize("events", [(), (LOCKED,), (log.Paused(), CREATED)], ids=["empty", "locked", "paused"])
def test_a_log_begins_with_created(events: tuple[log.Event, ...]) -> None:
    with pytest.raises(fold.IllegalEvent) as refused:
        fold.fold(events)
    assert refused.value.code == "illegal_event"
    assert refused.value.fields["version"] == 0
    assert refused.value.fields["status"] is None


def test_created_comes_once() -> None:
    with pytest.raises(fold.IllegalEvent) as refused:
        status(CREATED)
    assert refused.value.fields == {"event": "created", "status": "PendingAt", "version": 1}
