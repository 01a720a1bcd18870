"""Long values of guests: judged before anything is copied, and what is allowed is lifted in slices."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import ListType, OptionType, Primitive, ResultType, Type
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.component import Compiled, ComponentCache, to_binary
from obelisk.runtime.host.errors import AbiError, UnfitAnswer
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import prepare
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.engine import Engine, workflow_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    GuestTrap,
    ImportFunction,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)

U8, U32, STRING = Primitive.U8, Primitive.U32, Primitive.STRING
KINDS: dict[str, tuple[str, Type, int, Any]] = {
    # WIT in the guest's text, the type, bytes of an element, and what one is as JSON where the memory is zero
    "octets": ("(list u8)", ListType(U8), 1, None),
    "numbers": ("(list u32)", ListType(U32), 4, 0),
    "texts": ("(list string)", ListType(STRING), 8, ""),
    "lists": ("(list (list u8))", ListType(ListType(U8)), 8, ""),
    "nested": ("(list (list (list u32)))", ListType(ListType(ListType(U32))), 8, []),
    "options": ("(list (option u32))", ListType(OptionType(U32)), 8, None),
    "results": ("(list (result (list u8)))", ListType(ResultType(ListType(U8), None)), 12, {"ok": ""}),
    "text": ("string", STRING, 1, "\0"),
}


def component() -> str:
    names = list(KINDS)
    imported = " ".join(
        f'(export "take-{n}" (func (param "value" {KINDS[n][0]}) (result u32)))'
        f' (export "fetch-{n}" (func (param "n" u32) (result {KINDS[n][0]})))'
        for n in names
    )
    lowered = " ".join(
        f'(core func $take-{n} (canon lower (func $h "take-{n}") (memory (core memory $memory "mem"))))'
        f' (core func $fetch-{n} (canon lower (func $h "fetch-{n}") (memory (core memory $memory "mem"))'
        f' (realloc (core func $memory "realloc"))))'
        for n in names
    )
    taken = " ".join(
        f'(import "h" "take-{n}" (func $take-{n} (param i32 i32) (result i32)))'
        f' (import "h" "fetch-{n}" (func $fetch-{n} (param i32 i32)))'
        for n in names
    )
    giving = " ".join(
        f'(func (export "give-{n}") (param $n i32) (result i32) (call $take-{n} (i32.const 64) (local.get $n)))'
        f' (func (export "relay-{n}") (param $n i32) (result i32)'
        f" (call $fetch-{n} (local.get $n) (i32.const 0)) (i32.const 0))"
        for n in names
    )
    lifted = " ".join(
        f'(func $make-{n} (param "n" u32) (result {KINDS[n][0]}) (canon lift (core func $m "make")'
        f' (memory (core memory $memory "mem"))))'
        f' (func $give-{n} (param "n" u32) (result u32) (canon lift (core func $m "give-{n}")))'
        f' (func $relay-{n} (param "n" u32) (result {KINDS[n][0]}) (canon lift (core func $m "relay-{n}")'
        f' (memory (core memory $memory "mem"))))'
        f' (func $echo-{n} (param "value" {KINDS[n][0]}) (result {KINDS[n][0]}) (canon lift (core func $m "echo")'
        f' (memory (core memory $memory "mem")) (realloc (core func $memory "realloc"))))'
        for n in names
    )
    passed = " ".join(f'(export "take-{n}" (func $take-{n})) (export "fetch-{n}" (func $fetch-{n}))' for n in names)
    exported = " ".join(
        f'(export "{what}-{n}" (func ${what}-{n}))' for n in names for what in ("make", "give", "relay", "echo")
    )
    return f"""(component
      (import "test:long/host@1.0.0" (instance $h {imported}))
      (core module $Memory (memory (export "mem") 300)
        (global $top (mut i32) (i32.const 65536))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
          (local.set $at (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
          (global.set $top (i32.add (local.get $at) (local.get 3)))
          (local.get $at)))
      (core instance $memory (instantiate $Memory))
      {lowered}
      (core module $M (import "h" "mem" (memory 300)) {taken}
        (func (export "make") (param $n i32) (result i32)
          (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (local.get $n)) (i32.const 0))
        (func (export "echo") (param $at i32) (param $size i32) (result i32)
          (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size)) (i32.const 0))
        {giving})
      (core instance $m (instantiate $M (with "h" (instance (export "mem" (memory $memory "mem")) {passed}))))
      {lifted}
      (instance (export "test:long/guest@1.0.0") {exported}))"""


def expected(kind: str, count: int) -> Any:
    if kind == "octets":
        return base64.b64encode(bytes(count)).decode()
    one = KINDS[kind][3]
    return one * count if kind == "text" else [one] * count


@pytest.fixture(scope="module")
def compiled() -> Iterator[Compiled]:
    with Engine(workflow_settings()) as engine:
        yield ComponentCache(engine, None).compile(to_binary(component().encode()))


class Copied:
    """How many bytes were copied off the C side, in all and since `slice` was last called."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.all = self._seen = 0
        self._bytes_at, self._text_at = native.bytes_at, native.text_at
        patch.setattr(native, "bytes_at", self.bytes_at)
        patch.setattr(native, "text_at", self.text_at)

    def bytes_at(self, address: int, size: int) -> bytes:
        self.all += size
        return self._bytes_at(address, size)

    def text_at(self, address: int, size: int, errors: bytes | None) -> str:
        self.all += size
        return self._text_at(address, size, errors)

    def slice(self) -> int:
        seen, self._seen = self._seen, self.all
        return self.all - seen


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copied:
    return Copied(monkeypatch)


def made(kind: str, limit: int) -> ExportFunction:
    function = Function(name=f"make-{kind}", params=(Param("n", U32),), result=KINDS[kind][1])
    return ExportFunction(interface="test:long/guest@1.0.0", function=function, bound=lambda _: limit)


def given(kind: str) -> ExportFunction:
    function = Function(name=f"give-{kind}", params=(Param("n", U32),), result=U32)
    return ExportFunction(interface="test:long/guest@1.0.0", function=function)


def started(
    compiled: Compiled,
    export: ExportFunction,
    argument: Any,
    handle: Callable[[Any, list[Any]], Any] = lambda _context, _args: 7,
    *,
    limit: int = 1 << 27,
    waits: bool = False,
) -> Fiber:
    takes = [
        Function(name=f"take-{kind}", params=(Param("value", type_),), result=U32)
        for kind, (_, type_, _, _) in KINDS.items()
    ]
    fetches = [
        Function(name=f"fetch-{kind}", params=(Param("n", U32),), result=type_)
        for kind, (_, type_, _, _) in KINDS.items()
    ]
    imports = [
        ImportFunction(
            interface="test:long/host@1.0.0", function=function, handler=handle, waits=waits, bound=lambda _: limit
        )
        for function in (*takes, *fetches)
    ]
    return prepare(compiled, exports=[export], imports=imports).start(export, [argument], None)


def ended(fiber: Fiber, seen: Callable[[], object] = lambda: None) -> tuple[Poll, int]:
    """How a fiber ends, and how often it yielded."""
    for yields in range(1_000_000):
        polled = fiber.poll()
        seen()
        if not isinstance(polled, Yielded):
            return polled, yields
    raise AssertionError("it yields for ever")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_large_is_refused_before_it_is_copied(kind: str, compiled: Compiled, copied: Copied) -> None:
    count = 1_000_000
    export = made(kind, 500_000)
    polled, _ = ended(started(compiled, export, count))
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.TOO_LARGE
    assert polled.message.startswith("the result has at least ")
    assert polled.message.endswith(" bytes as JSON, at most 500000 are allowed")
    assert copied.all < 200, "nothing but the outermost value"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("waits", [False, True])
def test_arguments_that_are_too_large_end_the_guest(kind: str, waits: bool, compiled: Compiled, copied: Copied) -> None:
    def never(_context: object, _args: list[Any]) -> Any:
        raise AssertionError("called")

    polled, _ = ended(started(compiled, given(kind), 1_000_000, never, limit=500_000, waits=waits))
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.TOO_LARGE
    assert polled.message.startswith(f"what take-{kind} gets has at least ")
    assert copied.all < 200
    assert fibers.live_count() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_long_results_come_in_slices(kind: str, compiled: Compiled, copied: Copied) -> None:
    count = 150_000
    slices: list[int] = []
    limit = 6 * len(msgspec.json.encode(expected(kind, count)))
    polled, yields = ended(started(compiled, made(kind, limit), count), lambda: slices.append(copied.slice()))
    assert polled == Returned(expected(kind, count))
    assert yields > 1, "others get their turn"
    assert max(slices) <= 2 << 20, "a slice is short, however long the value"
    assert fibers.live_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 999])
def test_short_results_come_in_one_go(kind: str, count: int, compiled: Compiled) -> None:
    while not isinstance(polled := (fiber := started(compiled, made(kind, 1 << 20), count)).poll(), Returned):
        fiber.close()  # a tick passed, on a busy machine
    assert polled == Returned(expected(kind, count))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("waits", [False, True])
def test_long_arguments_come_in_slices(kind: str, waits: bool, compiled: Compiled) -> None:
    count = 150_000
    taken: list[Any] = []

    def take(_context: object, args: list[Any]) -> Any:
        taken.append(args)
        return PENDING if waits else 7

    fiber = started(compiled, given(kind), count, take, waits=waits)
    polled, yields = ended(fiber)
    if waits:
        assert polled == Waiting()
        fiber.resume(8)
        polled, _ = ended(fiber)
    assert polled == Returned(8 if waits else 7)
    if waits or kind != "text":  # a text is quick, so that calls which are answered at once take it in one go
        assert yields > 1
    assert taken == [[expected(kind, count)]]
    assert fibers.live_count() == 0


@pytest.mark.parametrize("raised", [GuestTrap("no"), LookupError("broken")])
def test_what_a_handler_raises_for_long_arguments_comes_out(raised: Exception, compiled: Compiled) -> None:
    def take(_context: object, _args: list[Any]) -> Any:
        raise raised

    fiber = started(compiled, given("lists"), 150_000, take)
    if isinstance(raised, GuestTrap):
        polled, _ = ended(fiber)
        assert isinstance(polled, Trapped)
        assert (polled.reason, polled.message) == (TrapReason.HOST, "no")
    else:
        with pytest.raises(LookupError, match="broken"):
            ended(fiber)
    assert fibers.live_count() == 0


@pytest.mark.parametrize("name", ["make", "give"])
def test_a_guest_may_go_in_the_middle(name: str, compiled: Compiled) -> None:
    for end in ("close", "interrupt"):
        export = made("lists", 1 << 27) if name == "make" else given("lists")
        fiber = started(compiled, export, 150_000)
        for _ in range(20):
            assert fiber.poll() == Yielded()
        if end == "close":
            fiber.close()
        else:
            fiber.interrupt()
            polled = fiber.poll()
            assert isinstance(polled, Trapped)
            assert polled.reason is TrapReason.TIMED_OUT
        assert fiber.is_closed
        assert fibers.live_count() == 0


def test_escapes_count_before_the_text_is_encoded(compiled: Compiled) -> None:
    """Each of these bytes takes six characters of JSON."""
    polled, _ = ended(started(compiled, made("text", 3_000_000), 1_000_000))
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.TOO_LARGE


# --- the other way ---------------------------------------------------------------------------------------------------
ODD: dict[str, Any] = {
    # Values that are not all zeroes, so that slices cannot be mixed up
    "octets": base64.b64encode(bytes(range(256)) * 1500).decode(),
    "numbers": list(range(150_000)),
    "texts": [str(number) for number in range(50_000)],
    "lists": [base64.b64encode(bytes([number % 256]) * (number % 7)).decode() for number in range(50_000)],
    "nested": [[[number], list(range(number % 3))] for number in range(30_000)],
    "options": [number if number % 3 else None for number in range(50_000)],
    "results": [{"err": None} if number % 2 else {"ok": "AAAA"} for number in range(50_000)],
    "text": "hällo\n" * 60_000,
}


def copied_in(patch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each slice moves to the C side, beginning with a new one."""
    moved, move = [0], native.move

    def counted(address: int, data: Any, size: int) -> Any:
        moved[-1] += size
        return move(address, data, size)

    patch.setattr(native, "move", counted)
    return moved


@pytest.mark.parametrize("kind", KINDS)
def test_long_parameters_go_in_slices(kind: str, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = copied_in(monkeypatch)
    function = Function(name=f"echo-{kind}", params=(Param("value", KINDS[kind][1]),), result=KINDS[kind][1])
    export = ExportFunction(interface="test:long/guest@1.0.0", function=function)
    fiber = started(compiled, export, ODD[kind])
    assert moved == [0], "nothing is lowered before it runs"
    polled, yields = ended(fiber, lambda: moved.append(0))
    assert polled == Returned(ODD[kind])
    assert yields > 1
    assert max(moved) <= 5 << 20
    assert fibers.live_count() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("waits", [False, True])
def test_long_answers_go_in_slices(kind: str, waits: bool, compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    function = Function(name=f"relay-{kind}", params=(Param("n", U32),), result=KINDS[kind][1])
    export = ExportFunction(interface="test:long/guest@1.0.0", function=function)
    fiber = started(compiled, export, 1, lambda _context, _args: PENDING if waits else ODD[kind], waits=waits)
    moved = copied_in(monkeypatch)
    polled, yields = ended(fiber, lambda: moved.append(0))
    if waits:
        assert polled == Waiting()
        fiber.resume(ODD[kind])
        polled, yields = ended(fiber, lambda: moved.append(0))
    assert polled == Returned(ODD[kind])
    if waits:
        assert yields > 1
        assert max(moved) <= 5 << 20
    assert fibers.live_count() == 0


@pytest.mark.parametrize("at", [0, 40_000])
def test_a_long_parameter_that_is_wrong_is_refused(at: int, compiled: Compiled) -> None:
    wrong: list[Any] = list(ODD["lists"])
    wrong[at] = 7
    function = Function(name="echo-lists", params=(Param("value", KINDS["lists"][1]),), result=KINDS["lists"][1])
    fiber = started(compiled, ExportFunction(interface="test:long/guest@1.0.0", function=function), wrong)
    with pytest.raises(AbiError, match="expected base64 string, found 7"):
        ended(fiber)
    assert fibers.live_count() == 0


@pytest.mark.parametrize("at", [0, 40_000])
def test_a_long_answer_that_is_wrong_is_said_to_be(at: int, compiled: Compiled) -> None:
    wrong: list[Any] = list(ODD["lists"])
    wrong[at] = 7
    function = Function(name="relay-lists", params=(Param("n", U32),), result=KINDS["lists"][1])
    export = ExportFunction(interface="test:long/guest@1.0.0", function=function)
    fiber = started(compiled, export, 1, lambda _context, _args: wrong, waits=True)
    with pytest.raises(UnfitAnswer, match="fetch-lists: expected base64 string, found 7"):
        ended(fiber)
    assert fibers.live_count() == 0


@pytest.mark.parametrize("name", ["echo", "relay"])
@pytest.mark.parametrize("polls", [0, 1, 5])
def test_a_guest_may_go_before_it_has_a_long_value(name: str, polls: int, compiled: Compiled) -> None:
    params = (Param("n", U32),) if name == "relay" else (Param("value", KINDS["nested"][1]),)
    function = Function(name=f"{name}-nested", params=params, result=KINDS["nested"][1])
    export = ExportFunction(interface="test:long/guest@1.0.0", function=function)
    argument = 1 if name == "relay" else ODD["nested"]
    fiber = started(compiled, export, argument, lambda _context, _args: ODD["nested"], waits=True)
    for _ in range(polls):
        assert fiber.poll() == Yielded()
    fiber.close()
    assert fibers.live_count() == 0
