"""Copies the items of an included world into the including one (WIT.md "Item: `include`").

Types that the included world itself declares belong to the new world afterwards, so they and all that refers to them
are rebuilt; interfaces with a name of their own are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param, WorldInterface, WorldItem
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    BorrowType,
    Case,
    Field,
    FixedListType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
)


def plain_name(item: WorldItem) -> str:
    """The name that ``with`` can change: of a function of a resource the resource's; ``""`` for an interface's own."""
    match item:
        case WorldInterface(interface=interface, label=label):
            return label or interface.inline_name
        case Function(kind=FunctionKind.FREE, name=name):
            return name
        case Function(resource=resource):
            return resource
        case TypeDef(name=name):
            return name


@dataclass(slots=True, kw_only=True)
class Copier:
    """Copies items of the world `old` for the world `new`, with other plain names where `renames` has them."""

    old: InterfaceName
    new: InterfaceName
    renames: Mapping[str, str]
    _copies: dict[int, tuple[TypeDef, TypeDef]] = field(default_factory=dict[int, "tuple[TypeDef, TypeDef]"])
    _old_item: str = ""
    _new_item: str = ""

    def item(self, item: WorldItem) -> WorldItem:
        """The copy of one import or export."""
        name = plain_name(item)
        name = self.renames.get(name, name)
        match item:
            case TypeDef():
                return self._typedef(item)
            case Function():
                return self._function(item, name)
            case WorldInterface(label=label) if label:
                return replace(item, label=name)
            case WorldInterface(interface=interface) if interface.inline_name:
                return replace(item, interface=self._interface(interface, name))
            case WorldInterface():
                return item

    def _interface(self, interface: Interface, name: str) -> Interface:
        self._old_item, self._new_item = interface.inline_name, name
        copy = replace(
            interface,
            name=self.new,
            inline_name=name,
            types=tuple(self._typedef(typedef) for typedef in interface.types),
            functions=tuple(self._function(function, function.name) for function in interface.functions),
        )
        self._old_item = self._new_item = ""
        return copy

    def _function(self, function: Function, name: str) -> Function:
        is_free = function.kind is FunctionKind.FREE
        types = [self.type(param.type) for param in function.params]
        result = self.optional(function.result)
        resource = function.resource if is_free or self._old_item else name
        same = result is function.result and all(t is p.type for t, p in zip(types, function.params, strict=True))
        if same and resource == function.resource and (not is_free or name == function.name):
            return function
        return replace(
            function,
            name=name if is_free else function.name,
            resource=resource,
            params=tuple(Param(param.name, type_) for param, type_ in zip(function.params, types, strict=True)),
            result=result,
        )

    def _typedef(self, typedef: TypeDef) -> TypeDef:
        if typedef.owner != self.old or typedef.owner_item not in ("", self._old_item):
            return typedef
        known = self._copies.get(id(typedef))
        if known is None:
            in_world = not typedef.owner_item
            copy = replace(
                typedef,
                name=self.renames.get(typedef.name, typedef.name) if in_world else typedef.name,
                owner=self.new,
                owner_item="" if in_world else self._new_item,
                body=self.type(typedef.body),
            )
            # The original is kept with its copy, so that its identity is not given to another object.
            known = self._copies[id(typedef)] = (typedef, copy)
        return known[1]

    def optional(self, type_: Type | None) -> Type | None:
        """The copy of a part that may be missing."""
        return None if type_ is None else self.type(type_)

    def type(self, type_: Type) -> Type:
        """The copy of a type: itself when nothing of the old world is in it."""
        match type_:
            case Primitive():
                return type_
            case TypeDef():
                return self._typedef(type_)
            case OwnType(resource):
                return OwnType(self._typedef(resource))
            case BorrowType(resource):
                return BorrowType(self._typedef(resource))
            case ListType(element):
                return ListType(self.type(element))
            case FixedListType(element, length):
                return FixedListType(self.type(element), length)
            case OptionType(payload):
                return OptionType(self.type(payload))
            case MapType(key, value):
                return MapType(self.type(key), self.type(value))
            case TupleType(items):
                return TupleType(tuple(self.type(item) for item in items))
            case ResultType(ok, err):
                return ResultType(self.optional(ok), self.optional(err))
            case StreamType(payload):
                return StreamType(self.optional(payload))
            case FutureType(payload):
                return FutureType(self.optional(payload))
            case RecordType(fields):
                return RecordType(tuple(Field(f.name, self.type(f.type), f.docs) for f in fields))
            case VariantType(cases):
                return VariantType(tuple(Case(c.name, self.optional(c.payload), c.docs) for c in cases))
            case _:
                return type_
