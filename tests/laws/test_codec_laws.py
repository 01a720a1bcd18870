"""Everything that can be logged survives storage, and nothing that is stored can do more than raise `CorruptLog`."""

from __future__ import annotations

import contextlib
import string

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.runtime.log import codec
from obelisk.runtime.log import events as log

TEXT = st.text(max_size=8)
IDS = st.text(string.ascii_letters + string.digits + "_.:", max_size=12)
INSTANT = st.integers(-(2**63), 2**63 - 1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | TEXT | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def raw(value: object, space: bytes) -> msgspec.Raw:
    return msgspec.Raw(space + msgspec.json.encode(value))


RAW = st.builds(raw, JSON, st.sampled_from([b"", b" "]))
MAYBE_RAW = st.just(log.ABSENT) | RAW
DIVERGENCE = st.builds(log.Divergence, index=st.integers(0, 9), expected=MAYBE_RAW, actual=MAYBE_RAW)
OUTCOMES: st.SearchStrategy[log.Outcome] = st.builds(log.Returned, value=RAW) | st.builds(
    log.Failed,
    kind=st.sampled_from(log.FailureKind),
    error_id=IDS,
    reason=TEXT,
    detail=TEXT,
    divergence=st.none() | DIVERGENCE,
)
CAUSES: st.SearchStrategy[log.PauseCause] = st.one_of(
    st.builds(log.Broken, error_id=IDS, engine=TEXT),
    st.builds(log.Diverged, before=IDS, digest=IDS, divergence=DIVERGENCE),
    st.builds(log.Outdated, before=IDS, digest=IDS),
    st.builds(log.Unfit, digest=IDS, signature=IDS),
    st.builds(log.CutOff, count=st.integers(0, 99), digest=IDS, engine=TEXT),
)
MAYBE_ID = st.none() | IDS
EVENTS: st.SearchStrategy[log.Event] = st.one_of(
    st.builds(log.Created, ffqn=IDS, params=RAW, scheduled_at_us=INSTANT, parent=MAYBE_ID),
    st.builds(log.Locked, executor=IDS, run=IDS, digest=IDS),
    st.builds(log.Unlocked, reason=TEXT, pending_at_us=INSTANT, join_set=MAYBE_ID),
    st.builds(log.TemporarilyFailed, error_id=IDS, reason=TEXT, pending_at_us=INSTANT, detail=TEXT, err=MAYBE_RAW),
    st.builds(log.TemporarilyTimedOut, error_id=IDS, pending_at_us=INSTANT),
    st.sampled_from([log.Paused(), log.Unpaused(), log.CancellationRequested()]),
    st.builds(log.Paused, reason=TEXT, cause=CAUSES),
    st.builds(log.ComponentUpgraded, digest=IDS),
    st.builds(log.Finished, outcome=OUTCOMES),
    st.builds(log.Persist, request=RAW, value=RAW),
    st.builds(log.JoinSetCreate, join_set=IDS),
    st.builds(log.JoinSetRequest, join_set=IDS, child=IDS, ffqn=IDS, params=RAW),
    st.builds(log.DelayRequest, join_set=IDS, delay=IDS, schedule=RAW, expires_at_us=INSTANT),
    st.builds(log.JoinNext, join_set=IDS, response=MAYBE_ID, ffqn=MAYBE_ID),
    st.builds(log.JoinNextTry, join_set=IDS, response=MAYBE_ID, pending=st.booleans()),
    st.builds(log.JoinSetClose, join_set=IDS),
    st.builds(log.Schedule, execution_id=IDS, ffqn=IDS, params=RAW, schedule=RAW, scheduled_at_us=INSTANT),
    st.builds(log.Stub, execution_id=IDS, ffqn=IDS, result=RAW, error=TEXT),
)
RESPONSES: st.SearchStrategy[log.Response] = st.builds(
    log.ChildFinished, join_set=IDS, child=IDS, outcome=OUTCOMES
) | st.builds(log.DelayFinished, join_set=IDS, delay=IDS, cancelled=st.booleans())


@settings(deadline=None, max_examples=400)
@given(EVENTS)
def test_decode_inverts_encode_for_events(event: log.Event) -> None:
    kind, body = codec.encode_event(event)
    assert normal(codec.decode_event(kind, body)) == normal(event)


@settings(deadline=None)
@given(RESPONSES)
def test_decode_inverts_encode_for_responses(response: log.Response) -> None:
    kind, body = codec.encode_response(response)
    assert normal(codec.decode_response(kind, body)) == normal(response)


@settings(deadline=None)
@given(OUTCOMES)
def test_decode_inverts_encode_for_outcomes(outcome: log.Outcome) -> None:
    kind, body = codec.encode_outcome(outcome)
    assert normal(codec.decode_outcome(kind, body)) == normal(outcome)


def normal(record: log.Event | log.Response | log.Outcome) -> object:
    """The type and the fields; raw values as JSON values, since white space around them is not kept."""
    return type(record), msgspec.json.decode(msgspec.json.encode(record))


KINDS = st.sampled_from([*codec.EVENT_KINDS.values(), 0, -1, 11, 1000])


@settings(deadline=None, max_examples=300)
@given(KINDS, st.binary(max_size=40))
def test_no_bytes_do_more_than_raise(kind: int, body: bytes) -> None:
    for decode in (codec.decode_event, codec.decode_response, codec.decode_outcome):
        with contextlib.suppress(codec.CorruptLog):
            decode(kind, body)


@settings(deadline=None, max_examples=400)
@given(EVENTS, st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["change", "cut", "insert"]))
def test_damaged_bodies_do_no_more_than_raise(event: log.Event, place: int, byte: int, how: str) -> None:
    kind, body = codec.encode_event(event)
    at = place % len(body)
    changed = {
        "change": body[:at] + bytes([byte]) + body[at + 1 :],
        "cut": body[:at],
        "insert": body[:at] + bytes([byte]) + body[at:],
    }[how]
    with contextlib.suppress(codec.CorruptLog):
        decoded = codec.decode_event(kind, changed)
        assert how != "cut"
        assert codec.EVENT_KINDS[type(decoded)] == kind
