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

import re
from collections.abc import Container, Sequence
from typing import Final

from obelisk.codegen.emit.settling import settled
from obelisk.codegen.emit.writer import Block
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
_NOT_WORD: Final = re.compile(r"\W", re.ASCII)


class Unsupported(Exception):
    """A type or an item of a world has no form in bindings for C, or in those that build on them."""


def no_form(type_: Type) -> Unsupported:
    """The refusal of a type."""
    kind = type_.value if isinstance(type_, Primitive) else type(type_).__name__.removesuffix("Type").lower()
    return Unsupported(f"{kind} has no form in these bindings")


def plain_name(label: str, keywords: Container[str]) -> str:
    """``class-name`` → ``class_name``; a keyword gets an underscore."""
    name = lowered(label)
    return f"{name}_" if name in keywords else name


def c_name(label: str) -> str:
    """``class-name`` → ``class_name``; a keyword of C gets an underscore."""
    return plain_name(label, KEYWORDS)


class Prefixes:
    """A prefix for the names of each interface: its own name where that is unique, else with its package's.

    Where both are the same words (``a:b-c/d`` and ``a:b/c-d``, or two versions), namespace, package, version and
    interface are set apart by two underscores.
    """

    def __init__(self, interfaces: Sequence[InterfaceName]) -> None:
        wanted = {name: [*filter(_is_free, _prefixes(name)), qualified(name)] for name in interfaces}
        self._prefixes = settled(wanted)

    def of(self, interface: InterfaceName) -> str:
        """The prefix, without a final underscore."""
        return self._prefixes[interface]


def qualified(interface: InterfaceName) -> str:
    """All names of an interface, set apart by two underscores: ``wasi__http__0_2_0__types``."""
    package = interface.package
    version = [_NOT_WORD.sub("_", package.version)] if package.version else []
    return "__".join([*map(lowered, (package.namespace, package.name)), *version, lowered(interface.name)])


def lowered(label: str) -> str:
    """``Class-name`` → ``class_name``."""
    return json_name(label).lower()


def _prefixes(name: InterfaceName) -> tuple[str, str]:
    return lowered(name.name), "_".join(map(lowered, (name.package.namespace, name.package.name, name.name)))


def _is_free(prefix: str) -> bool:
    """Whether no name of the bindings' own begins so."""
    return prefix.partition("_")[0] not in ("exports", "wit")


class Names:
    """The names of C's one space, in which ``a``'s ``b-c`` and ``a-b``'s ``c`` are the same words: such are qualified.

    The bindings are written twice: first to ask for all names, then with those that `settle` gives.
    """

    def __init__(self) -> None:
        self._wanted: dict[object, tuple[str, str]] = {}
        self._settled: dict[object, str] = {}

    def of(self, key: object, short: str, long: str) -> str:
        """The name of what `key` stands for; `long`, the qualified one, is unique."""
        self._wanted[key] = short, long
        return self._settled.get(key, long)

    def settle(self) -> None:
        """From now on, names are the short ones where nothing else asked for the same."""
        self._settled = settled(self._wanted)


class CTypes:
    """Names C types and declares each before it is first used, into `declarations`."""

    def __init__(self, prefixes: Prefixes, names: Names) -> None:
        self._prefixes = prefixes
        self._names = names
        self.declarations = Block()
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

    def stems(self, typedef: TypeDef) -> tuple[str, str]:
        """How other names begin that belong to a type: short and qualified, without an ending."""
        declared = definition(typedef)
        label = lowered(declared.name)
        return f"{self._prefixes.of(declared.owner)}_{label}", f"{qualified(declared.owner)}__{label}"

    def _named(self, type_: Type) -> str:
        match type_:
            case TypeDef():
                short, long = self.stems(type_)
                return self._names.of(_key(type_), f"{short}_t", f"{long}__t")
            case OwnType(resource) | BorrowType(resource):
                return self._named(resource)
            case _:
                short, long = self._shape(type_)
                return self._names.of(_key(type_), f"wit_{short}_t", f"wit_{long}_t")

    def _shape(self, type_: Type | None) -> tuple[str, str]:
        """The words for a type within the name of another, short and such that they are those of no other type."""
        match type_:
            case None:
                return "void", "void"
            case Primitive():
                return type_.value, type_.value
            case TypeDef():
                return self.stems(type_)
            case OwnType(resource) | BorrowType(resource):
                return self._shape(resource)
            case ListType(element):
                return self._joined("list", element)
            case MapType(key, value):
                return self._joined("list", TupleType((key, value)))
            case OptionType(payload):
                return self._joined("option", payload)
            case ResultType(ok, err):
                return self._joined("result", ok, err)
            case TupleType(items):
                return self._joined(f"tuple{len(items)}", *items)
            case _:
                raise no_form(type_)

    def _joined(self, word: str, *inner: Type | None) -> tuple[str, str]:
        """The number of parts follows from the word, so three underscores between parts leave one reading."""
        shapes = [self._shape(type_) for type_ in inner]
        return "_".join([word, *(short for short, _ in shapes)]), "___".join([word, *(long for _, long in shapes)])

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
                self._constants(type_, [case.name for case in cases])
            case EnumType(cases):
                out.add(f"typedef {tag_type(len(cases))} {name};")
                self._constants(type_, [case.name for case in cases])
            case FlagsType(flags):
                out.add(f"typedef {flags_type(len(flags))} {name};")
                self._constants(type_, [flag.name for flag in flags], are_bits=True)
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

    def _constants(self, type_: Type, labels: Sequence[str], *, are_bits: bool = False) -> None:
        assert isinstance(type_, TypeDef), "only named types have cases"
        short, long = self.stems(type_)
        for number, label in enumerate(labels):
            value = f"(UINT32_C(1) << {number})" if are_bits else str(number)
            word = lowered(label)
            constant = self._names.of((_key(type_), label), f"{short}_{word}".upper(), f"{long}__{word}".upper())
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
