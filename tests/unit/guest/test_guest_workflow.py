"""The library for workflows, natively: children at the same time, races, retries, compensation, time and keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


@pytest.fixture
def w(engine: Any) -> Any:
    return engine.load("obelisk_guest.workflow")


@pytest.fixture
def kinds(engine: Any) -> Any:
    return engine.load("wit_world.imports.kinds")


@pytest.fixture
def err(engine: Any) -> Any:
    return engine.load("componentize_py_types").Err


def test_gather_gives_results_in_the_order_of_the_calls(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10), 2: (1, 20), 3: (2, 30)}
    assert w.gather(*(w.call(kinds.echo_u64, number) for number in (1, 2, 3))) == (10, 20, 30)
    assert engine.now_s == 3
    assert engine.asked == [("echo_u64", 1), ("echo_u64", 2), ("echo_u64", 3), ("close", [])]
    assert w.gather() == ()


def test_the_first_error_ends_what_was_gathered(engine: Any, w: Any, kinds: Any, err: Any) -> None:
    engine.plan = {1: (3, 10), 2: (1, "err:no"), 3: (2, 30)}
    with pytest.raises(err) as raised:
        w.gather(*(w.call(kinds.echo_result, number) for number in (1, 2, 3)))
    assert raised.value.value == "err:no"
    assert engine.now_s == 1
    assert engine.asked[-1] == ("close", ["E_1.1", "E_1.3"])


def test_a_child_without_a_result_is_an_exception_with_its_kind(engine: Any, w: Any, kinds: Any) -> None:
    kind = engine.load("wit_world.imports.execution").ExecutionFailureKind.TIMED_OUT
    engine.plan = {1: (1, kind)}
    with pytest.raises(w.ChildFailed, match=r"the child E_1\.1 failed: timed_out") as raised:
        w.gather(w.call(kinds.echo_u64, 1))
    assert (raised.value.execution_id, raised.value.kind) == ("E_1.1", "timed_out")


def test_children_come_as_they_end(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10), "a": (1, "A"), 4: (0, 40)}
    seen: list[object] = []
    with w.join_set(w.call(kinds.echo_u64, 1), name="parts") as children:
        text = children.submit(kinds.echo_string, "a")
        assert not text.has_ended
        with pytest.raises(RuntimeError, match=r"E_1\.2 has no result yet"):
            text.result()
        children.delay(2)
        for child in children:
            seen.append(child.result())
            if child is text:
                children.submit(kinds.echo_u64, 4)
    assert seen == ["A", 40, 10]
    assert text.call.args == ("a",)
    children.close()
    assert [one for one in engine.asked if isinstance(one, tuple) and one[0] == "close"] == [("close", [])]
    with pytest.raises(RuntimeError, match="the join set is closed"):
        children.submit(kinds.echo_u64, 1)


def test_a_join_set_closes_when_an_exception_leaves_it(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10)}

    def fails() -> None:
        with w.join_set(w.call(kinds.echo_u64, 1)):
            raise KeyError("x")

    with pytest.raises(KeyError):
        fails()
    assert engine.asked[-1] == ("close", ["E_1.1"])


def test_next_tells_children_delays_and_the_end_apart(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (5, 10)}
    children = w.join_set()
    assert children.next() is None
    child, delay = children.submit(kinds.echo_u64, 1), children.delay(timedelta(seconds=2))
    assert (children.next(), delay.was_cancelled) == (delay, False)
    assert (children.next(), child.result(), children.next()) == (child, 10, None)


def test_names_of_join_sets(engine: Any, w: Any) -> None:
    with pytest.raises(ValueError, match="made a join set 'taken' before"):
        w.join_set(name="taken")
    with pytest.raises(ValueError, match="'a b' is no name of a join set: letters"):
        w.join_set(name="a b")


def test_the_first_of_a_race_wins_and_the_others_are_cancelled(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10), "a": (1, "A")}
    assert w.race(w.call(kinds.echo_u64, 1), w.call(kinds.echo_string, "a"), timeout=2) == "A"
    assert engine.asked[-1] == ("close", ["E_1.1", "Delay_3"])


def test_a_race_against_time_can_be_lost(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10)}
    with pytest.raises(w.TimedOut, match="none of 1 calls ended within 2 s") as raised:
        w.race(w.call(kinds.echo_u64, 1), timeout=timedelta(seconds=2))
    assert isinstance(raised.value, TimeoutError)
    assert engine.now_s == 2
    assert engine.asked[-1] == ("close", ["E_1.1"])


def test_a_delay_that_an_operator_cancels_bounds_nothing(engine: Any, w: Any, kinds: Any) -> None:
    engine.plan = {1: (3, 10), "delay": (0, "cancelled")}
    assert w.race(w.call(kinds.echo_u64, 1), timeout=2) == 10


def test_a_race_needs_a_call_and_a_time_that_is_one(engine: Any, w: Any, kinds: Any) -> None:
    with pytest.raises(ValueError, match="a race needs a call"):
        w.race(timeout=1)
    for span in (-1, float("nan"), float("inf"), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="a finite number of seconds from 0 on"):
            w.race(w.call(kinds.echo_u64, 1), timeout=span)
    assert engine.asked == []


def test_only_imported_functions_are_children(w: Any, engine: Any, kinds: Any) -> None:
    with pytest.raises(TypeError, match=r"a child is a function of `wit_world.imports`, as `stock.reserve`"):
        w.gather(w.call(lambda: 1))
    log = engine.load("wit_world.imports.log")
    log.info.__module__ = "wit_world.imports.log"
    log.info.__name__ = "info"
    with pytest.raises(TypeError, match=r"`log.info` cannot be started as a child: its package has no extension"):
        w.gather(w.call(log.info, "x"))


def test_a_name_that_python_keeps_for_itself(engine: Any, w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = engine.load("wit_world.imports.kinds_ext")
    monkeypatch.setattr(extension, "class_submit", engine.child("class"), raising=False)
    monkeypatch.setattr(extension, "class_get", engine.get, raising=False)

    def class_(number: int) -> int:
        return number

    class_.__module__ = "wit_world.imports.kinds"
    engine.plan = {1: (0, 7)}
    assert w.gather(w.call(class_, 1)) == (7,)


# --- retries --------------------------------------------------------------------------------------------------------
def test_a_call_is_retried_with_growing_pauses(engine: Any, w: Any, err: Any) -> None:
    left = [err("a"), err("b"), err("c")]

    def flaky(value: int) -> int:
        if left:
            raise left.pop(0)
        return value

    assert w.retry(w.call(flaky, 7), attempts=4, pause=2, factor=3, max_pause=timedelta(seconds=5)) == 7
    assert [payload.value for _, payload in engine.asked] == [2000, 5000, 5000]


def test_the_last_error_is_raised_and_others_at_once(engine: Any, w: Any, err: Any) -> None:
    def fails() -> None:
        raise err("sold out")

    with pytest.raises(err):
        w.retry(fails, attempts=2)
    assert len(engine.asked) == 1

    def is_worth_it(value: object) -> bool:
        return value != "sold out"

    with pytest.raises(err):
        w.retry(fails, attempts=5, when=is_worth_it)
    assert len(engine.asked) == 1
    with pytest.raises(ZeroDivisionError):
        w.retry(lambda: 1 // 0)
    with pytest.raises(ValueError, match="at least one attempt, got 0"):
        w.retry(fails, attempts=0)
    assert len(engine.asked) == 1


# --- compensation ---------------------------------------------------------------------------------------------------
def test_compensations_run_in_reverse_and_all_of_them(engine: Any, w: Any, err: Any) -> None:
    undone: list[str] = []

    def cancel(name: str, *, fails: bool = False) -> None:
        undone.append(name)
        if fails:
            raise err("gone")

    def book() -> None:
        with w.saga() as undo:
            undo.compensate(cancel, "flight")
            undo.compensate(cancel, "hotel", fails=True)
            undo.compensate(cancel, "car")
            sagas.append(undo)
            raise err("no car")

    sagas: list[Any] = []
    with pytest.raises(err) as raised:
        book()
    assert raised.value.value == "no car"
    assert undone == ["car", "hotel", "flight"]
    assert engine.lines == [("error", "compensation cancel failed: Err: gone")]
    ((step, error),) = sagas[0].failed
    assert (step.args, error.value) == (("hotel",), "gone")


def test_nothing_is_undone_when_all_went_well(engine: Any, w: Any) -> None:
    undone: list[int] = []
    with w.saga() as undo:
        undo.compensate(undone.append, 1)
    assert (undone, engine.lines) == ([], [])


# --- time and keys --------------------------------------------------------------------------------------------------
def test_time_is_that_of_the_engine(engine: Any, w: Any) -> None:
    engine.now_s = 1.5
    assert w.now() == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert w.sleep(0.0015) is True
    assert w.sleep(timedelta(days=400), name="long") is True
    assert w.sleep(1, name="cancelled") is False
    assert w.sleep_until(datetime(2000, 1, 1, tzinfo=UTC)) is True
    spans = [(case, getattr(payload, "value", payload)) for case, payload in engine.asked]
    time = engine.load("wit_world.imports.time")
    assert spans == [
        ("ScheduleAt_In", 2),
        ("ScheduleAt_In", 400 * 86_400_000),
        ("ScheduleAt_In", 1000),
        ("ScheduleAt_At", time.Datetime(946_684_800, 0)),
    ]


def test_instants_have_a_time_zone_and_are_after_1970(w: Any) -> None:
    with pytest.raises(ValueError, match="an instant needs a time zone"):
        w.sleep_until(datetime(2030, 1, 1))
    with pytest.raises(ValueError, match="an instant before 1970"):
        w.sleep_until(datetime(1960, 1, 1, tzinfo=UTC))


def test_a_span_is_rounded_up_to_milliseconds_but_not_by_a_binary_fraction(engine: Any, w: Any) -> None:
    for span in (0.1, 1.1, 0.07, 1e-9, 0):
        w.sleep(span)
    assert [payload.value for _, payload in engine.asked] == [100, 1100, 70, 1, 0]


def test_keys_come_from_the_execution(w: Any) -> None:
    assert w.execution_id() == "E_1"
    assert w.idempotency_key() == "E_1"
    assert w.idempotency_key("charge", 3) == "E_1/charge/3"
    for part in ("", "a/b"):
        with pytest.raises(ValueError, match="at least one character and no slash"):
            w.idempotency_key(part)


def test_records_go_to_the_executions_log_with_their_levels(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import logging

    guest_logging = engine.load("obelisk_guest.logging")
    logger = logging.Logger("shop")
    handler = guest_logging.ExecutionLog()
    handler.setFormatter(logging.Formatter(guest_logging.FORMAT))
    logger.addHandler(handler)
    for level in (5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "%d items", level)
    try:
        raise KeyError("amount")
    except KeyError:
        logger.exception("lost")
    assert engine.lines[:6] == [
        ("trace", "shop: 5 items"),
        ("debug", "shop: 10 items"),
        ("info", "shop: 20 items"),
        ("warn", "shop: 30 items"),
        ("error", "shop: 40 items"),
        ("error", "shop: 50 items"),
    ]
    assert engine.lines[6][0] == "error"
    assert engine.lines[6][1].startswith("shop: lost\nTraceback")
    assert engine.lines[6][1].endswith("KeyError: 'amount'")
    root = logging.Logger("root")
    monkeypatch.setattr(logging, "getLogger", lambda: root)
    guest_logging.configure("WARNING")
    root.info("not this")
    root.error("this")
    assert engine.lines[7:] == [("error", "root: this")]
