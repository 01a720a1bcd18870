"""What each command leaves in the log and answers; that replays agree is a law (`test_replay_laws`)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.replay import commands as to
from obelisk.runtime.replay.machine import Machine, MachineMisuse

ME = "E_01ARZ3NDEKTSV4RRFFQ69G5FAV"
F, G = "demo:a/i.f", "demo:a/i.g"
PARAMS = msgspec.Raw(b"[10]")
SOON = msgspec.Raw(b'{"in":{"seconds":1}}')


def machine(*history: log.HistoryEvent, responses: tuple[log.Response, ...] = ()) -> Machine:
    return Machine(ME, history, responses)


def finished(child: str, value: bytes = b'{"ok":55}') -> log.ChildFinished:
    join_set = child.rpartition(".")[2].rpartition("_")[0]
    return log.ChildFinished(join_set=join_set, child=child, outcome=log.Returned(value=msgspec.Raw(value)))


def expired(delay: str, *, cancelled: bool = False) -> log.DelayFinished:
    join_set = delay.rpartition(".")[2].rpartition("_")[0]
    return log.DelayFinished(join_set=join_set, delay=delay, cancelled=cancelled)


def with_set(*children: str) -> tuple[Machine, list[str]]:
    """A machine with the join set g:1 and a child of each function."""
    it = machine()
    it.step(to.CreateJoinSet(None))
    for ffqn in children:
        it.step(to.Submit("g:1", ffqn, PARAMS))
    return it, list(it.facts.children("g:1"))


# --- one-off ----------------------------------------------------------------------------------------------------------
REQUEST = log.JoinSetRequest(join_set="o:1", child=f"{ME}.o:1_1", ffqn=F, params=PARAMS)
NEXT = log.JoinNext(join_set="o:1", response=f"{ME}.o:1_1")
ANSWER = finished(f"{ME}.o:1_1")


def test_a_call_is_requested_waits_and_takes_its_response() -> None:
    it = machine()
    assert it.step(to.Call(F, PARAMS)) == to.Suspended("o:1", (REQUEST,))
    assert it.resume() == to.Suspended("o:1")
    assert it.facts.last_direct_call is None
    assert not it.deliver(finished(f"{ME}.o:2_1"))
    assert it.deliver(ANSWER)
    assert it.resume() == to.Appended((NEXT,), ANSWER)
    assert it.facts.last_direct_call == it.facts.last_one_off == ANSWER.child
    assert it.facts.processed_response(ANSWER.child) == ANSWER
    assert it.facts.function_of(ANSWER.child) == F
    assert it.facts.responses_seen == 2


def test_a_replayed_call_is_answered_at_once() -> None:
    it = machine(REQUEST, NEXT, responses=(ANSWER,))
    assert it.facts.is_replaying
    assert it.step(to.Call(F, PARAMS)) == to.Replayed(ANSWER)
    assert not it.facts.is_replaying
    assert it.finish() == to.Replayed(None)


def test_a_call_whose_request_alone_is_recorded_goes_on_from_there() -> None:
    assert machine(REQUEST).step(to.Call(F, PARAMS)) == to.Suspended("o:1")
    assert machine(REQUEST, responses=(ANSWER,)).step(to.Call(F, PARAMS)) == to.Appended((NEXT,), ANSWER)


def test_one_off_sets_are_numbered_together() -> None:
    it = machine()
    commands: list[to.Command] = [to.Call(F, PARAMS), to.Sleep(SOON, 5, None), to.Sleep(SOON, 5, "nap")]
    for number, command in enumerate(commands, 1):
        step = it.step(command)
        assert isinstance(step, to.Suspended)
        assert step.join_set == f"o:{number}" + ("_nap" if number == 3 else "")
        match step.events:
            case (log.JoinSetRequest(child=child),):
                it.deliver(finished(child))
            case (log.DelayRequest(delay=delay),):
                it.deliver(expired(delay))
            case _:
                pytest.fail("one request, nothing else")
        it.resume()
    assert it.facts.last_one_off == "Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.o:3_nap_1"
    assert it.facts.last_direct_call == f"{ME}.o:1_1"


def test_a_sleep_keeps_its_recorded_instant() -> None:
    delay = "Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.o:1_1"
    request = log.DelayRequest(join_set="o:1", delay=delay, schedule=SOON, expires_at_us=5)
    it = machine()
    assert it.step(to.Sleep(SOON, 5, None)) == to.Suspended("o:1", (request,))
    it = machine(request)
    assert it.step(to.Sleep(SOON, 77, None)) == to.Suspended("o:1")
    assert it.facts.expires_at_us(delay) == 5
    assert it.deliver(expired(delay, cancelled=True))
    assert it.resume() == to.Appended((log.JoinNext(join_set="o:1", response=delay),), expired(delay, cancelled=True))


# --- join sets --------------------------------------------------------------------------------------------------------
def test_join_sets_are_numbered_or_named_once() -> None:
    it = machine()
    assert it.step(to.CreateJoinSet(None)) == to.Appended((log.JoinSetCreate(join_set="g:1"),), "g:1")
    assert it.step(to.CreateJoinSet("a/b-1")) == to.Appended((log.JoinSetCreate(join_set="n:a/b-1"),), "n:a/b-1")
    assert it.step(to.CreateJoinSet("a/b-1")) == to.Replayed(to.NameTaken())
    it.step(to.CloseJoinSet("n:a/b-1"))
    assert it.step(to.CreateJoinSet("a/b-1")) == to.Replayed(to.NameTaken())
    assert it.facts.join_set_name_exists("a/b-1")
    assert not it.facts.join_set_name_exists("b")
    assert it.step(to.CreateJoinSet(None)) == to.Appended((log.JoinSetCreate(join_set="g:2"),), "g:2")


def test_requests_are_numbered_per_join_set() -> None:
    it, children = with_set(F)
    delay = "Delay_01ARZ3NDEKTSV4RRFFQ69G5FAV.g:1_2"
    event = log.DelayRequest(join_set="g:1", delay=delay, schedule=SOON, expires_at_us=9)
    assert it.step(to.SubmitDelay("g:1", SOON, 9)) == to.Appended((event,), delay)
    assert it.facts.expires_at_us(delay) == 9
    third = log.JoinSetRequest(join_set="g:1", child=f"{ME}.g:1_3", ffqn=G, params=PARAMS)
    assert it.step(to.Submit("g:1", G, PARAMS)) == to.Appended((third,), third.child)
    assert children == [f"{ME}.g:1_1"]
    assert it.facts.children("g:1") == (f"{ME}.g:1_1", f"{ME}.g:1_3")
    assert it.facts.open_delays("g:1") == (delay,)
    it.step(to.CreateJoinSet("x"))
    step = it.step(to.Submit("n:x", F, PARAMS))
    assert isinstance(step, to.Appended)
    assert step.value == f"{ME}.n:x_1"


def test_responses_are_taken_in_the_order_they_came() -> None:
    it, (one, two) = with_set(F, G)
    it.deliver(finished(two))
    it.deliver(finished(one))
    for child in (two, one):
        assert it.facts.processed_response(child) is None
        step = it.step(to.AwaitNext("g:1", F))
        assert step == to.Appended((log.JoinNext(join_set="g:1", response=child, ffqn=F),), finished(child))
        assert it.facts.last_response("g:1") == child
        assert it.facts.processed_response(child) == finished(child)
    assert it.facts.function_of(two) == G
    assert it.step(to.AwaitNext("g:1")) == to.Appended(
        (log.JoinNext(join_set="g:1", response=None),), to.AllProcessed()
    )


def test_a_replay_takes_them_in_the_recorded_order() -> None:
    requests = [log.JoinSetRequest(join_set="g:1", child=f"{ME}.g:1_{n}", ffqn=F, params=PARAMS) for n in (1, 2)]
    took = log.JoinNext(join_set="g:1", response=requests[0].child)
    two, one = finished(requests[1].child), finished(requests[0].child)
    it = machine(log.JoinSetCreate(join_set="g:1"), *requests, took, responses=(two, one))
    it.step(to.CreateJoinSet(None))
    it.step(to.Submit("g:1", F, PARAMS))
    it.step(to.Submit("g:1", F, PARAMS))
    assert it.step(to.AwaitNext("g:1")) == to.Replayed(one)
    assert it.step(to.AwaitNext("g:1")) == to.Appended((log.JoinNext(join_set="g:1", response=two.child),), two)


def test_waiting_for_a_set_wakes_for_that_set_alone() -> None:
    it, (child,) = with_set(F)
    it.step(to.CreateJoinSet("x"))
    it.step(to.Submit("n:x", F, PARAMS))
    assert it.step(to.AwaitNext("g:1")) == to.Suspended("g:1")
    assert not it.deliver(finished(f"{ME}.n:x_1"))
    assert not it.deliver(finished(f"{ME}.g:1_7")), "a response to what was never asked"
    assert it.resume() == to.Suspended("g:1")
    assert it.deliver(finished(child))
    assert not it.deliver(finished(child, b"0")), "the second answer to the same request"
    assert it.resume() == to.Appended((log.JoinNext(join_set="g:1", response=child),), finished(child))


def test_try_next_says_pending_done_or_all() -> None:
    it, (child,) = with_set(F)
    pending = log.JoinNextTry(join_set="g:1", response=None, pending=True)
    assert it.step(to.TryNext("g:1")) == to.Appended((pending,), to.StillPending())
    it.deliver(finished(child))
    assert it.step(to.TryNext("g:1")) == to.Appended(
        (log.JoinNextTry(join_set="g:1", response=child),), finished(child)
    )
    assert it.step(to.TryNext("g:1")) == to.Appended(
        (log.JoinNextTry(join_set="g:1", response=None),), to.AllProcessed()
    )


# --- closing ----------------------------------------------------------------------------------------------------------
def test_closing_waits_for_children_and_gives_up_delays() -> None:
    it, (one, two) = with_set(F, F)
    delay = it.step(to.SubmitDelay("g:1", SOON, 9))
    assert isinstance(delay, to.Appended)
    assert it.step(to.CloseJoinSet("g:1")) == to.Suspended("g:1")
    assert not it.deliver(finished(two))
    assert it.resume() == to.Suspended("g:1")
    assert it.deliver(finished(one))
    assert it.resume() == to.Appended((log.JoinSetClose(join_set="g:1"),), None)
    assert it.facts.open_delays("g:1") == (delay.value,)
    assert it.facts.processed_response(two) == finished(two)
    assert not it.deliver(expired(str(delay.value)))
    assert it.facts.processed_response(str(delay.value)) is None
    assert it.facts.last_response("g:1") is None


def test_the_return_closes_the_newest_set_first() -> None:
    it, (child,) = with_set(F)
    it.step(to.CreateJoinSet("x"))
    it.step(to.Submit("n:x", F, PARAMS))
    it.step(to.CreateJoinSet("y"))
    assert it.finish() == to.Suspended("n:x", (log.JoinSetClose(join_set="n:y"),))
    assert not it.deliver(finished(child))
    assert it.deliver(finished(f"{ME}.n:x_1"))
    closes = (log.JoinSetClose(join_set="n:x"), log.JoinSetClose(join_set="g:1"))
    assert it.resume() == to.Appended(closes, None)


def test_a_guest_that_asked_for_nothing_leaves_nothing() -> None:
    assert machine().finish() == to.Replayed(None)


# --- the rest ---------------------------------------------------------------------------------------------------------
def test_what_is_recorded_wins_over_the_proposal() -> None:
    request = msgspec.Raw(b'{"fn":"random"}')
    event = log.Persist(request=request, value=msgspec.Raw(b"4"))
    assert machine().step(to.Record(request, msgspec.Raw(b"4"))) == to.Appended((event,), msgspec.Raw(b"4"))
    assert machine(event).step(to.Record(request, msgspec.Raw(b"9"))) == to.Replayed(msgspec.Raw(b"4"))


def test_a_schedule_is_recorded_once() -> None:
    other = ME[:-1] + "W"
    event = log.Schedule(execution_id=other, ffqn=F, params=PARAMS, schedule=SOON, scheduled_at_us=8)
    assert machine().step(to.ScheduleExecution(other, F, PARAMS, SOON, 8)) == to.Appended((event,), None)
    assert machine(event).step(to.ScheduleExecution(other, F, PARAMS, SOON, 99)) == to.Replayed(None)


def misuses() -> dict[str, tuple[to.Command, str]]:
    return {
        "unknown": (to.AwaitNext("g:9"), "join_set_unknown"),
        "one-off": (to.CloseJoinSet("o:1"), "join_set_unknown"),
        "closed-submit": (to.Submit("n:x", F, PARAMS), "join_set_closed"),
        "closed-delay": (to.SubmitDelay("n:x", SOON, 1), "join_set_closed"),
        "closed-next": (to.AwaitNext("n:x"), "join_set_closed"),
        "closed-try": (to.TryNext("n:x"), "join_set_closed"),
        "closed-close": (to.CloseJoinSet("n:x"), "join_set_closed"),
        "name": (to.CreateJoinSet("a_b"), "join_set_name_invalid"),
        "empty-name": (to.CreateJoinSet(""), "join_set_name_invalid"),
        "sleep-name": (to.Sleep(SOON, 1, "a.b"), "join_set_name_invalid"),
    }


@pytest.mark.parametrize(("command", "code"), misuses().values(), ids=misuses())
def test_misuse_by_the_guest_changes_nothing(command: to.Command, code: str) -> None:
    it = machine()
    it.step(to.CreateJoinSet("x"))
    it.step(to.CloseJoinSet("n:x"))
    with pytest.raises(MachineMisuse) as misuse:
        it.step(command)
    assert misuse.value.code == code
    assert it.step(to.Call(F, PARAMS)) == to.Suspended("o:1", (REQUEST,))


def test_questions_about_what_is_not_there() -> None:
    it = machine()
    for question in (it.facts.last_response, it.facts.children, it.facts.open_delays):
        with pytest.raises(MachineMisuse) as misuse:
            question("g:1")
        assert (misuse.value.code, misuse.value.fields) == ("join_set_unknown", {"join_set": "g:1"})
    for ask in (it.facts.function_of, it.facts.expires_at_us):
        with pytest.raises(MachineMisuse) as misuse:
            ask("E_x")
        assert (misuse.value.code, misuse.value.fields) == ("request_unknown", {"id": "E_x"})
    assert it.facts.processed_response("E_x") is None
    assert it.facts.last_one_off is None


def test_calling_out_of_order_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="nothing is suspended"):
        machine().resume()
    it = machine()
    it.step(to.Call(F, PARAMS))
    with pytest.raises(AssertionError, match="suspended"):
        it.step(to.Call(F, PARAMS))
    with pytest.raises(AssertionError, match="suspended"):
        it.finish()
    it = machine()
    it.finish()
    with pytest.raises(AssertionError, match="returned"):
        it.step(to.Call(F, PARAMS))
    with pytest.raises(AssertionError, match="returned"):
        it.finish()


def test_replay_takes_work_linear_in_the_history(calls_of: Callable[[Callable[[], object]], int]) -> None:
    """Calls one after another, and as many responses of one set."""
    assert calls_of(lambda: replay_long_history(4_000)) < 4.2 * calls_of(lambda: replay_long_history(1_000))


def replay_long_history(count: int) -> None:
    history: list[log.HistoryEvent] = []
    calls = [f"{ME}.o:{n}_1" for n in range(1, count + 1)]
    for n, child in enumerate(calls, 1):
        history.append(log.JoinSetRequest(join_set=f"o:{n}", child=child, ffqn=F, params=PARAMS))
        history.append(log.JoinNext(join_set=f"o:{n}", response=child))
    history.append(log.JoinSetCreate(join_set="g:1"))
    children = [f"{ME}.g:1_{n}" for n in range(1, count + 1)]
    history += [log.JoinSetRequest(join_set="g:1", child=c, ffqn=F, params=PARAMS) for c in children]
    history += [log.JoinNext(join_set="g:1", response=c) for c in children[: count // 2]]
    it = machine(*history, responses=tuple(map(finished, calls + children)))
    for _ in calls:
        assert type(it.step(to.Call(F, PARAMS))) is to.Replayed
    it.step(to.CreateJoinSet(None))
    for _ in children:
        it.step(to.Submit("g:1", F, PARAMS))
    for _ in children:
        it.step(to.AwaitNext("g:1"))
    assert it.facts.last_response("g:1") == children[-1]
