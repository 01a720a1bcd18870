"""Python expressions that turn typed values into canonical JSON form and back, as generated bindings contain them.

`to_json` and `from_json` take the expression of a value (a name, an attribute or an item, free of side effects: it may
be repeated) and give another. A handle is a number, which stands for a Python object in a `Handles`. Named records,
variants and flags are converted by functions ``…_to_json`` and ``…_from_json`` that the bindings of their unit declare;
`DEFINED` says which types have them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from typing import Final

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.python_names import converter_name
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.model.json_form import is_bytes, is_nullable, is_text_map
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    definition,
    resources,
    unalias,
)

DEFINED: Final = (RecordType, VariantType, FlagsType)


class Conversions:
    """Writes expressions for one module; what they need is imported through its scope."""

    def __init__(self, layout: Layout, scope: Scope, annotations: Annotations) -> None:
        self._layout = layout
        self._scope = scope
        self._annotations = annotations
        self._depth = 0
        self.handles = "handles"
        """The expression of the `Handles` in which resources stand."""
        self.may_be_guests = True
        """Whether resources that come from JSON may be a component's own."""

    def to_json(self, type_: Type | None, value: str) -> str:
        """The JSON form of a typed value."""
        if type_ is None:
            return "None"
        bare = unalias(type_)
        match bare:
            case Primitive.F32 | Primitive.F64:
                return f"{self._scope.value('float_to_json')}({value})"
            case Primitive():
                return value
            case EnumType():
                return f"{value}.value"
            case ListType(element) | FixedListType(element, _):
                if is_bytes(bare):
                    return f"{self._scope.value('bytes_to_json')}({value})"
                return self._each(value, lambda item: self.to_json(element, item))
            case TupleType(()):
                return f"[*{value}]"
            case TupleType(items):
                return f"[{', '.join(self.to_json(item, f'{value}[{n}]') for n, item in enumerate(items))}]"
            case MapType():
                return self._map_to_json(bare, value)
            case OptionType(payload):
                inner = self.to_json(payload, f"{value}.value" if is_nullable(payload) else value)
                inner = f'{{"some": {inner}}}' if is_nullable(payload) else inner
                return inner if inner == value else f"None if {value} is None else {inner}"
            case ResultType(ok, err):
                # Without a payload too the value is looked at: what is neither Ok nor Err must not become an err.
                good, bad = (f"{value}.value" if p is None else self.to_json(p, f"{value}.value") for p in (ok, err))
                return f'{{"ok": {good}}} if isinstance({value}, {self._scope.value("Ok")}) else {{"err": {bad}}}'
            case OwnType():
                return f"{self.handles}.give({value})"
            case BorrowType():
                return f"{self.handles}.lend({value})"
            case _:
                return f"{self._converter(type_, 'to')}({value}{self._more(type_)})"

    def from_json(self, type_: Type | None, data: str) -> str:
        """The typed value of a canonical JSON form."""
        if type_ is None:
            return "None"
        bare = unalias(type_)
        match bare:
            case Primitive.F32 | Primitive.F64:
                return f"{self._scope.value('float_from_json')}({data})"
            case Primitive():
                return data
            case EnumType():
                return f"{self._annotations.named(_named(type_))}({data})"
            case ListType(element) | FixedListType(element, _):
                if is_bytes(bare):
                    return f"{self._scope.value('bytes_from_json')}({data})"
                return self._each(data, lambda item: self.from_json(element, item))
            case TupleType(items):
                parts = [self.from_json(item, f"{data}[{n}]") for n, item in enumerate(items)]
                return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
            case MapType(key, item):
                source = f"{data}.items()" if is_text_map(bare) else data
                with self._variables("key", "item") as (k, v):
                    return f"{{{self.from_json(key, k)}: {self.from_json(item, v)} for {k}, {v} in {source}}}"
            case OptionType(payload):
                if is_nullable(payload):
                    some = f'{data}["some"]'
                    return f"None if {data} is None else {self._scope.value('Some')}({self.from_json(payload, some)})"
                inner = self.from_json(payload, data)
                return inner if inner == data else f"None if {data} is None else {inner}"
            case ResultType(ok, err):
                good, bad = self.side(ok, "Ok", data), self.side(err, "Err", data)
                return f'{good} if "ok" in {data} else {bad}'
            case OwnType(resource):
                more = f", {self.guest_class(resource)}" if self.may_be_guests else ""
                return f"{self.handles}.take({data}{more})"
            case BorrowType():
                return f"{self.handles}.of({data})"
            case _:
                return f"{self._converter(type_, 'from')}({data}{self._more(type_)})"

    def side(self, type_: Type | None, name: str, data: str) -> str:
        """The `Ok` or `Err` (as `name` says) of a result's JSON form."""
        payload = f'{data}["{name.lower()}"]'
        return f"{self._scope.value(name)}({self.from_json(type_, payload)})"

    def guest_class(self, resource: TypeDef) -> str:
        """The class of a resource that a component implements, which the bindings of its unit declare."""
        declared = definition(resource)
        unit = self._layout.unit_of(declared)
        return self._scope.sibling((unit.folder, "bindings", unit.module), guest_class_name(unit, declared))

    def _each(self, source: str, convert: Callable[[str], str]) -> str:
        with self._variables("item") as (item,):
            converted = convert(item)
        return f"[*{source}]" if converted == item else f"[{converted} for {item} in {source}]"

    def _map_to_json(self, type_: MapType, value: str) -> str:
        with self._variables("key", "item") as (k, v):
            item = self.to_json(type_.value, v)
            if is_text_map(type_):
                return f"{{{k}: {item} for {k}, {v} in {value}.items()}}"
            return f"[[{self.to_json(type_.key, k)}, {item}] for {k}, {v} in {value}.items()]"

    @contextlib.contextmanager
    def _variables(self, *names: str) -> Generator[list[str]]:
        """Names for a comprehension, other ones in each that stands inside another."""
        self._depth += 1
        yield [name if self._depth == 1 else f"{name}{self._depth}" for name in names]
        self._depth -= 1

    def _more(self, type_: Type) -> str:
        """What the converter of a named type gets besides the value."""
        return f", {self.handles}" if resources(type_) else ""

    def _converter(self, type_: Type, way: str) -> str:
        named = definition(_named(type_))
        unit = self._layout.unit_of(named)
        return self._scope.sibling((unit.folder, "bindings", unit.module), converter_name(named.name, way))


def guest_class_name(unit: Unit, resource: TypeDef) -> str:
    """What the bindings of `unit` call a resource of theirs as a component implements it."""
    return f"{unit.classes[resource.name]}Resource"


def _named(type_: Type) -> TypeDef:
    assert isinstance(type_, TypeDef), "WIT gives every record, variant, enum and flags a name"
    return type_
