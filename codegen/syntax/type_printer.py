"""Prints types as WIT text: in place (`print_type`) and as declarations.

A named type prints as its name, so that what is shown is what its author wrote; a structure without a name is written
out. How a name reads depends on where it stands, hence the `Naming` that the functions take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

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
from obelisk.codegen.syntax.lexer import clean_docs
from obelisk.codegen.syntax.tokens import KEYWORDS

Naming: TypeAlias = Callable[[TypeDef], str]
"""How a named type is called at the place of printing."""

# WIT text must not hold control codes, bidirectional overrides and a few deprecated code points (lexer).
_FORBIDDEN: Final = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069\u0149\u0673\u0f77\u0f79\u17a3\u17a4\u17b4\u17b5"
)
_UNWRITABLE: Final = re.compile(f"[{_FORBIDDEN}]")
_ESCAPED: Final = re.compile(f'[{_FORBIDDEN}\\t\\n"\\\\]')


def identifier(name: str) -> str:
    """`name` as WIT text has it: behind ``%`` when it is a keyword."""
    return f"%{name}" if name in KEYWORDS else name


def own_name(typedef: TypeDef) -> str:
    """The `Naming` of a type by its own name."""
    return identifier(typedef.name)


def doc_lines(docs: str) -> list[str]:
    """Documentation as comments that read back as `docs`, one string per comment; a block comment holds line ends.

    Characters that WIT text must not hold are replaced by U+FFFD.
    """
    if not docs:
        return []
    docs = _UNWRITABLE.sub("\ufffd", docs)
    lines = docs.split("\n")
    usual = [f"/// {line}".rstrip() for line in lines]
    if any(line and not line[0].isspace() for line in lines):
        return usual
    # Common indentation is not part of documentation, unless it stands where the reader does not look for it.
    others = [[f"///{line}".rstrip() for line in lines]]
    if "*/" not in docs and "/*" not in docs:
        others.append([f"/**{docs}{' ' if docs.endswith('/') else ''}*/"])  # "/*/" begins a comment inside of this one
    return next((comments for comments in others if clean_docs(comments) == docs), usual)


def string_literal(text: str) -> str:
    """`text` in double quotes, escaped."""
    return '"' + _ESCAPED.sub(lambda match: f"\\u{{{ord(match[0]):x}}}", text) + '"'


def print_type(type_: Type, naming: Naming = own_name) -> str:
    """`type_` as a user would write it: ``list<u8>``, ``result<_, my-error>``; a bare body as ``record { a: u32 }``."""
    match type_:
        case Primitive():
            return type_.value
        case TypeDef():
            return naming(type_)
        case OwnType(resource):
            return naming(resource)
        case BorrowType(resource):
            return f"borrow<{naming(resource)}>"
        case RecordType() | VariantType() | EnumType() | FlagsType():
            inside = ", ".join(member for member, _ in _members(type_, naming))
            return f"{_keyword(type_)} {{ {inside} }}" if inside else f"{_keyword(type_)} {{}}"
        case ResourceType():
            return "resource"
        case _:
            return _print_anonymous(type_, naming)


def _print_anonymous(type_: Type, naming: Naming) -> str:
    def inside(part: Type) -> str:
        return print_type(part, naming)

    match type_:
        case ListType(element):
            return f"list<{inside(element)}>"
        case FixedListType(element, length):
            return f"list<{inside(element)}, {length}>"
        case MapType(key, value):
            return f"map<{inside(key)}, {inside(value)}>"
        case TupleType(items):
            return f"tuple<{', '.join(inside(item) for item in items)}>"
        case OptionType(payload):
            return f"option<{inside(payload)}>"
        case ResultType(None, None):
            return "result"
        case ResultType(ok, None):
            return f"result<{inside(ok)}>" if ok is not None else "result"
        case ResultType(ok, err):
            return f"result<{'_' if ok is None else inside(ok)}, {inside(err)}>" if err is not None else "result"
        case StreamType(item):
            return "stream" if item is None else f"stream<{inside(item)}>"
        case FutureType(item):
            return "future" if item is None else f"future<{inside(item)}>"
        case _:
            raise AssertionError("every type has a printed form")


def print_declaration(typedef: TypeDef, naming: Naming) -> list[str]:
    """The lines that declare `typedef`, without documentation and gates; a resource without its functions."""
    name, body = identifier(typedef.name), typedef.body
    match body:
        case RecordType() | VariantType() | EnumType() | FlagsType():
            lines = [f"{_keyword(body)} {name} {{"]
            for member, docs in _members(body, naming):
                lines += [f"  {line}" for line in doc_lines(docs)]
                lines.append(f"  {member},")
            return [*lines, "}"]
        case ResourceType():
            return [f"resource {name};"]
        case OwnType(resource):
            # As an alias, unlike as a value, a bare resource name would stand for the resource and not for a handle.
            return [f"type {name} = own<{naming(resource)}>;"]
        case _:
            return [f"type {name} = {print_type(body, naming)};"]


def _keyword(body: RecordType | VariantType | EnumType | FlagsType) -> str:
    match body:
        case RecordType():
            return "record"
        case VariantType():
            return "variant"
        case EnumType():
            return "enum"
        case FlagsType():
            return "flags"


def _members(body: RecordType | VariantType | EnumType | FlagsType, naming: Naming) -> list[tuple[str, str]]:
    """Fields, cases or flags with their documentation."""
    members: Sequence[Field | Case | Label]
    match body:
        case RecordType(fields):
            members = fields
        case VariantType(cases):
            members = cases
        case EnumType(cases=labels) | FlagsType(flags=labels):
            members = labels
    return [(_member(member, naming), member.docs) for member in members]


def _member(member: Field | Case | Label, naming: Naming) -> str:
    name = identifier(member.name)
    match member:
        case Field(type=type_):
            return f"{name}: {print_type(type_, naming)}"
        case Case(payload=payload) if payload is not None:
            return f"{name}({print_type(payload, naming)})"
        case _:
            return name
