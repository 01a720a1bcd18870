"""From nodes to the types and functions of the resolved model.

The first name under which a type becomes visible declares it; every later name of the same type is an alias of that
one, which is what `use` and ``type a = b`` look like in a binary (WIT.md "Package Format"). Types without a name are
written out where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable

from obelisk.codegen.binary.entities import Extern, FuncNode, Kind, Part, ResourceNode, TypeNode, ValueNode
from obelisk.codegen.binary.errors import MalformedBinary
from obelisk.codegen.binary.extern_names import function_name, label
from obelisk.codegen.binary.interface_draft import Draft
from obelisk.codegen.binary.package_docs import ItemDocs, TypeDocs
from obelisk.codegen.model.items import Function, FunctionKind, Param
from obelisk.codegen.model.names import is_label
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

_NAMED_ONLY = (Kind.RECORD, Kind.VARIANT, Kind.ENUM, Kind.FLAGS)


class TypeConverter:
    """Knows which node is which named type; `known` grows with every type that is defined."""

    __slots__ = ("_anonymous", "_shadowed", "known")

    def __init__(self) -> None:
        self.known: dict[TypeNode, TypeDef] = {}
        self._anonymous: dict[TypeNode, Type] = {}
        self._shadowed: list[tuple[TypeNode, TypeDef]] = []

    def bind(self, node: TypeNode, typedef: TypeDef) -> None:
        """Let `node` mean `typedef` from here on, until `unshadow` when it meant something before."""
        before = self.known.get(node)
        if before is not None and before is not typedef:
            self._shadowed.append((node, before))
            self._anonymous.clear()
        self.known[node] = typedef

    def unshadow(self) -> None:
        """End of an interface: what was bound a second time means again what it meant outside."""
        while self._shadowed:
            node, before = self._shadowed.pop()
            self.known[node] = before
            self._anonymous.clear()

    def define(self, extern: Extern, draft: Draft, docs: TypeDocs) -> TypeDef:
        """The TypeDef that the export or import of a type declares in `draft`."""
        name = label(extern.name, "a type")
        node = extern.referenced
        if not isinstance(node, ValueNode | ResourceNode):
            raise MalformedBinary("not-in-wit", extern.name.offset, f"{name!r} is no value or resource type")
        # What an instance that is exported once more holds is known itself, not only what it was made from.
        known = self._find(extern.entity) if isinstance(extern.entity, ValueNode | ResourceNode) else None
        return TypeDef(
            name=name,
            owner=draft.name,
            owner_item=draft.inline_name,
            body=known or self._find(node) or self._body(node, docs, extern.name.offset),
            external_id=extern.name.external_id,
            docs=docs.text,
            stability=docs.gates,
        )

    def function(self, extern: Extern, draft: Draft, docs: ItemDocs) -> Function:
        """The function that `extern` is in `draft`."""
        offset = extern.name.offset
        name = function_name(extern.name)
        node = extern.entity
        assert isinstance(node, FuncNode)
        if name.resource and name.resource not in draft.types:
            raise MalformedBinary("not-in-wit", offset, f"{extern.name.text!r} is of no resource {name.resource!r}")
        _check_labels((param for param, _ in node.params), offset)
        return Function(
            name=name.name,
            params=tuple(Param(param, self._part(part, offset)) for param, part in node.params),
            result=None if node.result is None else self._part(node.result, offset),
            kind=name.kind,
            resource=name.resource if name.kind is not FunctionKind.FREE else "",
            is_async=node.is_async or extern.name.text.startswith("[async"),
            external_id=extern.name.external_id,
            docs=docs.text,
            stability=docs.gates,
        )

    def _find(self, node: TypeNode) -> TypeDef | None:
        current: TypeNode | None = node
        while current is not None:
            known = self.known.get(current)
            if known is not None:
                return known
            current = current.origin if isinstance(current, ValueNode | ResourceNode) else None
        return None

    def _part(self, part: Part, offset: int) -> Type:
        if isinstance(part, Primitive):
            return part
        named = self._find(part)
        if named is not None:
            return named
        known = self._anonymous.get(part)
        if known is None:
            if part.kind in _NAMED_ONLY:
                raise MalformedBinary("not-in-wit", offset, f"a {part.kind.value} is used that has no name")
            known = self._anonymous[part] = self._body(part, TypeDocs(), offset)
        return known

    def _body(self, node: ValueNode | ResourceNode, docs: TypeDocs, offset: int) -> Type:
        if isinstance(node, ResourceNode):
            return ResourceType()
        items = docs.items
        _check_labels(node.labels, offset)
        parts = [None if part is None else self._part(part, offset) for part in node.parts]
        named = zip(node.labels, parts, strict=False)
        match node.kind:
            case Kind.RECORD:
                return RecordType(tuple(Field(n, _some(p), items.get(n, "")) for n, p in named))
            case Kind.VARIANT:
                return VariantType(tuple(Case(n, p, items.get(n, "")) for n, p in named))
            case Kind.ENUM:
                return EnumType(tuple(Label(n, items.get(n, "")) for n in node.labels))
            case Kind.FLAGS:
                return FlagsType(tuple(Label(n, items.get(n, "")) for n in node.labels))
            case Kind.OWN | Kind.BORROW:
                assert node.resource is not None
                resource = self._find(node.resource)
                if resource is None:
                    raise MalformedBinary("not-in-wit", offset, "a handle is used whose resource has no name")
                return OwnType(resource) if node.kind is Kind.OWN else BorrowType(resource)
            case _:
                return _compose(node, parts)


def _check_labels(names: Iterable[str], offset: int) -> None:
    for name in names:
        if not is_label(name):
            raise MalformedBinary("not-in-wit", offset, f"WIT has no name {name[:200]!r}")


def _some(part: Type | None) -> Type:
    assert part is not None
    return part


def _compose(node: ValueNode, parts: list[Type | None]) -> Type:
    match node.kind, parts:
        case Kind.TUPLE, _:
            return TupleType(tuple(_some(p) for p in parts))
        case Kind.RESULT, [ok, err]:
            return ResultType(ok, err)
        case Kind.STREAM, [item]:
            return StreamType(item)
        case Kind.FUTURE, [item]:
            return FutureType(item)
        case Kind.MAP, [key, value]:
            return MapType(_some(key), _some(value))
        case Kind.LIST, [element]:
            return ListType(_some(element))
        case Kind.FIXED_LIST, [element]:
            return FixedListType(_some(element), node.length)
        case Kind.OPTION, [payload]:
            return OptionType(_some(payload))
        case _:
            return _some(parts[0])
