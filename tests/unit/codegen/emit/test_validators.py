"""Compiled validators: each WIT type's JSON form, accepted, made canonical, or refused with every problem."""

from __future__ import annotations

import math
from typing import Any

import pytest

from obelisk.codegen.emit.validators import ValidatorWriter, compile_params, compile_value
from obelisk.codegen.model.checks import MAX_PROBLEMS, MAX_SHOWN
from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.json_form import MAX_DEPTH, UnsupportedType
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

OWNER = InterfaceName.parse("test:pkg/types")
INFINITIES = 'non-finite numbers are "NaN", "Infinity", "-Infinity"'
BEYOND = "beyond the largest f32 (about 3.4028235e38)"
U8, STRING, F32, F64 = Primitive.U8, Primitive.STRING, Primitive.F32, Primitive.F64
OPTION = OptionType(U8)


def named(name: str, body: Type) -> TypeDef:
    return TypeDef(name=name, owner=OWNER, body=body)


POINT = named("point", RecordType((Field("x", Primitive.S32), Field("the-class", STRING), Field("note", OPTION))))
SHAPE = named("shape", VariantType((Case("no-shape", None), Case("dot", POINT), Case("some-list", ListType(F64)))))
PERMS = FlagsType((Label("can-read"), Label("can-write"), Label("run")))
RESOURCE = named("res", ResourceType())

ACCEPTED: list[tuple[Type | None, Any, Any]] = [
    (None, None, None),
    (Primitive.BOOL, True, True),
    (U8, 255, 255),
    (Primitive.S64, -(2**63), -(2**63)),
    (Primitive.U64, 2**64 - 1, 2**64 - 1),
    (Primitive.U64, str(2**64 - 1), 2**64 - 1),
    (Primitive.S64, str(-(2**63)), -(2**63)),
    (Primitive.S64, "0", 0),
    (ListType(Primitive.S64), [1, "-2"], [1, -2]),
    (OptionType(Primitive.U64), "3", 3),
    (MapType(Primitive.U64, Primitive.U64), [["1", "2"], [2, 3]], [[1, 2], [2, 3]]),
    (F64, 1, 1.0),
    (F64, 1e300, 1e300),
    (F64, "NaN", "NaN"),
    (F64, "-Infinity", "-Infinity"),
    (F32, 0.1, 0.10000000149011612),
    (F32, 16777217, 16777216.0),
    (F32, 3.4028235677973362e38, 3.4028234663852886e38),
    (F32, "Infinity", "Infinity"),
    (Primitive.CHAR, "\U0001f600", "\U0001f600"),
    (STRING, "żółw \U0001f600", "żółw \U0001f600"),
    (ListType(U8), "", ""),
    (ListType(U8), [], ""),
    (ListType(U8), [0, 255], "AP8="),
    (ListType(named("byte", U8)), "AP8=", "AP8="),
    (FixedListType(U8, 2), [1, 2], [1, 2]),
    (ListType(F32), [1, "NaN"], [1.0, "NaN"]),
    (ListType(STRING), [], []),
    (TupleType((U8, F64)), [1, 2], [1, 2.0]),
    (TupleType(()), [], []),
    (RecordType(()), {}, {}),
    (POINT, {"the_class": "c", "x": 1}, {"x": 1, "the_class": "c", "note": None}),
    (SHAPE, "no_shape", "no_shape"),
    (SHAPE, {"some_list": [1]}, {"some_list": [1.0]}),
    (SHAPE, {"dot": {"the_class": "", "x": 0, "note": 3}}, {"dot": {"x": 0, "the_class": "", "note": 3}}),
    (EnumType((Label("dark-red"), Label("b"))), "dark_red", "dark_red"),
    (PERMS, ["run", "can_read"], ["can_read", "run"]),
    (OPTION, None, None),
    (OPTION, 3, 3),
    (OptionType(OPTION), None, None),
    (OptionType(named("maybe", OPTION)), {"some": None}, {"some": None}),
    (OptionType(OptionType(OPTION)), {"some": {"some": 1}}, {"some": {"some": 1}}),
    (ResultType(U8, STRING), {"ok": 1}, {"ok": 1}),
    (ResultType(None, STRING), {"ok": None}, {"ok": None}),
    (ResultType(U8, None), {"err": None}, {"err": None}),
    (MapType(U8, F64), [[2, 1], [1, 2]], [[2, 1.0], [1, 2.0]]),
    (MapType(named("key", STRING), F64), {"b": 1, "a": 2}, {"b": 1.0, "a": 2.0}),
    (MapType(TupleType((U8,)), U8), [[[1], 2], [[2], 2]], [[[1], 2], [[2], 2]]),
]


@pytest.mark.parametrize(("type_", "value", "canonical"), ACCEPTED)
def test_accepts_and_gives_the_canonical_form(type_: Type | None, value: Any, canonical: Any) -> None:
    checked = compile_value(type_)(value)
    assert checked == (canonical, ())
    assert repr(checked[0]) == repr(canonical)  # 1 == 1.0 == True, and dicts are equal in any order


REFUSED: list[tuple[Type | None, Any, list[tuple[str, str, str]]]] = [
    (None, 0, [("", "null", "found 0")]),
    (Primitive.BOOL, 1, [("", "bool", "found 1")]),
    (U8, True, [("", "u8", "found true")]),
    (U8, 256, [("", "u8", "found 256, out of range 0 to 255")]),
    (U8, 1.0, [("", "u8", "found 1.0, which is not written as an integer")]),
    (Primitive.U64, 2**64, [("", "u64", f"found {2**64}, out of range 0 to {2**64 - 1}")]),
    (Primitive.U64, str(2**64), [("", "u64", f'found "{2**64}", out of range 0 to {2**64 - 1}')]),
    (Primitive.U64, "-1", [("", "u64", f'found "-1", out of range 0 to {2**64 - 1}')]),
    (Primitive.S64, "01", [("", "s64", 'found "01", which is no decimal integer')]),
    (Primitive.S64, "1" * 5000, [("", "s64", "found a string of 5000 characters, which is no decimal integer")]),
    (Primitive.U32, "1", [("", "u32", 'found "1"')]),
    (MapType(Primitive.U64, U8), [[1, 1], ["1", 2]], [("/1/0", "map<u64, u8>", "found 1 a second time")]),
    (U8, 10**400, [("", "u8", "found a huge integer, out of range 0 to 255")]),
    (F64, math.nan, [("", "f64", 'found nan, non-finite numbers are "NaN", "Infinity", "-Infinity"')]),
    (
        F64,
        10**400,
        [("", "f64", f"found a huge integer, beyond the largest f64 (about 1.7976931e308), {INFINITIES}")],
    ),
    (F32, True, [("", "f32", 'found true, non-finite numbers are "NaN", "Infinity", "-Infinity"')]),
    (F32, 1e39, [("", "f32", f"found 1e+39, beyond the largest f32 (about 3.4028235e38), {INFINITIES}")]),
    (F32, -3.4028235677973366e38, [("", "f32", f"found -3.4028235677973366e+38, {BEYOND}, {INFINITIES}")]),
    (F32, 10**38 * 4, [("", "f32", f"found a huge integer, {BEYOND}, {INFINITIES}")]),
    (F32, 10**400, [("", "f32", f"found a huge integer, {BEYOND}, {INFINITIES}")]),
    (ListType(F32), [0.5, 1e300], [("/1", "f32", f"found 1e+300, {BEYOND}, {INFINITIES}")]),
    (Primitive.CHAR, "ab", [("", "char", 'found "ab"')]),
    (Primitive.CHAR, "\ud800", [("", "char", "found a lone surrogate")]),
    (STRING, "x\udfff", [("", "string", "found a lone surrogate")]),
    (ListType(U8), 1, [("", "list<u8>", "found 1 instead of a base64 string or an array of numbers")]),
    (ListType(U8), [1, 256, "1"], [("/1", "u8", "found 256, out of range 0 to 255"), ("/2", "u8", 'found "1"')]),
    (ListType(U8), [True, None], [("/0", "u8", "found true"), ("/1", "u8", "found null")]),
    (ListType(U8), "AP8", [("", "list<u8>", 'found "AP8", which is not padded base64')]),
    (ListType(U8), "AP9=", [("", "list<u8>", 'found "AP9=", which is not padded base64')]),
    (ListType(U8), "AP8=\n", [("", "list<u8>", 'found "AP8=\n", which is not padded base64')]),
    (ListType(STRING), ["", 1, None], [("/1", "string", "found 1"), ("/2", "string", "found null")]),
    (FixedListType(U8, 2), [1], [("", "list<u8, 2>", "found an array of 1 instead of an array of 2")]),
    (TupleType((U8,)), {}, [("", "tuple<u8>", "found an object instead of an array of 1")]),
    (
        POINT,
        {"x": 1, "the-class": "c", "a/~b": 0, "note": "n"},
        [
            ("/the-class", "point", 'unknown key "the-class", known: "x", "the_class", "note"'),
            ("/a~1~0b", "point", 'unknown key "a/~b", known: "x", "the_class", "note"'),
            ("/the_class", "string", "missing"),
            ("/note", "u8", 'found "n"'),
        ],
    ),
    (SHAPE, "dot", [("", "shape", 'case "dot" needs a payload: {"dot": …}, cases: "no_shape", "dot", "some_list"')]),
    (
        SHAPE,
        {"no_shape": None},
        [("", "shape", 'case "no_shape" has no payload: write "no_shape", cases: "no_shape", "dot", "some_list"')],
    ),
    (SHAPE, {"zig": 1}, [("", "shape", 'unknown case "zig", cases: "no_shape", "dot", "some_list"')]),
    (SHAPE, {"some_list": [0, ""]}, [("/some_list/1", "f64", "")]),
    (EnumType((Label("a"),)), ["a"], [("", "enum", 'found an array of 1, known: "a"')]),
    (PERMS, ["run", "run", "x"], [("/1", "flags", 'found "run" a second time'), ("/2", "flags", "")]),
    (OptionType(OPTION), 1, [("", "option<option<u8>>", 'found 1 instead of null or {"some": …}')]),
    (ResultType(U8, None), {"ok": 1, "err": None}, [("", "result<u8>", 'found an object, cases: "ok", "err"')]),
    (ResultType(U8, None), {"err": 1}, [("/err", "null", "found 1")]),
    (
        MapType(U8, U8),
        [[1, 1], [1, 2], [3]],
        [("/1/0", "map<u8, u8>", "found 1 a second time"), ("/2", "map<u8, u8>", "")],
    ),
    (MapType(U8, U8), {"1": 1}, [("", "map<u8, u8>", "found an object")]),
    (MapType(STRING, U8), {"\ud800": 1}, [("/\ud800", "string", "found a lone surrogate")]),
]


@pytest.mark.parametrize(("type_", "value", "expected"), REFUSED)
def test_refuses_with_every_problem(type_: Type | None, value: Any, expected: list[tuple[str, str, str]]) -> None:
    canonical, problems = compile_value(type_)(value)
    assert canonical is None
    assert [(p.pointer, p.expected) for p in problems] == [(at, wit) for at, wit, _ in expected]
    for problem, (_, _, detail) in zip(problems, expected, strict=True):
        assert detail in {"", problem.detail}


def test_parameters_by_name_and_by_position() -> None:
    check = compile_params(Function(name="f", params=(Param("the-point", POINT), Param("n", OPTION))))
    point = {"x": 1, "the_class": "c", "note": None}
    assert check({"the_point": point}) == ([point, None], ())
    assert check([point, 7]) == ([point, 7], ())
    assert [str(p) for p in check({"the_point": 1, "n": 2, "m": 3})[1]] == [
        '/m: expected f(the-point: point, n: option<u8>), unknown key "m", known: "the_point", "n"',
        "/the_point: expected point, found 1",
    ]
    assert [p.pointer for p in check([{"x": 1, "the_class": 2}, 256])[1]] == ["/0/the_class", "/1"]
    for wrong in (None, "x", [point], [point, 1, 2]):
        canonical, (problem,) = check(wrong)
        assert canonical is None
        assert problem.pointer == ""
        assert problem.detail.endswith("instead of an object of named parameters or an array of 2")


def test_a_function_without_parameters() -> None:
    check = compile_params(Function(name="now"))
    assert check({}) == check([]) == ([], ())
    assert len(check({"a": 1, "b": 2})[1]) == 2
    assert len(check([1])[1]) == 1


@pytest.mark.parametrize(
    "type_",
    [OwnType(RESOURCE), BorrowType(RESOURCE), StreamType(U8), FutureType(None), Primitive.ERROR_CONTEXT, RESOURCE],
)
def test_types_without_json_form_are_refused(type_: Type) -> None:
    with pytest.raises(UnsupportedType) as refusal:
        compile_params(Function(name="f", params=(Param("a", ListType(TupleType((U8, type_)))),)))
    assert refusal.value.code == "no-json-form"
    assert refusal.value.reason == f"values of {refusal.value.type_text} cannot leave their component as JSON"


def test_deep_and_exploding_types_are_refused_in_time() -> None:
    deep: Type = STRING
    for _ in range(MAX_DEPTH - 1):
        deep = ListType(deep)
    nested: Any = "x"
    for _ in range(MAX_DEPTH - 1):
        nested = [nested]
    assert compile_value(deep)(nested) == (nested, ())
    for _ in range(10_000):
        deep = ListType(deep)
    with pytest.raises(UnsupportedType, match="nests more than 100 levels") as refusal:
        compile_value(deep)
    assert refusal.value.code == "type-too-deep"
    wide: Type = STRING
    for _ in range(60):
        wide = TupleType((wide, wide))
    with pytest.raises(UnsupportedType, match="more than 100000 parts") as refusal:
        compile_value(wide)
    assert refusal.value.code == "type-too-large"


def test_problems_end_at_a_limit() -> None:
    check = compile_value(ListType(STRING))
    told = {count: check([0] * count)[1] for count in (MAX_SHOWN, MAX_SHOWN + 1, MAX_SHOWN + 2, MAX_PROBLEMS)}
    assert {count: len(problems) for count, problems in told.items()} == {
        MAX_SHOWN: MAX_SHOWN,
        MAX_SHOWN + 1: MAX_SHOWN + 1,
        MAX_SHOWN + 2: MAX_SHOWN + 1,
        MAX_PROBLEMS: MAX_SHOWN + 1,
    }
    assert told[MAX_SHOWN][-1].pointer == f"/{MAX_SHOWN - 1}"
    assert told[MAX_SHOWN + 1][-1].detail == "1 more problem"
    assert told[MAX_PROBLEMS][-1].detail == "950 more problems"
    function = Function(name="f", params=(Param("a", ListType(STRING)),))
    for problems in (check([0] * (MAX_PROBLEMS + 1))[1], compile_params(function)([[0] * 5000])[1]):
        assert (len(problems), problems[-1].pointer) == (MAX_SHOWN + 1, "")
        assert problems[-1].detail == "more than 950 more problems"


def test_texts_of_problems_are_clipped() -> None:
    check = compile_value(MapType(STRING, ListType(STRING)))
    _, (first, *_) = check({"a" * 1000 + "z": [0], "b": 1})
    assert first.pointer == "/" + "a" * 249 + "…" + "a" * 247 + "z/0"
    long = TypeDef(name="r" * 600, owner=OWNER, body=RecordType((Field("a", U8),)))
    assert len(compile_value(long)(1)[1][0].expected) == 501
    assert len(compile_value(STRING)(["x" * 100_000])[1][0].detail) < 60


def test_huge_arrays() -> None:
    value = list(range(200_000))
    assert compile_value(ListType(Primitive.U32))(value) == (value, ())


def test_names_that_clash_with_python_and_with_each_other() -> None:
    labels = ("class", "value", "path", "problems", "given", "keys", "refuse", "type", "int", "none")
    record = named("int", RecordType(tuple(Field(label, U8) for label in labels)))
    other = TypeDef(name="int", owner=InterfaceName.parse("test:pkg/other"), body=RecordType((Field("a", U8),)))
    value = dict.fromkeys(labels, 1)
    function = Function(name="check", params=(Param("value", record), Param("problems", other), Param("def", record)))
    assert compile_params(function)([value, {"a": 1}, value]) == ([value, {"a": 1}, value], ())
    assert compile_params(function)([value, value, value])[1] != ()


def test_a_label_that_is_none_never_reaches_the_source() -> None:
    with pytest.raises(ValueError, match="not a label"):
        compile_value(RecordType((Field("x=1;import-os", U8),)))
    quoted = EnumType((Label('a"+boom()+"'),))
    assert compile_value(quoted)('a"+boom()+"')[1] == ()


def test_each_type_is_written_once() -> None:
    writer = ValidatorWriter()
    for number in range(3):
        params = (Param("a", ListType(POINT)), Param("b", OptionType(ListType(POINT))))
        assert writer.params(Function(name="f", params=params), "f") == ("f" if number == 0 else f"f_{number + 1}")
    assert writer.source().count("def check_point(") == 1
    assert writer.source().count("def check_list_point(") == 1
