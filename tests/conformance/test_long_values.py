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
    imported = " ".join(f'(export "take-{n}" (func (param "value" {KINDS[n][0]}) (result u32)))' for n in names)
    lowered = " ".join(
        f'(core func $take-{n} (canon lower (func $h "take-{n}") (memory (core memory $memory "mem"))))' for n in names
    )
    taken = " ".join(f'(import "h" "take-{n}" (func $take-{n} (param i32 i32) (result i32)))' for n in names)
    giving = " ".join(
        f'(func (export "give-{n}") (param $n i32) (result i32) (call $take-{n} (i32.const 64) (local.get $n)))'
        for n in names
    )
    lifted = " ".join(
        f'(func $make-{n} (param "n" u32) (result {KINDS[n][0]}) (canon lift (core func $m "make")'
        f' (memory (core memory $memory "mem"))))'
        f' (func $give-{n} (param "n" u32) (result u32) (canon lift (core func $m "give-{n}")))'
        for n in names
    )
    passed = " ".join(f'(export "take-{n}" (func $take-{n}))' for n in names)
    exported = " ".join(f'(export "make-{n}" (func $make-{n})) (export "give-{n}" (func $give-{n}))' for n in names)
    return f"""(component
      (import "test:long/host@1.0.0" (instance $h {imported}))
      (core module $Memory (memory (export "mem") 300))
      (core instance $memory (instantiate $Memory))
      {lowered}
      (core module $M (import "h" "mem" (memory 300)) {taken}
        (func (export "make") (param $n i32) (result i32)
          (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (local.get $n)) (i32.const 0))
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
    count: int,
    take: Callable[[Any, list[Any]], Any] = lambda _context, _args: 7,
    *,
    limit: int = 1 << 27,
    waits: bool = False,
) -> Fiber:
    imports = [
        ImportFunction(
            interface="test:long/host@1.0.0",
            function=Function(name=f"take-{kind}", params=(Param("value", type_),), result=U32),
            handler=take,
            waits=waits,
            bound=lambda _: limit,
        )
        for kind, (_, type_, _, _) in KINDS.items()
    ]
    return prepare(compiled, exports=[export], imports=imports).start(export, [count], None)


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
