"""C types for WIT types. Pure.

Every C type has, on wasm32, exactly the layout in memory that the canonical ABI gives its WIT type: records and tuples
are structs, a variant is a struct of a tag and a union, strings and lists are pointer and length. So values in memory
need no conversion, only those that travel in core parameters and results do (`flattening`).

| WIT | C |
|---|---|
| `bool`, `u8`…`s64`, `f32`, `f64`, `char` | `bool`, `uint8_t`…`int64_t`, `float`, `double`, `uint32_t` |
| `string`, `list<T>` | `{ char *ptr; size_t len; }`, `{ T *ptr; size_t len; }` |
| `option<T>` | `{ bool is_some; T value; }` |
| `result<O, E>` | `{ bool is_err; union { O ok; E err; } value; }`, without the sides that carry nothing |
| `tuple<A, B>`, record | `{ A f0; B f1; }`, a struct of the fields |
| variant | `{ uint8_t tag; union { … } value; }`, a constant for each tag |
| enum, flags | an unsigned integer, a constant for each case or flag |
| resource | a handle: `int32_t` |
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from obelisk.codegen.emit.writer import Block, NameTable
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.names import InterfaceName
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
)

PRIMITIVES: Final = {
    Primitive.BOOL: "bool",
    Primitive.S8: "int8_t",
    Primitive.S16: "int16_t",
    Primitive.S32: "int32_t",
    Primitive.S64: "int64_t",
    Primitive.U8: "uint8_t",
    Primitive.U16: "uint16_t",
    Primitive.U32: "uint32_t",
    Primitive.U64: "uint64_t",
    Primitive.F32: "float",
    Primitive.F64: "double",
    Primitive.CHAR: "uint32_t",
    Primitive.STRING: "wit_string_t",
}
_KEYWORDS: Final = """
alignas alignof asm auto bool break case char const constexpr continue default do double else enum extern false float
for goto if inline int long main nullptr register restrict return short signed sizeof static static_assert struct switch
thread_local true typedef typeof union unsigned void volatile while
"""
KEYWORDS: Final = frozenset(_KEYWORDS.split())


class Unsupported(Exception):
    """A type or an item of a world has no form in bindings for C, or in those that build on them."""


def no_form(type_: Type) -> Unsupported:
    """The refusal of a type."""
    kind = type_.value if isinstance(type_, Primitive) else type(type_).__name__.removesuffix("Type").lower()
    return Unsupported(f"{kind} has no form in these bindings")


def plain_name(label: str, keywords: Container[str]) -> str:
    """``class-name`` → ``class_name``; a keyword gets an underscore."""
    name = json_name(label).lower()
    return f"{name}_" if name in keywords else name


def c_name(label: str) -> str:
    """``class-name`` → ``class_name``; a keyword of C gets an underscore."""
    return plain_name(label, KEYWORDS)


class Prefixes:
    """A prefix for the names of each interface: its own name where that is unique, else with its package's."""

    def __init__(self, interfaces: Sequence[InterfaceName]) -> None:
        names = sorted(set(interfaces), key=str)
        short = [name.name for name in names]
        table = NameTable("exports", "wit")
        self._prefixes: dict[InterfaceName, str] = {}
        for name in names:
            package = f"{name.package.namespace}-{name.package.name}-"
            self._prefixes[name] = table.unique(json_name((package if short.count(name.name) > 1 else "") + name.name))

    def of(self, interface: InterfaceName) -> str:
        """The prefix, without a final underscore."""
        return self._prefixes[interface]


class CTypes:
    """Names C types and declares each before it is first used, into `declarations`.

    C has one space of names, in which ``a``'s ``b-c`` and ``a-b``'s ``c`` are the same words: what comes second gets a
    number from `names`, which hands out those of functions too.
    """

    def __init__(self, prefixes: Prefixes, names: NameTable) -> None:
        self._prefixes = prefixes
        self._names = names
        self.declarations = Block()
        self._named_types: dict[object, str] = {}
        self._declared: set[str] = set()

    def name(self, type_: Type) -> str:
        """The C type; Unsupported."""
        if isinstance(type_, Primitive):
            if type_ not in PRIMITIVES:
                raise no_form(type_)
            return PRIMITIVES[type_]
        name = self._named(type_)
        if name not in self._declared:
            self._declare(name, definition(type_).body if isinstance(type_, TypeDef) else type_, type_)
            self._declared.add(name)
        return name

    def stem(self, type_: Type) -> str:
        """A type's name without the ending, as it is part of other names; Unsupported."""
        return type_.value if isinstance(type_, Primitive) else self._named(type_).removesuffix("_t")

    def _named(self, type_: Type) -> str:
        key = _key(type_)
        if key not in self._named_types:
            self._named_types[key] = self._names.unique(f"{self._wanted(type_)}_t")
        return self._named_types[key]

    def _wanted(self, type_: Type) -> str:
        match type_:
            case TypeDef():
                declared = definition(type_)
                return f"{self._prefixes.of(declared.owner)}_{json_name(declared.name).lower()}"
            case OwnType(resource) | BorrowType(resource):
                return self._wanted(resource)
            case _:
                return f"wit_{self._shape(type_)}"

    def _shape(self, type_: Type | None) -> str:
        match type_:
            case None:
                return "void"
            case Primitive() | TypeDef() | OwnType() | BorrowType():
                return self.stem(type_)
            case ListType(element):
                return f"list_{self._shape(element)}"
            case MapType(key, value):
                return f"list_{self._shape(TupleType((key, value)))}"
            case OptionType(payload):
                return f"option_{self._shape(payload)}"
            case ResultType(ok, err):
                return f"result_{self._shape(ok)}_{self._shape(err)}"
            case TupleType(items):
                return "_".join([f"tuple{len(items)}", *map(self._shape, items)])
            case _:
                raise no_form(type_)

    def _declare(self, name: str, body: Type, type_: Type) -> None:
        out = self.declarations
        match body:
            case Primitive():
                out.add(f"typedef {self.name(body)} {name};")
            case ResourceType() | OwnType() | BorrowType():
                if name not in self._declared:
                    out.add(f"typedef int32_t {name};")
            case ListType(element):
                self._struct(name, [(f"{self.name(element)} *", "ptr"), ("size_t", "len")])
            case MapType(key, value):
                self._struct(name, [(f"{self.name(TupleType((key, value)))} *", "ptr"), ("size_t", "len")])
            case TupleType(items):
                self._struct(name, [(self.name(item), f"f{number}") for number, item in enumerate(items)])
            case RecordType(fields):
                self._struct(name, [(self.name(field.type), c_name(field.name)) for field in fields])
            case OptionType(payload):
                self._struct(name, [("bool", "is_some"), (self.name(payload), "value")])
            case ResultType(ok, err):
                self._tagged(name, "bool", "is_err", [("ok", ok), ("err", err)])
            case VariantType(cases):
                self._tagged(name, tag_type(len(cases)), "tag", [(c_name(case.name), case.payload) for case in cases])
                self._constants(name, [case.name for case in cases])
            case EnumType(cases):
                out.add(f"typedef {tag_type(len(cases))} {name};")
                self._constants(name, [case.name for case in cases])
            case FlagsType(flags):
                out.add(f"typedef {flags_type(len(flags))} {name};")
                self._constants(name, [flag.name for flag in flags], are_bits=True)
            case TypeDef():
                raise AssertionError("definitions are no aliases")
            case _:
                raise no_form(body)

    def _struct(self, name: str, fields: Sequence[tuple[str, str]]) -> None:
        with self.declarations.under("typedef struct {"):
            for kind, label in fields:
                self.declarations.add(f"{kind}{label};" if kind.endswith("*") else f"{kind} {label};")
        self.declarations.add(f"}} {name};", "")

    def _tagged(self, name: str, tag: str, label: str, cases: Sequence[tuple[str, Type | None]]) -> None:
        payloads = [(self.name(payload), case) for case, payload in cases if payload is not None]
        with self.declarations.under("typedef struct {"):
            self.declarations.add(f"{tag} {label};")
            if payloads:
                with self.declarations.under("union {"):
                    self.declarations.add(*(f"{kind} {case};" for kind, case in payloads))
                self.declarations.add("} value;")
        self.declarations.add(f"}} {name};", "")

    def _constants(self, name: str, labels: Sequence[str], *, are_bits: bool = False) -> None:
        stem = name.removesuffix("_t").upper()
        for number, label in enumerate(labels):
            value = f"(UINT32_C(1) << {number})" if are_bits else str(number)
            constant = self._names.unique(f"{stem}_{json_name(label).upper()}")
            self.declarations.add(f"#define {constant} {value}")
        self.declarations.add("")


def _key(type_: Type | None) -> object:
    """Equal for types that are one type in C."""
    match type_:
        case None | Primitive():
            return type_
        case TypeDef():
            declared = definition(type_)
            return declared.owner, declared.owner_item, declared.name
        case OwnType(resource) | BorrowType(resource):
            return _key(resource)
        case ResultType(ok, err):
            return ResultType, _key(ok), _key(err)
        case MapType(key, value):
            return ListType, _key(TupleType((key, value)))
        case _:
            return type(type_), *map(_key, parts(type_))


def tag_type(cases: int) -> str:
    """The type of a tag that tells so many cases apart."""
    return "uint8_t" if cases <= 1 << 8 else "uint16_t" if cases <= 1 << 16 else "uint32_t"


def flags_type(flags: int) -> str:
    """The type of so many flags, of which there are at most 32."""
    return "uint8_t" if flags <= 8 else "uint16_t" if flags <= 16 else "uint32_t"
