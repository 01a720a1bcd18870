"""Fibers over a hand-written guest: waiting, answering, failing, trapping, limits; and nothing is left behind."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import Primitive, Type
from obelisk.runtime.errors import FunctionNotFound
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.component import Compiled, ComponentCache, to_binary
from obelisk.runtime.host.errors import AbiError, Stopped
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.targets import Limits
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings, workflow_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    GuestTrap,
    ImportFunction,
    JsonValue,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)

GUEST = """(component
  (import "test:f/host@1.0.0" (instance $host
    (export "late" (func (param "n" u32) (result u64)))
    (export "now" (func (param "n" u32) (result u64)))
    (export "tell" (func (param "n" u32)))))
  (core func $late (canon lower (func $host "late")))
  (core func $now (canon lower (func $host "now")))
  (core func $tell (canon lower (func $host "tell")))
  (core module $m
    (import "h" "late" (func $late (param i32) (result i64)))
    (import "h" "now" (func $now (param i32) (result i64)))
    (import "h" "tell" (func $tell (param i32)))
    (memory 1)
    (func (export "sum-late") (param $n i32) (result i64) (local $sum i64)
      (block $end (loop $l
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $sum (i64.add (local.get $sum) (call $late (local.get $n))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
      (local.get $sum))
    (func (export "sum-now") (param $n i32) (result i64)
      (i64.add (call $now (local.get $n)) (call $now (i32.const 1))))
    (func (export "told") (param $n i32) (result i64) (call $tell (local.get $n)) (i64.const 0))
    (func (export "spin") (param i32) (result i64) (loop $l (br $l)) (unreachable))
    (func (export "trap") (param i32) (result i64) (unreachable))
    (func (export "divide") (param $n i32) (result i64) (i64.div_u (i64.const 1) (i64.extend_i32_u (local.get $n))))
    (func $deep (export "deep") (param $n i32) (result i64)
      (if (result i64) (i32.eqz (local.get $n)) (then (i64.const 0))
        (else (i64.add (i64.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))))
    (func (export "grow") (param $n i32) (result i64) (i64.extend_i32_s (memory.grow (local.get $n)))))
  (core instance $c (instantiate $m (with "h" (instance
    (export "late" (func $late)) (export "now" (func $now)) (export "tell" (func $tell))))))
  %s
  (instance $e %s)
  (export "test:f/guest@1.0.0" (instance $e)))"""
NAMES = ("sum-late", "sum-now", "told", "spin", "trap", "divide", "deep", "grow")
SOURCE = GUEST % (
    " ".join(f'(func ${name} (param "n" u32) (result u64) (canon lift (core func $c "{name}")))' for name in NAMES),
    " ".join(f'(export "{name}" (func ${name}))' for name in NAMES),
)
Handle = Callable[[Any, list[Any]], Any]


def function(name: str, result: Type | None = Primitive.U64) -> Function:
    return Function(name=name, params=(Param("n", Primitive.U32),), result=result)


EXPORTS = {name: ExportFunction(interface="test:f/guest@1.0.0", function=function(name)) for name in NAMES}


@pytest.fixture(scope="module")
def compiled() -> Iterator[Compiled]:
    with Engine(workflow_settings()) as engine:
        yield ComponentCache(engine, None).compile(to_binary(SOURCE.encode()))


def ready(
    compiled: Compiled,
    *,
    late: Handle = lambda _context, _args: PENDING,
    now: Handle = lambda _context, args: args[0],
    tell: Handle = lambda _context, _args: None,
) -> Prepared:
    offers: list[tuple[str, Type | None, Handle, bool]] = [
        ("late", Primitive.U64, late, True),
        ("now", Primitive.U64, now, False),
        ("tell", None, tell, True),
    ]
    imports = [
        ImportFunction(interface="test:f/host@1.0.0", function=function(name, result), handler=handler, waits=waits)
        for name, result, handler, waits in offers
    ]
    return prepare(compiled, exports=list(EXPORTS.values()), imports=imports)


def poll(fiber: Fiber) -> Poll:
    """The next thing of interest: a busy machine may let a tick pass anywhere."""
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    return polled


def trap(fiber: Fiber) -> Trapped:
    polled = poll(fiber)
    assert isinstance(polled, Trapped), polled
    assert fiber.is_closed
    return polled


def test_a_guest_waits_for_each_answer(compiled: Compiled) -> None:
    asked: list[JsonValue] = []

    def late(context: Any, args: list[JsonValue]) -> Any:
        assert context == "mine"
        asked.extend(args)
        return PENDING

    fiber = ready(compiled, late=late).start(EXPORTS["sum-late"], [3], "mine")
    assert asked == []
    for answer in (100, 20, 3):
        assert poll(fiber) == Waiting()
        assert fiber.is_waiting
        assert fiber.poll() == Waiting()  # without an answer nothing moves
        fiber.resume(answer)
        assert not fiber.is_waiting
    assert poll(fiber) == Returned(123)
    assert asked == [3, 2, 1]
    assert fiber.is_closed


def test_handlers_that_answer_at_once_need_no_resume(compiled: Compiled) -> None:
    prepared = ready(compiled, late=lambda _context, args: args[0] * 10)
    assert poll(prepared.start(EXPORTS["sum-late"], [4], None)) == Returned(100)
    assert poll(prepared.start(EXPORTS["sum-now"], [4], None)) == Returned(5)
    assert poll(prepared.start(EXPORTS["told"], [4], None)) == Returned(0)


def test_ten_thousand_calls_of_one_guest(compiled: Compiled) -> None:
    prepared = ready(compiled, late=lambda _context, args: args[0])
    assert poll(prepared.start(EXPORTS["sum-late"], [10_000], None)) == Returned(50_005_000)


def test_many_fibers_keep_their_answers_apart(compiled: Compiled) -> None:
    prepared, order = ready(compiled), random.Random(7)
    waiting = [(number, prepared.start(EXPORTS["sum-late"], [3], number)) for number in range(300)]
    for _, fiber in waiting:
        assert poll(fiber) == Waiting()
    for round_ in range(3):
        order.shuffle(waiting)
        for number, fiber in waiting:
            fiber.resume(number * 1000)
            assert poll(fiber) == (Waiting() if round_ < 2 else Returned(number * 3000))


@pytest.mark.parametrize("name", ["sum-late", "sum-now", "told"])
@pytest.mark.parametrize("error", [LookupError("why"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_a_handler_raises_comes_out_of_poll(compiled: Compiled, name: str, error: BaseException) -> None:
    def broken(_context: Any, _args: list[JsonValue]) -> Any:
        raise error

    fiber = ready(compiled, late=broken, now=broken, tell=broken).start(EXPORTS[name], [1], None)
    with pytest.raises(type(error)) as caught:
        poll(fiber)
    assert caught.value is error
    assert fiber.is_closed


@pytest.mark.parametrize("name", ["sum-late", "sum-now", "told"])
def test_a_handler_can_make_the_guest_trap(compiled: Compiled, name: str) -> None:
    def refuse(_context: Any, _args: list[JsonValue]) -> Any:
        raise GuestTrap("the join set is closed")

    trapped = trap(ready(compiled, late=refuse, now=refuse, tell=refuse).start(EXPORTS[name], [1], None))
    assert (trapped.reason, trapped.message) == (TrapReason.HOST, "the join set is closed")
    assert "wasm function" in trapped.backtrace


def test_a_pending_call_can_fail(compiled: Compiled) -> None:
    fiber = ready(compiled).start(EXPORTS["sum-late"], [2], None)
    assert poll(fiber) == Waiting()
    fiber.fail(GuestTrap("gone"))
    assert trap(fiber) == Trapped(TrapReason.HOST, "gone", "m!<wasm function 3>")


@pytest.mark.parametrize("wrong", ["1", -1, 1 << 64, None, 1.0])
def test_wrong_answers_are_refused(compiled: Compiled, wrong: JsonValue) -> None:
    fiber = ready(compiled).start(EXPORTS["sum-late"], [1], None)
    assert poll(fiber) == Waiting()
    fiber.resume(wrong)
    with pytest.raises(AbiError):
        poll(fiber)
    assert fiber.is_closed
    for name in ("sum-late", "sum-now"):
        prepared = ready(compiled, late=lambda _context, _args: wrong, now=lambda _context, _args: wrong)
        with pytest.raises(AbiError):
            poll(prepared.start(EXPORTS[name], [1], None))
    with pytest.raises(AbiError, match="has no result"):
        poll(ready(compiled, tell=lambda _context, _args: 1).start(EXPORTS["told"], [1], None))


def test_wrong_arguments_are_refused_before_anything_runs(compiled: Compiled) -> None:
    prepared = ready(compiled)
    for args in ([], [1, 2], ["1"], [-1]):
        with pytest.raises(AbiError):
            prepared.start(EXPORTS["sum-late"], args, None)
    unknown = ExportFunction(interface="test:f/guest@1.0.0", function=function("nothing"))
    with pytest.raises(FunctionNotFound):
        prepared.start(unknown, [1], None)


def test_use_after_the_end_is_refused(compiled: Compiled) -> None:
    fiber = ready(compiled).start(EXPORTS["sum-late"], [0], None)
    with pytest.raises(Stopped, match="does not wait"):
        fiber.resume(1)
    assert poll(fiber) == Returned(0)
    fiber.close()
    with pytest.raises(Stopped, match="has ended"):
        fiber.poll()
    with pytest.raises(Stopped):
        fiber.fail(GuestTrap("late"))


def test_a_fiber_cannot_be_polled_from_its_own_handler(compiled: Compiled) -> None:
    running: list[Fiber] = []

    def late(_context: Any, args: list[JsonValue]) -> Any:
        for act in (running[0].poll, running[0].close):
            with pytest.raises(Stopped, match="being polled"):
                act()
        return args[0]

    running.append(ready(compiled, late=late).start(EXPORTS["sum-late"], [2], None))
    assert poll(running[0]) == Returned(3)


@pytest.mark.parametrize(
    ("name", "arg", "reason", "message"),
    [
        ("trap", 0, TrapReason.TRAPPED, "wasm trap: wasm `unreachable` instruction executed"),
        ("divide", 0, TrapReason.TRAPPED, "wasm trap: integer divide by zero"),
        ("deep", 10_000_000, TrapReason.STACK_OVERFLOW, "wasm trap: call stack exhausted"),
    ],
)
def test_traps_are_told_apart(compiled: Compiled, name: str, arg: int, reason: TrapReason, message: str) -> None:
    trapped = trap(ready(compiled).start(EXPORTS[name], [arg], None))
    assert (trapped.reason, trapped.message) == (reason, message)
    assert trapped.backtrace


def test_memory_is_limited(compiled: Compiled) -> None:
    prepared, limits = ready(compiled), Limits(memory_bytes=10 * 65536)
    assert poll(prepared.start(EXPORTS["grow"], [9], None, limits)) == Returned(1)
    assert poll(prepared.start(EXPORTS["grow"], [10], None, limits)) == Returned((1 << 64) - 1)
    trapped = trap(prepared.start(EXPORTS["grow"], [1], None, Limits(memory_bytes=100)))
    assert trapped.reason is TrapReason.OUT_OF_MEMORY
    assert "could not be instantiated" in trapped.message


def test_fuel_is_counted() -> None:
    with Engine(EngineSettings(fuel=True)) as engine:
        prepared = ready(ComponentCache(engine, None).compile(to_binary(SOURCE.encode())))
        assert poll(prepared.start(EXPORTS["deep"], [10], None, Limits(fuel=10_000))) == Returned(10)
        for limits in (Limits(fuel=10_000), Limits()):
            trapped = trap(prepared.start(EXPORTS["spin"], [0], None, limits))
            assert trapped.reason is TrapReason.OUT_OF_FUEL


def test_a_deadline_from_before_the_wait_does_not_yield(compiled: Compiled) -> None:
    prepared = ready(compiled)
    yields = 0
    for _ in range(20):
        fiber = prepared.start(EXPORTS["sum-late"], [1], None)
        assert poll(fiber) == Waiting()
        spin = prepared.start(EXPORTS["spin"], [0], None)
        spin.poll()  # one tick at least
        spin.close()
        fiber.resume(1)
        yields += isinstance(fiber.poll(), Yielded)
        fiber.close()
    assert yields <= 5  # none but for ticks that fall into the poll itself


def rss_kib() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_fibers_leave_nothing_behind_wherever_they_end(compiled: Compiled) -> None:
    def broken(_context: Any, args: list[JsonValue]) -> Any:
        if args[0] == 1:
            raise LookupError
        return PENDING

    prepared = ready(compiled, late=broken)

    def work() -> None:
        prepared.start(EXPORTS["sum-late"], [5], None).close()  # before its first poll
        waiting = prepared.start(EXPORTS["sum-late"], [5], None)
        assert poll(waiting) == Waiting()
        waiting.close()  # in mid-call
        waiting.close()
        answered = prepared.start(EXPORTS["sum-late"], [5], None)
        assert poll(answered) == Waiting()
        answered.resume(1)
        answered.close()  # with an answer on its way
        with pytest.raises(LookupError):
            poll(prepared.start(EXPORTS["sum-late"], [1], None))
        trap(prepared.start(EXPORTS["trap"], [1], None))
        assert poll(prepared.start(EXPORTS["grow"], [1], None)) == Returned(1)

    for _ in range(100):
        work()
    before = rss_kib()
    for _ in range(400):
        work()
    assert rss_kib() - before < 1024
    assert fibers.live_count() == 0


def test_closing_a_yielded_fiber_ends_it(compiled: Compiled) -> None:
    fiber = ready(compiled).start(EXPORTS["spin"], [0], None)
    assert fiber.poll() == Yielded()
    with fiber:
        pass
    assert fiber.is_closed


def test_an_interrupt_ends_a_fiber_wherever_it_is(compiled: Compiled) -> None:
    prepared = ready(compiled)
    spinning = prepared.start(EXPORTS["spin"], [0], None)
    assert spinning.poll() == Yielded()
    waiting = prepared.start(EXPORTS["sum-late"], [1], None)
    assert poll(waiting) == Waiting()
    for fiber in (spinning, waiting, prepared.start(EXPORTS["trap"], [0], None)):
        fiber.interrupt()
        assert trap(fiber).reason is TrapReason.TIMED_OUT
