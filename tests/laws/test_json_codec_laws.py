"""Laws of the JSON form over types and values that hypothesis makes: compiled validators against a plain reference."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from typing import Any, Literal

import jsonschema  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from obelisk.codegen.emit.examples import TooLarge, example
from obelisk.codegen.emit.json_schema import Schemas
from obelisk.codegen.emit.validators import compile_params, compile_value
from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    Label,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)

OWNER = InterfaceName.parse("test:laws/types")
BITS = {Primitive.U8: 8, Primitive.U16: 16, Primitive.U32: 32, Primitive.U64: 64}
SIGNED = {Primitive.S8: 8, Primitive.S16: 16, Primitive.S32: 32, Primitive.S64: 64}
SPECIAL = ("NaN", "Infinity", "-Infinity")
WIDE = (Primitive.S64, Primitive.U64)
DIGITS = ("-0", "+1", "01", " 1", "1_0", "\u0661", "1.0", "1e3", "0x1", "99999999999999999999")
TEXT = st.text(max_size=4)
CHARS = st.characters(exclude_categories=["Cs"])
SCALARS = [p for p in Primitive if p is not Primitive.ERROR_CONTEXT]
LABELS = st.lists(st.from_regex(r"[a-z]{1,3}(-[a-z0-9]{1,2})?", fullmatch=True), min_size=1, max_size=4, unique=True)
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.sampled_from([*SPECIAL, *DIGITS, "a", "aGk=", "", "\ud800"])
    | st.sampled_from([10**18, 2**63, 2**64, -(2**63)]).flatmap(lambda n: st.integers(n - 3, n + 3)).map(str)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "ok", "some"]), inner, max_size=2)
    ),
    max_leaves=4,
)


class Refused(Exception):
    """The reference does not accept."""


# These keep Any as Any, where isinstance would leave a list of unknowns.
def is_list(value: Any) -> bool:
    return isinstance(value, list)


def is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def is_str(value: Any) -> bool:
    return isinstance(value, str)


def plain(type_: Type) -> Type:
    return plain(type_.body) if isinstance(type_, TypeDef) else type_


def rename(label: str) -> str:
    return "_".join(label.split("-"))


def composed(inner: st.SearchStrategy[Type]) -> st.SearchStrategy[Type]:
    option = st.none() | inner
    bodies = st.one_of(
        LABELS.flatmap(lambda names: st.tuples(*(inner for _ in names)).map(lambda ts: record(names, ts))),
        LABELS.flatmap(lambda names: st.tuples(*(option for _ in names)).map(lambda ts: variant(names, ts))),
        LABELS.map(lambda names: EnumType(tuple(Label(name) for name in names))),
        LABELS.map(lambda names: FlagsType(tuple(Label(name) for name in names))),
    )
    keys = st.sampled_from([Primitive.U8, Primitive.U64, Primitive.STRING, Primitive.CHAR, Primitive.BOOL])
    named = st.tuples(st.sampled_from(["a", "int", "value"]), bodies | inner)
    return st.one_of(
        named.map(lambda pair: TypeDef(name=pair[0], owner=OWNER, body=pair[1])),
        inner.map(ListType),
        inner.map(OptionType),
        st.builds(FixedListType, inner, st.integers(1, 3)),
        st.builds(MapType, keys, inner),
        st.lists(inner, max_size=3).map(lambda items: TupleType(tuple(items))),
        st.builds(ResultType, option, option),
    )


def record(names: list[str], types: tuple[Type, ...]) -> Type:
    return RecordType(tuple(Field(name, type_) for name, type_ in zip(names, types, strict=True)))


def variant(names: list[str], types: tuple[Type | None, ...]) -> Type:
    return VariantType(tuple(Case(name, type_) for name, type_ in zip(names, types, strict=True)))


TYPES: st.SearchStrategy[Type] = st.recursive(st.sampled_from(SCALARS), composed, max_leaves=6)


def values(type_: Type) -> st.SearchStrategy[Any]:
    """Valid JSON, canonical or not."""
    match plain(type_):
        case Primitive.BOOL:
            return st.booleans()
        case Primitive.CHAR:
            return CHARS
        case Primitive.STRING:
            return st.text(CHARS, max_size=4)
        case Primitive.F32 | Primitive.F64 as float_:
            width: Literal[32, 64] = 32 if float_ is Primitive.F32 else 64
            finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
            tenths = st.integers(-(2**100), 2**100).map(lambda number: number / 10)
            return finite | tenths | st.integers(-(2**127), 2**127) | st.sampled_from(SPECIAL)
        case Primitive() as integer:
            numbers = st.integers(*bounds(integer))
            return numbers | numbers.map(str) if integer in WIDE else numbers
        case ListType(element) if plain(element) is Primitive.U8:
            return st.binary(max_size=4).map(lambda data: base64.b64encode(data).decode())
        case ListType(element):
            return st.lists(values(element), max_size=3)
        case FixedListType(element, length):
            return st.lists(values(element), min_size=length, max_size=length)
        case TupleType(items):
            return st.tuples(*map(values, items)).map(list)
        case MapType(key, value):
            keys = st.integers(*bounds(Primitive.U64)) if plain(key) is Primitive.U64 else values(key)
            entries = st.dictionaries(keys, values(value), max_size=3)
            return entries if plain(key) is Primitive.STRING else entries.map(lambda d: [[k, v] for k, v in d.items()])
        case OptionType(payload):
            inner = values(payload)
            wrapped = inner.map(lambda v: {"some": v}) if isinstance(plain(payload), OptionType) else inner
            return st.none() | wrapped
        case ResultType(ok, err):
            return sided("ok", ok) | sided("err", err)
        case RecordType(fields):
            required = {rename(f.name): values(f.type) for f in fields if not isinstance(plain(f.type), OptionType)}
            optional = {rename(f.name): values(f.type) for f in fields if isinstance(plain(f.type), OptionType)}
            return st.fixed_dictionaries(required, optional=optional)
        case VariantType(cases):
            forms = [sided(c.name, c.payload) if c.payload else st.just(rename(c.name)) for c in cases]
            return st.one_of(*forms)
        case EnumType(labels):
            return st.sampled_from([rename(label.name) for label in labels])
        case FlagsType(labels):
            return st.lists(st.sampled_from([rename(label.name) for label in labels]), unique=True)
        case other:
            raise AssertionError(other)


def sided(name: str, payload: Type | None) -> st.SearchStrategy[Any]:
    return (st.none() if payload is None else values(payload)).map(lambda v: {rename(name): v})


def bounds(type_: Primitive) -> tuple[int, int]:
    bits = SIGNED.get(type_)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if bits else (0, 2 ** BITS[type_] - 1)


def need(condition: bool) -> None:
    if not condition:
        raise Refused


def reference(type_: Type | None, value: Any) -> Any:
    """The canonical form by the letter of the architecture's table, or Refused. Slow and plain on purpose."""
    match None if type_ is None else plain(type_):
        case None:
            need(value is None)
            return None
        case Primitive() as primitive:
            return scalar(primitive, value)
        case ListType(element) if plain(element) is Primitive.U8:
            need(is_str(value) and re.fullmatch(r"[A-Za-z0-9+/]*=*", value) is not None)
            need(len(value) % 4 == 0 and base64.b64encode(base64.b64decode(value)).decode() == value)
            return value
        case ListType(element):
            need(is_list(value))
            return [reference(element, item) for item in value]
        case FixedListType(element, length):
            need(is_list(value) and len(value) == length)
            return [reference(element, item) for item in value]
        case TupleType(items):
            need(is_list(value) and len(value) == len(items))
            return [reference(item, part) for item, part in zip(items, value, strict=True)]
        case MapType(key, item) if plain(key) is Primitive.STRING:
            need(is_dict(value))
            return {reference(key, k): reference(item, v) for k, v in value.items()}
        case MapType(key, item):
            need(is_list(value) and all(is_list(pair) and len(pair) == 2 for pair in value))
            pairs = [[reference(key, k), reference(item, v)] for k, v in value]
            need(len({k for k, _ in pairs}) == len(pairs))
            return pairs
        case OptionType(payload):
            if value is None:
                return None
            if not isinstance(plain(payload), OptionType):
                return reference(payload, value)
            need(is_dict(value) and list(value) == ["some"])
            return {"some": reference(payload, value["some"])}
        case structured:
            return named_body(structured, value)


def scalar(type_: Primitive, value: Any) -> Any:
    if type_ is Primitive.BOOL:
        need(isinstance(value, bool))
        return value
    if type_ in (Primitive.CHAR, Primitive.STRING):
        need(is_str(value) and not any(0xD800 <= ord(c) < 0xE000 for c in value))
        need(type_ is Primitive.STRING or len(value) == 1)
        return value
    if type_ in (Primitive.F32, Primitive.F64) and value in SPECIAL:
        return value
    if type_ in WIDE and is_str(value):
        need(value in (str(number) for number in ([int(value)] if re.fullmatch("-?[0-9]{1,25}", value) else [])))
        value = int(value)
    need(isinstance(value, int | float) and not isinstance(value, bool))
    if type_ not in (Primitive.F32, Primitive.F64):
        low, high = bounds(type_)
        need(isinstance(value, int) and low <= value <= high)
        return value
    need(math.isfinite(value))
    if type_ is Primitive.F64:
        return float(value)
    need(abs(value) < 2.0**128 - 2.0**103)  # from here on the nearest f32 is an infinity
    return struct.unpack("f", struct.pack("f", value))[0]


def named_body(type_: Type | None, value: Any) -> Any:
    match type_:
        case ResultType(ok, err):
            need(is_dict(value) and list(value) in (["ok"], ["err"]))
            return {side: reference(ok if side == "ok" else err, v) for side, v in value.items()}
        case RecordType(fields):
            need(is_dict(value) and set(value) <= {rename(f.name) for f in fields})
            for field in fields:
                need(isinstance(plain(field.type), OptionType) or rename(field.name) in value)
            return {rename(f.name): reference(f.type, value.get(rename(f.name))) for f in fields}
        case VariantType(cases):
            if is_str(value):
                need(any(case.payload is None and rename(case.name) == value for case in cases))
                return value
            need(is_dict(value) and len(value) == 1)
            ((name, payload),) = value.items()
            known = {rename(case.name): case.payload for case in cases if case.payload is not None}
            need(name in known)
            return {name: reference(known[name], payload)}
        case EnumType(labels):
            need(is_str(value) and value in {rename(label.name) for label in labels})
            return value
        case FlagsType(labels):
            names = [rename(label.name) for label in labels]
            need(is_list(value) and all(is_str(v) and v in names for v in value))
            need(len(set(value)) == len(value))
            return [name for name in names if name in value]
        case other:
            raise AssertionError(other)


def expected(type_: Type, value: Any) -> tuple[bool, Any]:
    try:
        return True, reference(type_, value)
    except Refused:
        return False, None


def exact(value: Any) -> str:
    """Text that tells 1 from 1.0 and from true, 0.0 from -0.0, and one order of keys from another."""
    return json.dumps(value)


@st.composite
def typed(draw: st.DrawFn) -> tuple[Type, Any]:
    type_ = draw(TYPES)
    return type_, draw(values(type_))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Type, Any]:
    """A type and a value of which one place was replaced, dropped or added."""
    type_, value = draw(typed())
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        for key in list(part) if is_dict(part) else range(len(part)) if is_list(part) else ():
            places.append((part, key))
            walk(part[key])

    root = [json.loads(json.dumps(value))]
    walk(root)
    part, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(["replace", "add", "drop"])):
        case "add" if is_dict(part[key]):
            part[key][draw(st.sampled_from(["a", "zz", "ok", "some"]))] = draw(JUNK)
        case "add" if is_list(part[key]):
            part[key].append(draw(JUNK))
        case "drop" if part is not root:
            del part[key]
        case _:
            part[key] = draw(JUNK)
    return type_, root[0]


@given(typed())
def test_valid_values_are_accepted_in_their_canonical_form(pair: tuple[Type, Any]) -> None:
    type_, value = pair
    canonical, problems = compile_value(type_)(value)
    assert problems == ()
    assert exact(canonical) == exact(reference(type_, value))
    assert exact(compile_value(type_)(json.loads(exact(canonical)))[0]) == exact(canonical)


@given(mutated())
def test_any_value_is_judged_as_the_reference_judges_it(pair: tuple[Type, Any]) -> None:
    type_, value = pair
    accepted, canonical = expected(type_, value)
    result, problems = compile_value(type_)(value)
    assert (problems == ()) == accepted
    assert exact(result) == exact(canonical)
    for problem in problems:
        assert resolves(value, problem.pointer)


def resolves(value: Any, pointer: str) -> bool:
    """Whether a pointer leads to a place of the value, or to a key that is missing from one."""
    keys = [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
    for number, key in enumerate(keys, start=1):
        if is_dict(value) and key not in value:
            return number == len(keys)
        value = value[key] if is_dict(value) else value[int(key)]
    return True


@given(mutated())
def test_the_schema_accepts_what_the_validator_accepts(pair: tuple[Type, Any]) -> None:
    type_, value = pair
    canonical, problems = compile_value(type_)(value)
    if problems:
        return
    schemas = Schemas()
    schema = {**schemas.schema(type_), "components": {"schemas": schemas.components}}
    validator: Any = jsonschema.Draft202012Validator(schema)
    validator.validate(value)
    validator.validate(canonical)


@given(st.sampled_from(WIDE), JUNK)
def test_the_schema_of_wide_integers_refuses_what_the_validator_refuses(type_: Type, value: Any) -> None:
    schemas = Schemas()
    schema = {**schemas.schema(type_), "components": {"schemas": schemas.components}}
    judge: Any = jsonschema.Draft202012Validator(schema)
    is_whole = isinstance(value, float) and value.is_integer()  # an integer to JSON Schema alone
    assert is_whole or judge.is_valid(value) == (compile_value(type_)(value)[1] == ())


@given(TYPES)
def test_examples_are_valid_and_canonical(type_: Type) -> None:
    try:
        (value,) = example(type_)
    except TooLarge:
        return
    assert exact(compile_value(type_)(value)[0]) == exact(value)
    assert compile_value(type_)(value)[1] == ()


@given(st.lists(typed(), max_size=4), st.lists(mutated(), max_size=2))
def test_parameters_are_the_record_of_their_values(good: list[tuple[Type, Any]], bad: list[tuple[Type, Any]]) -> None:
    pairs = good + bad
    params = tuple(Param(f"p-{index}", type_) for index, (type_, _) in enumerate(pairs))
    check = compile_params(Function(name="f", params=params))
    judged = [compile_value(type_)(value) for type_, value in pairs]
    named = {f"p_{index}": value for index, (_, value) in enumerate(pairs)}
    for form in (named, [value for _, value in pairs]):
        canonical, problems = check(form)
        assert [(p.expected, p.detail) for p in problems] == [(p.expected, p.detail) for _, ps in judged for p in ps]
        assert exact(canonical) == exact(None if problems else [value for value, _ in judged])
