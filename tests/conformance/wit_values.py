"""Values of WIT types in their canonical JSON form, for hypothesis."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from obelisk.codegen.model import json_form
from obelisk.codegen.model.types import (
    EnumType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
    unalias,
)


def values(type_: Type) -> st.SearchStrategy[Any]:
    """Canonical JSON forms of a type."""
    match unalias(type_):
        case Primitive.BOOL:
            return st.booleans()
        case Primitive.CHAR:
            return st.characters(exclude_categories=["Cs"])
        case Primitive.STRING:
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
        case Primitive.F32 | Primitive.F64 as primitive:
            finite = st.floats(allow_nan=False, allow_infinity=False, width=32 if primitive is Primitive.F32 else 64)
            return finite | st.sampled_from(json_form.NON_FINITE)
        case Primitive() as primitive:
            return st.integers(*json_form.INTEGER_RANGES[primitive])
        case ListType(element) as list_:
            if json_form.is_bytes(list_):
                return st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode())
            return st.lists(values(element), max_size=6)
        case MapType(key, value) as map_:
            if json_form.is_text_map(map_):
                return st.dictionaries(values(key), values(value), max_size=5)
            pairs = st.lists(st.tuples(values(key), values(value)), max_size=5, unique_by=lambda pair: repr(pair[0]))
            return pairs.map(lambda items: [list(item) for item in items])
        case TupleType(items):
            return st.tuples(*map(values, items)).map(list)
        case RecordType(fields):
            names = [json_form.json_name(f.name) for f in fields]
            return st.tuples(*(values(f.type) for f in fields)).map(lambda items: dict(zip(names, items, strict=True)))
        case VariantType(cases):
            return st.one_of(*(case_values(json_form.json_name(c.name), c.payload) for c in cases))
        case EnumType(cases):
            return st.sampled_from([json_form.json_name(c.name) for c in cases])
        case FlagsType(flags):
            names = [json_form.json_name(f.name) for f in flags]
            return st.sets(st.sampled_from(names)).map(lambda chosen: [n for n in names if n in chosen])
        case OptionType(payload):
            some = values(payload)
            return st.none() | (some.map(lambda v: {"some": v}) if json_form.is_nullable(payload) else some)
        case ResultType(ok, err):
            sides = (("ok", ok), ("err", err))
            return st.one_of(*(st.fixed_dictionaries({n: values(t) if t else st.none()}) for n, t in sides))
        case other:
            raise AssertionError(other)


def case_values(name: str, payload: Type | None) -> st.SearchStrategy[Any]:
    return st.just(name) if payload is None else st.fixed_dictionaries({name: values(payload)})
