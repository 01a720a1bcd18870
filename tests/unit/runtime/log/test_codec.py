"""The stored format: pinned, because logs are kept for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import pytest

from obelisk.runtime.log import codec
from obelisk.runtime.log import events as log

RAW = msgspec.Raw(b'{"ok":[1,"\xc3\xa4"]}')
FAILED = log.Failed(
    kind=log.FailureKind.NONDETERMINISM_DETECTED,
    error_id="Err_1",
    reason="other",
    detail="d",
    divergence=log.Divergence(index=3, expected=RAW, actual=log.ABSENT),
)

# Kind and body as they are stored. A line here may never change; new fields with defaults get new lines.
EVENTS: list[tuple[log.Event, int, str]] = [
    (
        log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[10]"), scheduled_at_us=5, parent="E_0"),
        1,
        '{"type":"created","ffqn":"a:b/c.d","params":[10],"scheduled_at_us":5,"parent":"E_0"}',
    ),
    (
        log.Locked(executor="Exr_1", run="Run_1", digest="sha256:1"),
        2,
        '{"type":"locked","executor":"Exr_1","run":"Run_1","digest":"sha256:1"}',
    ),
    (
        log.Unlocked(reason="unloaded", pending_at_us=7, join_set="g:1"),
        3,
        '{"type":"unlocked","reason":"unloaded","pending_at_us":7,"join_set":"g:1"}',
    ),
    (
        log.Unlocked(reason="its executor is gone", pending_at_us=7, cut_off=2),
        3,
        '{"type":"unlocked","reason":"its executor is gone","pending_at_us":7,"cut_off":2}',
    ),
    (
        log.TemporarilyFailed(error_id="Err_1", reason="trap", pending_at_us=7, detail="at f", err=RAW),
        4,
        '{"type":"temporarily_failed","error_id":"Err_1","reason":"trap","pending_at_us":7,"detail":"at f",'
        '"err":{"ok":[1,"ä"]}}',
    ),
    (
        log.TemporarilyTimedOut(error_id="Err_1", pending_at_us=7),
        5,
        '{"type":"temporarily_timed_out","error_id":"Err_1","pending_at_us":7}',
    ),
    (log.Paused(), 6, '{"type":"paused"}'),
    (
        log.Paused(reason="why", cause=log.Broken(error_id="Err_1", engine="1")),
        6,
        '{"type":"paused","reason":"why","cause":{"type":"broken","error_id":"Err_1","engine":"1"}}',
    ),
    (log.Unpaused(), 7, '{"type":"unpaused"}'),
    (log.Unpaused(reason="over"), 7, '{"type":"unpaused","reason":"over"}'),
    (log.CancellationRequested(), 8, '{"type":"cancellation_requested"}'),
    (log.ComponentUpgraded(digest="sha256:2"), 9, '{"type":"component_upgraded","digest":"sha256:2"}'),
    (
        log.Finished(outcome=log.Returned(value=RAW)),
        10,
        '{"type":"finished","outcome":{"type":"returned","value":{"ok":[1,"ä"]}}}',
    ),
    (
        log.Persist(request=msgspec.Raw(b'"r"'), value=msgspec.Raw(b"9")),
        32,
        '{"type":"persist","request":"r","value":9}',
    ),
    (log.JoinSetCreate(join_set="n:a"), 33, '{"type":"join_set_create","join_set":"n:a"}'),
    (
        log.JoinSetRequest(join_set="n:a", child="E_1.n:a_1", ffqn="a:b/c.d", params=msgspec.Raw(b"[]")),
        34,
        '{"type":"join_set_request","join_set":"n:a","child":"E_1.n:a_1","ffqn":"a:b/c.d","params":[]}',
    ),
    (
        log.DelayRequest(join_set="n:a", delay="Delay_1.n:a_2", schedule=msgspec.Raw(b'"now"'), expires_at_us=8),
        35,
        '{"type":"delay_request","join_set":"n:a","delay":"Delay_1.n:a_2","schedule":"now","expires_at_us":8}',
    ),
    (
        log.JoinNext(join_set="n:a", response="E_1.n:a_1", ffqn="a:b/c.d"),
        36,
        '{"type":"join_next","join_set":"n:a","response":"E_1.n:a_1","ffqn":"a:b/c.d"}',
    ),
    (
        log.JoinNextTry(join_set="n:a", response=None, pending=True),
        37,
        '{"type":"join_next_try","join_set":"n:a","response":null,"pending":true}',
    ),
    (log.JoinSetClose(join_set="n:a"), 38, '{"type":"join_set_close","join_set":"n:a"}'),
    (
        log.Schedule(
            execution_id="E_2",
            ffqn="a:b/c.d",
            params=msgspec.Raw(b"[]"),
            schedule=msgspec.Raw(b'"now"'),
            scheduled_at_us=9,
        ),
        39,
        '{"type":"schedule","execution_id":"E_2","ffqn":"a:b/c.d","params":[],"schedule":"now","scheduled_at_us":9}',
    ),
    (
        log.Stub(execution_id="E_1.n:a_1", ffqn="a:b/c.d", result=msgspec.Raw(b"null"), error="conflict"),
        40,
        '{"type":"stub","execution_id":"E_1.n:a_1","ffqn":"a:b/c.d","result":null,"error":"conflict"}',
    ),
]
RESPONSES: list[tuple[log.Response, int, str]] = [
    (
        log.ChildFinished(join_set="g:1", child="E_1.g:1_1", outcome=FAILED),
        1,
        '{"type":"child_finished","join_set":"g:1","child":"E_1.g:1_1","outcome":{"type":"failed",'
        '"kind":"nondeterminism_detected","error_id":"Err_1","reason":"other","detail":"d",'
        '"divergence":{"index":3,"expected":{"ok":[1,"ä"]},"actual":null}}}',
    ),
    (
        log.DelayFinished(join_set="g:1", delay="Delay_1.g:1_2", cancelled=True),
        2,
        '{"type":"delay_finished","join_set":"g:1","delay":"Delay_1.g:1_2","cancelled":true}',
    ),
]


@pytest.mark.parametrize(("event", "kind", "body"), EVENTS, ids=lambda v: type(v).__name__)
def test_an_event_is_stored_as_it_always_was(event: log.Event, kind: int, body: str) -> None:
    assert codec.encode_event(event) == (kind, body.encode())
    assert codec.decode_event(kind, body.encode()) == event


@pytest.mark.parametrize(("response", "kind", "body"), RESPONSES, ids=lambda v: type(v).__name__)
def test_a_response_is_stored_as_it_always_was(response: log.Response, kind: int, body: str) -> None:
    assert codec.encode_response(response) == (kind, body.encode())
    assert codec.decode_response(kind, body.encode()) == response


def test_an_outcome_is_stored_as_it_always_was() -> None:
    returned = (1, '{"type":"returned","value":{"ok":[1,"ä"]}}'.encode())
    assert codec.encode_outcome(log.Returned(value=RAW)) == returned
    assert codec.decode_outcome(*returned) == log.Returned(value=RAW)
    kind, body = codec.encode_outcome(FAILED)
    assert kind == 2
    assert codec.decode_outcome(kind, body) == FAILED


def test_every_type_has_a_kind_of_its_own() -> None:
    assert codec.SCHEMA_VERSION == 1
    events = {*get_args(log.ExecutionEvent), *get_args(log.HistoryEvent)}
    assert events == set(codec.EVENT_KINDS) == {type(event) for event, _, _ in EVENTS}
    assert len(set(codec.EVENT_KINDS.values())) == len(codec.EVENT_KINDS)
    assert set(codec.RESPONSE_KINDS) == set(get_args(log.Response))
    assert set(codec.OUTCOME_KINDS) == set(get_args(log.Outcome))


def test_fields_with_defaults_may_be_missing_and_unknown_ones_are_ignored() -> None:
    assert codec.decode_event(36, b'{"type":"join_next","join_set":"g:1","response":null,"new":[1]}') == log.JoinNext(
        join_set="g:1", response=None
    )


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (33, b"", "truncated"),
        (33, b"{", "truncated"),
        (33, b"[]", "Expected `object`"),
        (33, b'{"type":"join_set_create"}', "missing required field `join_set`"),
        (33, b'{"type":"join_set_create","join_set":1}', "Expected `str`"),
        (33, b'{"type":"join_set_close","join_set":"g:1"}', "Invalid value 'join_set_close'"),
        (33, b'{"type":"join_set_create","join_set":"\xff"}', "utf-8"),
        (33, b'{"type":"join_set_create","join_set":"g:1"} x', "trailing"),
        (32, b'{"type":"persist","request":1,"value":"\xff"}', "utf-8"),
        (32, b'{"type":"persist","request":1,"value":[}', "malformed"),
        (32, b'{"type":"persist","request":1,"value":' + b"[" * 100_000, "recursion"),
        (77, b"{}", "unknown kind"),
        (0, b"", "unknown kind"),
    ],
)
def test_a_corrupt_body_is_named(kind: int, body: bytes, reason: str) -> None:
    with pytest.raises(codec.CorruptLog) as corrupt:
        codec.decode_event(kind, body)
    assert corrupt.value.code == "log_corrupt"
    assert corrupt.value.fields["kind"] == kind
    assert reason in str(corrupt.value.fields["reason"])
    assert str(kind) in corrupt.value.message


def test_corrupt_responses_and_outcomes_are_named_too() -> None:
    with pytest.raises(codec.CorruptLog, match="stored response of kind 1"):
        codec.decode_response(1, b'{"type":"child_finished","join_set":"g:1","child":"E","outcome":{"type":"lost"}}')
    with pytest.raises(codec.CorruptLog, match="stored outcome of the unknown kind 3"):
        codec.decode_outcome(3, b"{}")


def test_encoding_costs_next_to_nothing(calls_of: Callable[[Callable[[], object]], int]) -> None:
    """An event is encoded by compiled code: the only calls are those into it."""
    event = EVENTS[12][0]
    assert calls_of(lambda: codec.encode_event(event)) <= 8
