"""What records say of a function's types: shapes, and which types count as the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.signatures import is_result, same_result, shape_in, shape_of, signature
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
from obelisk.runtime.catalog.linking import same_optional

U8, U32, STRING = Primitive.U8, Primitive.U32, Primitive.STRING
OWNER, OTHER = InterfaceName.parse("demo:a/i"), InterfaceName.parse("demo:b/j@1.0.0")
ROOM = EnumType((Label("lost"), Label("execution-failed")))


def named(body: Type, name: str = "e", owner: InterfaceName = OWNER) -> TypeDef:
    return TypeDef(name=name, owner=owner, body=body)


@pytest.mark.parametrize(
    ("result", "shape"),
    [
        (None, "-"),
        (U32, "v"),
        (OptionType(ResultType(None, None)), "v"),
        (named(VariantType((Case("ok", U32), Case("err", STRING)))), "v"),
        (ResultType(None, None), "__"),
        (ResultType(U32, None), "v_"),
        (ResultType(None, U32), "_v"),
        (ResultType(U32, STRING), "vf"),
        (named(named(ResultType(None, named(ROOM)))), "_f"),
    ],
    ids=str,
)
def test_shapes(result: Type | None, shape: str) -> None:
    assert shape_of(result) == shape
    assert is_result(shape) == (shape not in ("-", "v"))
    assert shape_in(signature((U8,), result)) == shape


TYPES: Sequence[Type | None] = (
    None,
    U8,
    U32,
    STRING,
    ListType(U8),
    FixedListType(U8, 3),
    FixedListType(U8, 4),
    OptionType(U8),
    TupleType(()),
    TupleType((U8,)),
    TupleType((U8, U8)),
    TupleType((TupleType((U8,)), U8)),
    MapType(STRING, U8),
    MapType(U8, STRING),
    ResultType(None, None),
    ResultType(U8, None),
    ResultType(None, U8),
    ResultType(U8, U8),
    RecordType((Field("a", U8), Field("b", U8))),
    RecordType((Field("b", U8), Field("a", U8))),
    RecordType((Field("ab", U8),)),
    VariantType((Case("a", U8), Case("b", None))),
    VariantType((Case("a", U8), Case("b", U8))),
    VariantType((Case("a", None),)),
    EnumType((Label("a"),)),
    FlagsType((Label("a"),)),
)


def test_signatures_are_the_same_where_linking_takes_types_for_the_same() -> None:
    renamed = [t if t is None else named(named(t, "x", OTHER), "y") for t in TYPES]
    for type_ in (*TYPES, *renamed):
        for other in TYPES:
            same = same_optional(type_, other)
            assert same_result(signature((U8,), type_), signature((STRING,), other)) == same, (type_, other)
            if type_ is not None and other is not None:
                assert (signature((U8, type_), U8) == signature((U8, other), U8)) == same, (type_, other)


def test_parameters_are_told_apart_by_their_number_and_order() -> None:
    assert len({signature(params, U8) for params in ((), (U8,), (U8, U8), (U8, STRING), (STRING, U8))}) == 5


def test_a_type_that_reaches_another_many_times_costs_no_more_than_its_definitions() -> None:
    type_: Type = U8
    for number in range(200):
        type_ = named(TupleType((type_, type_)), f"t{number}")
    assert len(signature((type_,), type_)) == len("v.") + 6 + 1 + 6


def test_the_text_stays_what_it_is() -> None:
    """It is on record: another text would make every execution that is under way one of other types."""
    record = named(RecordType((Field("name", STRING), Field("sizes", ListType(U32)))))
    assert signature((record, OptionType(U8)), ResultType(record, ROOM)) == "vf.C-pbhQ.oYVkRA"
    assert signature((), None) == "-.WkOSyA.yuZpQQ"
