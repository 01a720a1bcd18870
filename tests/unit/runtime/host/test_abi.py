"""Lowering refuses what is not of the type and keeps nothing; neither direction leaks."""

from __future__ import annotations

import base64
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    BorrowType,
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    FutureType,
    Label,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)
from obelisk.runtime.errors import Unsupported
from obelisk.runtime.host.abi.crossing import WHOLE, Crossing
from obelisk.runtime.host.abi.function import Abi
from obelisk.runtime.host.abi.handles import Resources, is_compatible
from obelisk.runtime.host.abi.lifting import LiftCompiler
from obelisk.runtime.host.abi.lowering import LowerCompiler, release
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import ExportFunction, ImportFunction, JsonValue

P = Primitive
RECORD = RecordType((Field("a-b", P.STRING), Field("c", OptionType(P.U8))))
SHAPE = VariantType((Case("no-thing", None), Case("text", P.STRING), Case("deep", RECORD)))
COLOR = EnumType((Label("dark-red"), Label("blue")))
RIGHTS = FlagsType((Label("can-read"), Label("admin")))
OWNER = InterfaceName.parse("test:t/i@1.0.0")
HANDLE = TypeDef(name="h", owner=OWNER, body=ResourceType())

WRONG: list[tuple[Type, list[Any]]] = [
    (P.BOOL, [1, None, "true"]),
    (P.U8, [-1, 256, 1.0, True, "1", None]),
    (P.S64, [1 << 63, -(1 << 63) - 1]),
    (P.F32, [True, "nan", None, 10**400, 1e39, -3.4028235677973366e38]),
    (P.F64, ["inf", [], 10**400]),
    (P.CHAR, ["", "ab", "\ud800", 65]),
    (P.STRING, [1, None, "\udc80", b""]),
    (ListType(P.U8), [[1], "a", "====", "aGk", "aG k=", "é"]),
    (ListType(P.U16), [[1, True], [65536], [1.0], {}]),
    (ListType(P.STRING), [["a", 1], "ab", None]),
    (ListType(RECORD), [[{"a_b": "x", "c": 1}, {"a_b": "y", "c": 256}]]),
    (MapType(P.STRING, P.U8), [[], {"a": 256}]),
    (MapType(P.U8, P.STRING), [{}, [[1]], [[1, "a"], [2, 3]], [1]]),
    (TupleType((P.STRING, P.U8)), [["a"], ["a", 1, 2], ["a", "b"], None]),
    (RECORD, [{}, {"a_b": "x", "d": 1}, {"a-b": "x"}, {"a_b": 1}, [], {"a_b": "x", "c": -1}]),
    (SHAPE, ["text", "nothing", {"no_thing": None}, {"text": 1}, {"text": "a", "deep": 1}, {}, {"deep": {}}, 1]),
    (COLOR, ["dark-red", "green", 0, {"blue": None}]),
    (RIGHTS, [["admin", "admin"], ["can-read"], [1], "admin", None]),
    (OptionType(P.STRING), [1, {"some": "a"}]),
    (OptionType(OptionType(P.U8)), [1, {"some": 1, "x": 2}, {}, {"some": 300}]),
    (ResultType(P.U8, None), [1, {}, {"ok": 256}, {"err": 1}, {"ok": 1, "err": None}, {"no": 1}, None]),
]
RIGHT: list[tuple[Type, JsonValue]] = [
    (P.STRING, "täxt"),
    (ListType(P.U8), base64.b64encode(bytes(100)).decode()),
    (ListType(P.STRING), ["a", "", "c" * 100]),
    (ListType(P.U64), [1, 2, 3]),
    (MapType(P.STRING, RECORD), {"k": {"a_b": "x", "c": None}}),
    (MapType(P.U8, P.STRING), [[1, "a"], [2, "b"]]),
    (TupleType((P.STRING, ListType(P.STRING))), ["a", ["b", "c"]]),
    (SHAPE, {"deep": {"a_b": "text", "c": 3}}),
    (SHAPE, "no_thing"),
    (COLOR, "blue"),
    (RIGHTS, ["can_read", "admin"]),
    (OptionType(OptionType(RECORD)), {"some": {"a_b": "", "c": 0}}),
    (ResultType(None, SHAPE), {"err": {"text": "why"}}),
]


def rss_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def grows_by(work: Callable[[], None], times: int) -> int:
    for _ in range(times // 4):
        work()
    gc.collect()
    before = rss_kib()
    for _ in range(times):
        work()
    return rss_kib() - before


@pytest.mark.parametrize(("type_", "values"), WRONG, ids=[type(t).__name__ for t, _ in WRONG])
def test_wrong_values_are_refused_and_leave_zeros(type_: Type, values: list[Any]) -> None:
    lower = LowerCompiler(Resources())(type_)
    for value in values:
        image = bytearray(native.VAL_SIZE)
        with pytest.raises(AbiError) as caught:
            lower(value, image, 0, 0)
        assert caught.value.code == "abi_mismatch"
        assert image == bytes(native.VAL_SIZE)


def crossing() -> Crossing:
    """For a value of any size."""
    made = Crossing(0)
    made.begin("a value", 1 << 20, WHOLE)
    return made


def test_a_long_wrong_value_is_shown_shortened() -> None:
    with pytest.raises(AbiError) as caught:
        LowerCompiler(Resources())(P.U8)("x" * 1000, bytearray(32), 0, 0)
    assert len(caught.value.message) < 200
    assert caught.value.fields == {"expected": "u8"}


@pytest.mark.parametrize(("type_", "value"), RIGHT, ids=[f"{i}-{type(t).__name__}" for i, (t, _) in enumerate(RIGHT)])
def test_lowering_and_lifting_does_not_leak(type_: Type, value: JsonValue) -> None:
    lower, lift = LowerCompiler(Resources())(type_), LiftCompiler(Resources())(type_)

    def work() -> None:
        image = bytearray(native.VAL_SIZE)
        lower(value, image, 0, 0)
        assert lift(bytes(image), 0, crossing()) == value
        release(image)

    assert grows_by(work, 8_000) < 256


def test_refusals_do_not_leak() -> None:
    cases = [(LowerCompiler(Resources())(type_), values) for type_, values in WRONG]

    def work() -> None:
        for lower, values in cases:
            for value in values:
                with pytest.raises(AbiError):
                    lower(value, bytearray(native.VAL_SIZE), 0, 0)

    assert grows_by(work, 150) < 256


def test_a_missing_option_field_is_none_and_floats_take_any_number() -> None:
    image = bytearray(native.VAL_SIZE)
    LowerCompiler(Resources())(RECORD)({"a_b": "x"}, image, 0, 0)
    assert LiftCompiler(Resources())(RECORD)(bytes(image), 0, crossing()) == {"a_b": "x", "c": None}
    release(image)
    for value, expected in (
        (1, 1.0),
        (3.4028235677973362e38, 3.4028234663852886e38),
        (0.1, 0.10000000149011612),
        ("-Infinity", "-Infinity"),
    ):
        LowerCompiler(Resources())(P.F32)(value, image, 0, 0)
        assert LiftCompiler(Resources())(P.F32)(bytes(image), 0, crossing()) == expected


@pytest.mark.parametrize(("type_", "_value"), RIGHT[:11], ids=[type(t).__name__ for t, _ in RIGHT[:11]])
def test_a_value_of_another_kind_is_not_read(type_: Type, _value: JsonValue) -> None:
    image = bytearray(b"\xff" * native.VAL_SIZE)
    with pytest.raises(AbiError):
        LiftCompiler(Resources())(type_)(bytes(image), 0, crossing())


@pytest.mark.parametrize(
    "type_", [FixedListType(P.U8, 4), StreamType(P.U8), FutureType(None), P.ERROR_CONTEXT, HANDLE.body, OwnType(HANDLE)]
)
def test_types_without_values_here_are_refused(type_: Type) -> None:
    for compile_ in (LowerCompiler(Resources()), LiftCompiler(Resources())):
        with pytest.raises(Unsupported) as caught:
            compile_(ListType(type_))
        assert caught.value.code == "unsupported"


def test_shared_types_are_compiled_once() -> None:
    type_: Type = P.STRING
    for _ in range(60):  # as a tree this has 2^60 parts
        type_ = TupleType((type_, type_))
    for compiler in (LowerCompiler(Resources()), LiftCompiler(Resources())):
        assert compiler(type_) is compiler(type_)


def never(_context: object, _args: list[JsonValue]) -> JsonValue:
    raise AssertionError("nothing is called")


def test_signatures_count_their_arguments() -> None:
    abi = Abi(Resources())
    function = Function(name="f", params=(Param("a", P.U8), Param("b", P.STRING)))
    exported = abi.exported(ExportFunction(interface="a:b/c", function=function))
    assert exported.result_count == 0
    assert exported.lift_result(b"", crossing(), None) is None
    image = exported.lower_args([1, "x"], 0)
    assert len(image) == 2 * native.VAL_SIZE
    release(image)
    for args in ([1], [1, "x", 2], ["x", 1]):
        with pytest.raises(AbiError):
            exported.lower_args(args, 0)  # type: ignore[arg-type]
    imported = abi.imported(ImportFunction(interface="a:b/c", function=function, handler=never))
    with pytest.raises(AbiError, match="takes 2 arguments, the component gives 0"):
        imported.lift_args(0, 0, crossing(), None)
    with pytest.raises(AbiError, match="has no result"):
        imported.lower_result(1, 0, 0)


def test_resources_are_found_by_compatible_version() -> None:
    resources = Resources([("test:t/other@1.0.0", "h"), ("test:t/i@1.2.0", "h")])
    assert resources.type_id(HANDLE) == 2
    assert resources.number("test:t/i@2.0.0", "h") is None
    with pytest.raises(Unsupported, match="defines no such resource"):
        LowerCompiler(Resources([("test:t/i@2.0.0", "h")]))(BorrowType(HANDLE))
    assert is_compatible("a:b/c", "a:b/c")
    assert not is_compatible("a:b/c@1.0.0", "a:b/c")
    assert not is_compatible("a:b/c@0.1.0", "a:b/c@0.2.0")
    assert not is_compatible("plain", "a:b/c@1.0.0")
