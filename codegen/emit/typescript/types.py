"""TypeScript types of one interface or world, and what reads and writes them: ``typescript/types/<name>.ts``.

Values look like their JSON form, so that what a log or the OpenAPI document shows is what a program has; only what JSON
cannot hold differs. A type and the constant that reads and writes its values (`Codec`) have the same name.

| WIT | TypeScript |
|---|---|
| `s64`, `u64`; other integers and floats | `bigint`; `number` |
| `list<u8>`; `map<K, V>` | `Uint8Array`; `ReadonlyMap<K, V>` |
| record | an interface; a field of an option may be left out |
| variant | a union of `"case"` and `{ case: payload }` |
| enum, flags | a union of strings, an array of them |
| `option<T>`; `option<option<T>>` | `T | null`; `{ some: T | null } | null` |
| `result<T, E>` | `{ ok: T } | { err: E }` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obelisk.codegen.emit.crossing import has_form, is_resource
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.typescript.names import jsdoc, type_name
from obelisk.codegen.emit.typescript.scope import RUNTIME, Scope, types_place
from obelisk.codegen.emit.writer import literal
from obelisk.codegen.model.json_form import WIDE_INTEGERS, is_bytes, is_nullable, is_text_map, json_name
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

_SCALARS: Final = {
    Primitive.BOOL: "boolean",
    Primitive.CHAR: "string",
    Primitive.STRING: "string",
    **dict.fromkeys(WIDE_INTEGERS, "bigint"),
}
_INDENT: Final = "  "


def types_module(layout: Layout, unit: Unit, stamp: str) -> str:
    """The module's source, ``""`` where no type has a JSON form; `stamp` is its first line, a comment."""
    types = [type_ for type_ in unit.types if not is_resource(type_) and has_form(type_)]
    scope = Scope(layout, types_place(unit))
    lines = [line for type_ in types for line in ("", *_declaration(type_, Expressions(scope)))]
    if not types:
        return ""
    return "\n".join([*scope.head(stamp, f"Types of `{unit.title}`.\n\n{unit.docs}"), *lines, ""])


class Expressions:
    """Types, and what reads and writes them, as one module writes them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def type(self, type_: Type | None) -> str:
        """The type of values."""
        match type_:
            case None:
                return "null"
            case TypeDef():
                return self._scope.named(type_)
            case Primitive():
                return _SCALARS.get(type_, "number")
            case ListType(element) | FixedListType(element, _):
                return f"{RUNTIME}.Bytes" if is_bytes(type_) else f"readonly {_whole(self.type(element))}[]"
            case TupleType(items):
                return f"readonly [{', '.join(map(self.type, items))}]"
            case MapType(key, value):
                return f"{RUNTIME}.ValueMap<{self.type(key)}, {self.type(value)}>"
            case OptionType(payload):
                inner = self.type(payload)
                return f"{{ readonly some: {inner} }} | null" if is_nullable(payload) else f"{inner} | null"
            case ResultType(ok, err):
                return f"{RUNTIME}.Result<{self.type(ok)}, {self.type(err)}>"
            case _:
                raise AssertionError(f"WIT gives it a name, or it has no JSON form: {type_}")

    def codec(self, type_: Type) -> str:
        """What reads and writes the values."""
        match type_:
            case TypeDef():
                return self._scope.named(type_)
            case Primitive():
                return f"{RUNTIME}.{type_.value}"
            case ListType(element):
                return f"{RUNTIME}.bytes" if is_bytes(type_) else f"{RUNTIME}.list({self.codec(element)})"
            case FixedListType(element, length):
                return f"{RUNTIME}.list({self.codec(element)}, {length})"
            case TupleType(items):
                return f"{RUNTIME}.tuple<{self.type(type_)}>({', '.join(map(self.codec, items))})"
            case MapType(_, value) if is_text_map(type_):
                return f"{RUNTIME}.textMap({self.codec(value)})"
            case MapType(key, value):
                return f"{RUNTIME}.pairMap({self.codec(key)}, {self.codec(value)})"
            case OptionType(payload):
                return f"{RUNTIME}.{'nested' if is_nullable(payload) else 'option'}({self.codec(payload)})"
            case ResultType(ok, err):
                sides = ", ".join("null" if side is None else self.codec(side) for side in (ok, err))
                return f"{RUNTIME}.result<{self.type(ok)}, {self.type(err)}>({sides})"
            case _:
                raise AssertionError(f"WIT gives it a name, or it has no JSON form: {type_}")

    def fields(self, fields: Sequence[Field]) -> list[str]:
        """The members of an interface; an option may be left out."""
        lines: list[str] = []
        for field in fields:
            mark, more = ("?", " | undefined") if is_nullable(field.type) else ("", "")
            lines += jsdoc(field.docs)
            lines.append(f"readonly {json_name(field.name)}{mark}: {self.type(field.type)}{more};")
        return [_INDENT + line for line in lines]

    def record(self, wit: str, fields: Sequence[Field]) -> list[str]:
        """What reads and writes such an object."""
        members = [f"{_INDENT}[{literal(json_name(field.name))}, {self.codec(field.type)}]," for field in fields]
        return [f"{RUNTIME}.record({literal(wit)}, [", *members, "])"]


def _declaration(type_: TypeDef, write: Expressions) -> list[str]:
    """The type, and its constant."""
    name = type_name(type_.name)
    docs = jsdoc(type_.docs or f"The type `{type_.name}`.", type_.stability.deprecated)
    head = f"export type {name} ="
    match type_.body:
        case RecordType(fields):
            body = [f"export interface {name} {{", *write.fields(fields), "}"]
            codec = write.record(type_.name, fields)
        case VariantType(cases):
            forms = [_form(case, write) for case in cases]
            body = [head, *_union(forms, [case.docs for case in cases], ";")]
            codec = [f"{RUNTIME}.variant({literal(type_.name)}, [", *(_case(case, write) for case in cases), "])"]
        case EnumType(labels):
            body = [head, *_union([_quoted(label) for label in labels], [label.docs for label in labels], ";")]
            codec = _named(f"{RUNTIME}.enumeration", type_.name, labels)
        case FlagsType(labels) if labels:
            union = _union([_quoted(label) for label in labels], [label.docs for label in labels], "")
            body = [f"{head} readonly (", *union, ")[];"]
            codec = _named(f"{RUNTIME}.flags", type_.name, labels)
        case FlagsType(labels):
            body, codec = [f"{head} readonly never[];"], _named(f"{RUNTIME}.flags", type_.name, labels)
        case other:
            body, codec = [f"{head} {write.type(other)};"], [write.codec(other)]
    codec[0] = f"export const {name}: {RUNTIME}.Codec<{name}> = {codec[0]}"
    codec[-1] += ";"
    return [*docs, *body, "", *docs, *codec]


def _form(case: Case, write: Expressions) -> str:
    return (
        _quoted(case) if case.payload is None else f"{{ readonly {json_name(case.name)}: {write.type(case.payload)} }}"
    )


def _case(case: Case, write: Expressions) -> str:
    payload = "null" if case.payload is None else write.codec(case.payload)
    return f"{_INDENT}[{_quoted(case)}, {payload}],"


def _union(forms: Sequence[str], docs: Sequence[str], end: str) -> list[str]:
    """Each form on a line of its own, below its documentation."""
    lines = [line for form, text in zip(forms, docs, strict=True) for line in (*jsdoc(text), f"| {form}")]
    lines[-1] += end
    return [_INDENT + line for line in lines]


def _named(call: str, name: str, labels: Sequence[Label]) -> list[str]:
    return [f"{call}({literal(name)}, [", *(f"{_INDENT}{_quoted(label)}," for label in labels), "])"]


def _quoted(label: Label | Case) -> str:
    return literal(json_name(label.name))


def _whole(text: str) -> str:
    """A type as the element of an array."""
    return f"({text})" if " | " in text or text.startswith("readonly ") else text
