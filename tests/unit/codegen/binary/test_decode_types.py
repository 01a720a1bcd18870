"""Every kind of type, in the model as the text parser would have it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from obelisk.codegen.binary.decoder import Decoded
from obelisk.codegen.model.items import World, WorldInterface
from obelisk.codegen.model.types import (
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
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

U8, U32, STRING = Primitive.U8, Primitive.U32, Primitive.STRING


@pytest.mark.parametrize("primitive", list(Primitive))
def test_primitives(world_of: Callable[[str], World], primitive: Primitive) -> None:
    world = world_of(f"""(component
      (type $named {primitive.value})
      (import "a:b/c" (instance
        (type $t {primitive.value})
        (export "named" (type $n (eq $t)))
        (export "f" (func (param "direct" {primitive.value}) (param "alias" $n) (param "by-index" $t))))))""")
    (item,) = world.imports
    assert isinstance(item, WorldInterface)
    (named,) = item.interface.types
    assert (named.name, named.body) == ("named", primitive)
    assert [p.type for p in item.interface.functions[0].params] == [primitive, named, primitive]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(list u8)", ListType(U8)),
        ("(list u8 4)", FixedListType(U8, 4)),
        ("(map string u32)", MapType(STRING, U32)),
        ("(tuple u8 string)", TupleType((U8, STRING))),
        ("(option (option u32))", OptionType(OptionType(U32))),
        ("(result)", ResultType(None, None)),
        ("(result u32)", ResultType(U32, None)),
        ("(result (error string))", ResultType(None, STRING)),
        ("(result u32 (error string))", ResultType(U32, STRING)),
        ("(stream)", StreamType(None)),
        ("(stream u8)", StreamType(U8)),
        ("(future)", FutureType(None)),
        ("(future (list string))", FutureType(ListType(STRING))),
    ],
)
def test_anonymous_types(world_of: Callable[[str], World], text: str, expected: Type) -> None:
    world = world_of(f"""(component (import "a:b/c" (instance
      (type $t {text}) (export "named" (type (eq $t))) (export "f" (func (param "x" {text}) (result {text}))))))""")
    (item,) = world.imports
    assert isinstance(item, WorldInterface)
    assert item.interface.types[0].body == expected
    (function,) = item.interface.functions
    assert (function.params[0].type, function.result) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('(record (field "a" u8) (field "b-c" (list u8)))', RecordType((Field("a", U8), Field("b-c", ListType(U8))))),
        ('(variant (case "a") (case "b" u8))', VariantType((Case("a", None), Case("b", U8)))),
        ('(enum "a" "b")', EnumType((Label("a"), Label("b")))),
        ('(flags "a" "b")', FlagsType((Label("a"), Label("b")))),
    ],
)
def test_named_structures(world_of: Callable[[str], World], text: str, expected: Type) -> None:
    world = world_of(f"""(component (import "a:b/c" (instance
      (type $t {text}) (export "t" (type $n (eq $t)))
      (export "f" (func (param "x" $n) (result (list $n)))) (export "g" (func (result $n))))))""")
    (item,) = world.imports
    assert isinstance(item, WorldInterface)
    (typedef,) = item.interface.types
    assert typedef.body == expected
    f, g = item.interface.functions
    assert (f.params[0].type, f.result, g.result) == (typedef, ListType(typedef), typedef)


def test_names_are_versions_and_suffixes(decode_text: Callable[[str], Decoded]) -> None:
    decoded = decode_text("""(component
      (import "a:b/c@1.2.3-rc.1+x" (instance (export "f" (func)))))""")
    assert decoded.world is not None
    (item,) = decoded.world.imports
    assert isinstance(item, WorldInterface)
    assert item.interface.name.package.version == "1.2.3-rc.1+x"
