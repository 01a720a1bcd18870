"""Where a replay stops, what it reports, and histories that cannot be."""

from __future__ import annotations

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.log.codec import CorruptLog
from obelisk.runtime.replay import commands as to
from obelisk.runtime.replay import matching
from obelisk.runtime.replay.machine import Machine

ME = "E_01ARZ3NDEKTSV4RRFFQ69G5FAV"
F = "demo:a/i.f"
CHILD = f"{ME}.g:1_1"
DELAY = "Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.g:1_2"
OTHER = ME[:-1] + "W"


def raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


PARAMS, SOON = raw('[1,{"a":2,"b":null}]'), raw('{"in":{"seconds":1}}')
CREATE = log.JoinSetCreate(join_set="g:1")
REQUEST = log.JoinSetRequest(join_set="g:1", child=CHILD, ffqn=F, params=PARAMS)
DELAYED = log.DelayRequest(join_set="g:1", delay=DELAY, schedule=SOON, expires_at_us=9)
ANSWER = log.ChildFinished(join_set="g:1", child=CHILD, outcome=log.Returned(value=raw('{"ok":1}')))
PREPARED: tuple[log.HistoryEvent, ...] = (CREATE, REQUEST, DELAYED)


def prepared(*history: log.HistoryEvent, responses: tuple[log.Response, ...] = (ANSWER,)) -> Machine:
    """A machine that has g:1 with a child and a delay, and then `history`."""
    machine = Machine(ME, (*PREPARED, *history), responses)
    for command in (to.CreateJoinSet(None), to.Submit("g:1", F, PARAMS), to.SubmitDelay("g:1", SOON, 0)):
        assert isinstance(machine.step(command), to.Replayed)
    return machine


CALLED = log.JoinSetRequest(join_set="o:1", child=f"{ME}.o:1_1", ffqn=F, params=PARAMS)
SLEPT = log.DelayRequest(join_set="o:1", delay="Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.o:1_1", schedule=SOON, expires_at_us=9)
SCHEDULED = log.Schedule(execution_id=OTHER, ffqn=F, params=PARAMS, schedule=SOON, scheduled_at_us=9)
PERSISTED = log.Persist(request=raw('{"fn":"random"}'), value=raw("4"))
TOOK = log.JoinNext(join_set="g:1", response=CHILD, ffqn=F)

DIVERGING: dict[str, tuple[log.HistoryEvent, to.Command, str]] = {
    "call-function": (
        CALLED,
        to.Call("demo:a/i.g", PARAMS),
        f'{{"type":"join_set_request","join_set":"o:1","child":"{ME}.o:1_1","ffqn":"demo:a/i.g",'
        '"params":[1,{"a":2,"b":null}]}',
    ),
    "call-params": (
        CALLED,
        to.Call(F, raw("[2]")),
        f'{{"type":"join_set_request","join_set":"o:1","child":"{ME}.o:1_1","ffqn":"{F}","params":[2]}}',
    ),
    "call-for-sleep": (
        SLEPT,
        to.Call(F, raw("[]")),
        f'{{"type":"join_set_request","join_set":"o:1","child":"{ME}.o:1_1","ffqn":"{F}","params":[]}}',
    ),
    "sleep-schedule": (
        SLEPT,
        to.Sleep(raw('"now"'), 9, None),
        f'{{"type":"delay_request","join_set":"o:1","delay":"{SLEPT.delay}","schedule":"now"}}',
    ),
    "sleep-name": (
        SLEPT,
        to.Sleep(raw('"now"'), 9, "nap"),
        '{"type":"delay_request","join_set":"o:1_nap","delay":"Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.o:1_nap_1",'
        '"schedule":"now"}',
    ),
    "create": (
        log.JoinSetCreate(join_set="g:2"),
        to.CreateJoinSet("x"),
        '{"type":"join_set_create","join_set":"n:x"}',
    ),
    "submit": (
        log.JoinSetRequest(join_set="g:1", child=f"{ME}.g:1_3", ffqn=F, params=PARAMS),
        to.Submit("g:1", F, raw("[]")),
        f'{{"type":"join_set_request","join_set":"g:1","child":"{ME}.g:1_3","ffqn":"{F}","params":[]}}',
    ),
    "delay": (
        log.DelayRequest(join_set="g:1", delay=DELAY[:-1] + "3", schedule=SOON, expires_at_us=1),
        to.SubmitDelay("g:1", raw('"now"'), 1),
        f'{{"type":"delay_request","join_set":"g:1","delay":"{DELAY[:-1]}3","schedule":"now"}}',
    ),
    "next-function": (TOOK, to.AwaitNext("g:1"), '{"type":"join_next","join_set":"g:1","ffqn":null}'),
    "next-for-try": (TOOK, to.TryNext("g:1"), '{"type":"join_next_try","join_set":"g:1"}'),
    "close-early": (TOOK, to.CloseJoinSet("g:1"), '{"type":"join_set_close","join_set":"g:1"}'),
    "record": (
        PERSISTED,
        to.Record(raw('{"fn":"id"}'), raw("4")),
        '{"type":"persist","request":{"fn":"id"}}',
    ),
    "schedule": (
        SCHEDULED,
        to.ScheduleExecution(ME, F, PARAMS, SOON, 9),
        f'{{"type":"schedule","execution_id":"{ME}","ffqn":"{F}","params":[1,{{"a":2,"b":null}}],'
        '"schedule":{"in":{"seconds":1}}}',
    ),
    "schedule-schedule": (
        SCHEDULED,
        to.ScheduleExecution(OTHER, F, raw("[]"), raw('"now"'), 9),
        f'{{"type":"schedule","execution_id":"{OTHER}","ffqn":"{F}","params":[],"schedule":"now"}}',
    ),
    "stub": (
        log.Stub(execution_id=CHILD, ffqn=F, result=raw("null")),
        to.TryNext("g:1"),
        '{"type":"join_next_try","join_set":"g:1"}',
    ),
}


@pytest.mark.parametrize(("recorded", "command", "actual"), DIVERGING.values(), ids=DIVERGING)
def test_the_report_shows_both_sides(recorded: log.HistoryEvent, command: to.Command, actual: str) -> None:
    machine = prepared(recorded)
    step = machine.step(command)
    report = log.Divergence(index=3, expected=msgspec.Raw(msgspec.json.encode(recorded)), actual=raw(actual))
    assert step == to.Diverged(report)
    assert machine.step(command) == machine.resume() == machine.finish() == step
    assert not machine.deliver(log.DelayFinished(join_set="g:1", delay=DELAY))
    assert machine.facts.is_replaying


def test_a_call_may_diverge_after_its_request() -> None:
    step = prepared(CALLED, PERSISTED).step(to.Call(F, PARAMS))
    assert isinstance(step, to.Diverged)
    assert step.report.index == 4
    assert step.report.actual == raw('{"type":"join_next","join_set":"o:1","ffqn":null}')


def test_an_early_return_is_a_divergence() -> None:
    step = prepared(PERSISTED).finish()
    report = log.Divergence(index=3, expected=msgspec.Raw(msgspec.json.encode(PERSISTED)), actual=log.ABSENT)
    assert step == to.Diverged(report)


def test_history_after_the_closes_of_a_return_is_a_divergence() -> None:
    step = prepared(log.JoinSetClose(join_set="g:1"), PERSISTED).finish()
    assert isinstance(step, to.Diverged)
    assert (step.report.index, step.report.actual) == (4, log.ABSENT)


@pytest.mark.parametrize(
    ("params", "same"),
    [
        ('[1,{"a":2,"b":null}]', True),
        (' [1, {"b" : null, "a":2} ] ', True),
        ('[1,{"a":2.0,"b":null}]', True),
        ('[1,{"a":2}]', False),
        ('[true,{"a":2,"b":null}]', False),
        ('[1,{"a":2,"b":false}]', False),
        ('[1,{"a":"2","b":null}]', False),
        ('[1,[["a",2],["b",null]]]', False),
        ('[{"a":2,"b":null},1]', False),
        ('[1,{"a":2,"b":null},3]', False),
        ("[1,", False),
        ("[" * 100_000, False),
    ],
)
def test_params_are_compared_as_json(params: str, *, same: bool) -> None:
    step = prepared(CALLED).step(to.Call(F, raw(params)))
    assert isinstance(step, to.Suspended if same else to.Diverged)


def test_the_same_bytes_are_equal_whatever_they_are() -> None:
    assert matching.same_json(raw("{"), raw("{"))
    assert not matching.same_json(msgspec.Raw(b'"\xff"'), msgspec.Raw(b'"\xfe"'))


STRANGE = log.DelayFinished(join_set="g:1", delay="Delay_x.g:1_8")
CORRUPT: dict[str, tuple[log.HistoryEvent, to.Command, str]] = {
    "never-came": (
        log.JoinNext(join_set="g:1", response=DELAY),
        to.AwaitNext("g:1"),
        f"takes {DELAY} from g:1",
    ),
    "never-asked": (
        log.JoinNextTry(join_set="g:1", response="E_x"),
        to.TryNext("g:1"),
        "takes E_x from g:1",
    ),
    "came-unasked": (
        log.JoinNext(join_set="g:1", response="Delay_x.g:1_8"),
        to.AwaitNext("g:1"),
        "takes Delay_x.g:1_8 from g:1",
    ),
    "nothing-left": (
        log.JoinNext(join_set="g:1", response=None),
        to.AwaitNext("g:1"),
        "cannot be: 2 requests",
    ),
    "pending-response": (
        log.JoinNextTry(join_set="g:1", response=CHILD, pending=True),
        to.TryNext("g:1"),
        "cannot be",
    ),
    "closed": (log.JoinSetClose(join_set="g:1"), to.CloseJoinSet("g:1"), "closes g:1 before"),
}


@pytest.mark.parametrize(("event", "command", "reason"), CORRUPT.values(), ids=CORRUPT)
def test_a_history_that_cannot_be_is_corrupt(event: log.HistoryEvent, command: to.Command, reason: str) -> None:
    machine = prepared(event, responses=(STRANGE,) if isinstance(event, log.JoinSetClose) else (ANSWER, STRANGE))
    with pytest.raises(CorruptLog) as corrupt:
        machine.step(command)
    assert corrupt.value.code == "log_corrupt"
    assert corrupt.value.fields["index"] == 3
    assert f"history event 3 of {ME} {reason}" in corrupt.value.message


@pytest.mark.parametrize("response", [CALLED.child, None, CHILD])
def test_a_call_answered_by_nobody_is_corrupt(response: str | None) -> None:
    machine = prepared(CALLED, log.JoinNext(join_set="o:1", response=response))
    with pytest.raises(CorruptLog, match="from the one-off set"):
        machine.step(to.Call(F, PARAMS))


def test_a_response_is_taken_once() -> None:
    machine = prepared(TOOK, TOOK)
    assert machine.step(to.AwaitNext("g:1", F)) == to.Replayed(ANSWER)
    with pytest.raises(CorruptLog, match="taken before"):
        machine.step(to.AwaitNext("g:1", F))


def test_nothing_pending_cannot_be_pending() -> None:
    pending = log.JoinNextTry(join_set="g:1", response=None, pending=True)
    machine = Machine(ME, (CREATE, pending), ())
    machine.step(to.CreateJoinSet(None))
    with pytest.raises(CorruptLog, match="0 requests were made of g:1"):
        machine.step(to.TryNext("g:1"))


def test_a_response_to_what_was_never_asked_is_never_given_out() -> None:
    machine = Machine(ME, (), (STRANGE,))
    machine.step(to.CreateJoinSet(None))
    assert machine.step(to.AwaitNext("g:1")) == to.Appended(
        (log.JoinNext(join_set="g:1", response=None),), to.AllProcessed()
    )
    machine.step(to.Submit("g:1", F, PARAMS))
    assert machine.step(to.AwaitNext("g:1")) == to.Suspended("g:1")


def test_a_report_clips_long_values() -> None:
    """A build that diverges may ask for more than a value may have: nothing else bounds it on a replay."""
    long = raw(f'["{"ü" * 20_000}"]')
    recorded = msgspec.structs.replace(CALLED, params=long)
    diverged = prepared(recorded).step(to.Call(F, raw(f'["{"x" * 1_000_000}"]')))
    assert isinstance(diverged, to.Diverged)
    expected, actual = (msgspec.json.decode(side) for side in (diverged.report.expected, diverged.report.actual))
    assert (expected["type"], expected["ffqn"], actual["ffqn"]) == ("join_set_request", F, F)
    assert expected["params"] == f'["{"ü" * 8_191}… ({40_004 - 16_384} more bytes)'
    assert actual["params"].endswith("… (983620 more bytes)")
    assert len(actual["params"]) < 17_000
