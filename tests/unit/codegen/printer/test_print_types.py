"""Types as users would write them."""

from __future__ import annotations

import pytest

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
from obelisk.codegen.syntax.printer import print_type
from obelisk.codegen.syntax.type_printer import doc_lines, identifier, string_literal

OWNER = InterfaceName.parse("a:b/c")
U8, STRING = Primitive.U8, Primitive.STRING
RESOURCE = TypeDef(name="file", owner=OWNER, body=ResourceType())
KEYWORD = TypeDef(name="record", owner=OWNER, body=U8)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (Primitive.ERROR_CONTEXT, "error-context"),
        (ListType(U8), "list<u8>"),
        (FixedListType(ListType(U8), 4), "list<list<u8>, 4>"),
        (MapType(STRING, U8), "map<string, u8>"),
        (TupleType((U8, STRING)), "tuple<u8, string>"),
        (OptionType(OptionType(U8)), "option<option<u8>>"),
        (ResultType(None, None), "result"),
        (ResultType(U8, None), "result<u8>"),
        (ResultType(None, STRING), "result<_, string>"),
        (ResultType(U8, STRING), "result<u8, string>"),
        (StreamType(None), "stream"),
        (StreamType(U8), "stream<u8>"),
        (FutureType(None), "future"),
        (FutureType(U8), "future<u8>"),
        (OwnType(RESOURCE), "file"),
        (BorrowType(RESOURCE), "borrow<file>"),
        (ListType(KEYWORD), "list<%record>"),
        (ResourceType(), "resource"),
        (RecordType((Field("a", U8), Field("list", STRING))), "record { a: u8, %list: string }"),
        (RecordType(()), "record {}"),
        (VariantType((Case("a", None), Case("b", ListType(U8)))), "variant { a, b(list<u8>) }"),
        (EnumType((Label("a"), Label("own"))), "enum { a, %own }"),
        (FlagsType((Label("a"), Label("b"))), "flags { a, b }"),
    ],
)
def test_every_type(type_: Type, text: str) -> None:
    assert print_type(type_) == text


def test_names_are_up_to_the_place() -> None:
    assert print_type(ListType(KEYWORD), lambda typedef: typedef.name.upper()) == "list<RECORD>"


def test_identifiers() -> None:
    assert [identifier(name) for name in ("world", "a-world", "f32", "static")] == [
        "%world",
        "a-world",
        "%f32",
        "%static",
    ]


def test_docs() -> None:
    assert doc_lines("") == []
    assert doc_lines("a\n\n  b") == ["/// a", "///", "///   b"]
    assert doc_lines("bell\a\u202e") == ["/// bell\ufffd\ufffd"]


def test_strings() -> None:
    assert string_literal('a"b\\c\nd\u202e\x00') == '"a\\u{22}b\\u{5c}c\\u{a}d\\u{202e}\\u{0}"'
