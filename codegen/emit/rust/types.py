"""Rust types for WIT types. Pure.

Authors get Rust's own: `String`, `Vec`, `Option`, `Result`, tuples, structs and enums. Next to each stands its `Abi`, a
`repr(C)` type that is laid out in memory as the C type of the same WIT type is (`c.types`), which the canonical ABI
fixes; the traits `Lower` and `Lift` of the crate (``rust_world.j2``) lead from the one to the other. Generated names
that authors do not write have two underscores, which no name of WIT's has.

| WIT | Rust | as a parameter of what is called |
|---|---|---|
| `bool`, `u8`…`s64`, `f32`, `f64`, `char` | `bool`, `u8`…`i64`, `f32`, `f64`, `char` | the same |
| `string`; `list<T>`, `map<K, V>` | `String`; `Vec<T>`, `Vec<(K, V)>` | `&str`; `&[T]`, `&[(K, V)]` |
| `option<T>`, `result<O, E>`, `tuple<A, B>` | `Option<T>`, `Result<O, E>`, `(A, B)` | the same, of borrowed parts |
| record, variant | a struct, an enum | `&T`, or `T` where nothing in it is on the heap |
| enum, flags | an enum, a struct of bits with a constant for each flag | the same |
| resource | a struct that drops its handle: `T`, borrowed `&T` | the same |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obelisk.codegen.emit.c.types import Prefixes, Unsupported, flags_type, no_form, plain_name, tag_type
from obelisk.codegen.emit.writer import Block, line_comment
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    definition,
    parts,
    resources,
    unalias,
)

_PRIMITIVES: Final = {
    Primitive.BOOL: "bool",
    Primitive.S8: "i8",
    Primitive.S16: "i16",
    Primitive.S32: "i32",
    Primitive.S64: "i64",
    Primitive.U8: "u8",
    Primitive.U16: "u16",
    Primitive.U32: "u32",
    Primitive.U64: "u64",
    Primitive.F32: "f32",
    Primitive.F64: "f64",
    Primitive.CHAR: "char",
    Primitive.STRING: "String",
}
_KEYWORDS: Final = """
abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if impl in
let loop macro match mod move mut override priv pub ref return self static struct super trait true try type typeof
unsafe unsized use virtual where while yield
"""
KEYWORDS: Final = frozenset(_KEYWORDS.split())
_PRELUDE_NAMES: Final = "Box Copy Clone Debug Err None Ok Option PartialEq Result Self Some String Vec"
_PRELUDE: Final = frozenset(_PRELUDE_NAMES.split())
_BITS: Final = {"uint8_t": "u8", "uint16_t": "u16", "uint32_t": "u32"}
_MAX_DERIVED_TUPLE: Final = 12
"""The standard library compares and shows tuples of so many items."""


def rust_name(label: str) -> str:
    """``class-name`` → ``class_name``; a keyword gets an underscore."""
    return plain_name(label, KEYWORDS)


def camel(label: str) -> str:
    """``class-name`` → ``ClassName``; a name of the language's own gets an underscore."""
    name = "".join(word.capitalize() for word in label.split("-"))
    return f"{name}_" if name in _PRELUDE else name


class RustTypes:
    """Names Rust types, and declares those of interfaces; collects the arities of tuples."""

    def __init__(self, prefixes: Prefixes) -> None:
        self._prefixes = prefixes
        self.arities: set[int] = set()

    def module(self, typedef: TypeDef) -> str:
        """The path of the module that a type is declared in."""
        return f"crate::{rust_name(self._prefixes.of(typedef.owner))}"

    def name(self, type_: Type) -> str:
        """The type as its owner has it; Unsupported."""
        match type_:
            case Primitive():
                if type_ not in _PRIMITIVES:
                    raise no_form(type_)
                return _PRIMITIVES[type_]
            case TypeDef():
                declared = definition(type_)
                return f"{self.module(declared)}::{camel(declared.name)}"
            case OwnType(resource):
                return self.name(resource)
            case BorrowType(resource):
                return f"&{self.name(resource)}"
            case ListType(element):
                return f"Vec<{self.name(element)}>"
            case MapType(key, value):
                return f"Vec<{self._tuple([self.name(key), self.name(value)])}>"
            case OptionType(payload):
                return f"Option<{self.name(payload)}>"
            case ResultType(ok, err):
                return f"Result<{self._side(ok)}, {self._side(err)}>"
            case TupleType(items):
                return self._tuple([self.name(item) for item in items])
            case _:
                raise no_form(type_)

    def borrowed(self, type_: Type) -> str:
        """The type as a parameter of a function that is called; Unsupported."""
        if _owns(type_) or _is_plain(type_):
            return self.name(type_)
        match unalias(type_):
            case Primitive.STRING:
                return "&str"
            case ListType(element):
                return f"&[{self.name(element)}]"
            case MapType(key, value):
                return f"&[{self._tuple([self.name(key), self.name(value)])}]"
            case OptionType(payload):
                return f"Option<{self.borrowed(payload)}>"
            case ResultType(ok, err):
                sides = ("()" if side is None else self.borrowed(side) for side in (ok, err))
                return f"Result<{', '.join(sides)}>"
            case TupleType(items):
                return self._tuple([self.borrowed(item) for item in items])
            case BorrowType():
                return self.name(type_)
            case _:
                return f"&{self.name(type_)}"

    def declare(self, typedef: TypeDef, out: Block) -> None:
        """The declaration of a type that its interface holds."""
        out.add(*line_comment("///", typedef.docs))
        body, name = typedef.body, camel(typedef.name)
        match body:
            case ResourceType():
                out.add(f'crate::resource!({name}, "wit_rust_drop_{self._prefixes.of(typedef.owner)}_{name}");')
            case RecordType(fields):
                self._refuse_borrows(typedef)
                out.add(self._derives(typedef))
                with out.under(f"pub struct {name} {{"):
                    for field in fields:
                        out.add(
                            *line_comment("///", field.docs), f"pub {rust_name(field.name)}: {self.name(field.type)},"
                        )
                labels = [rust_name(field.name) for field in fields]
                types = [self.name(field.type) for field in fields]
                out.add("}", f"crate::record!({name}, {name}__Abi {{ {_pairs(labels, types)} }});")
            case VariantType(cases):
                self._refuse_borrows(typedef)
                out.add(self._derives(typedef))
                with out.under(f"pub enum {name} {{"):
                    for case in cases:
                        payload = "" if case.payload is None else f"({self.name(case.payload)})"
                        out.add(*line_comment("///", case.docs), f"{camel(case.name)}{payload},")
                payloads = ["()" if case.payload is None else self.name(case.payload) for case in cases]
                arms = ", ".join(
                    f"{camel(case.name)} {'unit' if case.payload is None else 'of'} {payload}"
                    for case, payload in zip(cases, payloads, strict=True)
                )
                out.add("}", f"crate::variant!({name}, {name}__Abi {{ {arms} }}, {_BITS[tag_type(len(cases))]});")
            case EnumType(cases):
                out.add(f"#[repr({_BITS[tag_type(len(cases))]})]", "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]")
                with out.under(f"pub enum {name} {{"):
                    for label in cases:
                        out.add(*line_comment("///", label.docs), f"{camel(label.name)},")
                out.add("}", f"crate::plain!({name});")
            case FlagsType(flags):
                constants = ", ".join(f"{json_name(flag.name).upper()} = {at}" for at, flag in enumerate(flags))
                out.add(f"crate::flags!({name}, {_BITS[flags_type(len(flags))]}, {{ {constants} }});")
            case _:
                out.add(f"pub type {name} = {self.name(body)};")
        out.add("")

    def _side(self, type_: Type | None) -> str:
        return "()" if type_ is None else self.name(type_)

    def _tuple(self, items: Sequence[str]) -> str:
        self.arities.add(len(items))
        return f"({', '.join(items)}{',' if len(items) == 1 else ''})"

    def _derives(self, typedef: TypeDef) -> str:
        if _owns(typedef):
            return "#[derive(Debug)]"
        if _has_long_tuple(typedef):
            return "#[derive(Clone)]"
        return f"#[derive(Clone, {'Copy, ' if _is_plain(typedef) else ''}Debug, PartialEq)]"

    def _refuse_borrows(self, typedef: TypeDef) -> None:
        if _any(typedef, BorrowType):
            raise Unsupported(f"{typedef.owner}: {typedef.name} holds a borrowed handle")


def _pairs(labels: Sequence[str], types: Sequence[str]) -> str:
    return ", ".join(f"{label}: {type_}" for label, type_ in zip(labels, types, strict=True))


def _any(type_: Type, *kinds: type) -> bool:
    return isinstance(type_, kinds) or any(_any(part, *kinds) for part in parts(type_))


def _owns(type_: Type) -> bool:
    """Whether a handle is handed over with a value."""
    return bool(resources(type_)) and _any(type_, OwnType)


def _is_plain(type_: Type) -> bool:
    """Whether a value is copied as it stands: nothing of it is on the heap or behind a handle."""
    inside = unalias(type_)
    heap = (ListType, MapType, OwnType, BorrowType)
    return inside is not Primitive.STRING and not isinstance(inside, heap) and all(map(_is_plain, parts(inside)))


def _has_long_tuple(type_: Type) -> bool:
    inside = unalias(type_)
    is_long = isinstance(inside, TupleType) and len(inside.items) > _MAX_DERIVED_TUPLE
    return is_long or any(map(_has_long_tuple, parts(inside)))
