"""Copies of types: what importing an instance twice, or instantiating a component, makes.

An instance of a type has resource types of its own; instantiating a component also puts the types given to its imports
in the place of those it imports (Explainer.md "Instance definitions"). A copy takes over every node that the copied
definition itself made, that is, of serial `first` or above; what it refers to outside stays the same node.
"""

from __future__ import annotations

import dataclasses
from typing import cast

from obelisk.codegen.binary.allocation import Allocation
from obelisk.codegen.binary.entities import (
    ComponentNode,
    Entity,
    Extern,
    FuncNode,
    InstanceNode,
    OpaqueNode,
    Part,
    ResourceNode,
    Sort,
    TypeNode,
    ValueNode,
)
from obelisk.codegen.binary.errors import MalformedBinary


class Copier:
    """Copies nodes of serial `first` and above, each once; `offset` is where errors are put."""

    __slots__ = ("_allocation", "_first", "_known", "_offset")

    def __init__(self, allocation: Allocation, first: int, offset: int) -> None:
        self._allocation = allocation
        self._first = first
        self._offset = offset
        self._known: dict[TypeNode, TypeNode] = {}

    def supply(self, expected: Extern, actual: Entity) -> None:
        """Let the types of `actual` stand for those that the import `expected` makes."""
        self._allocation.spend(self._offset)
        entity = expected.entity
        if isinstance(entity, InstanceNode) and isinstance(actual, InstanceNode):
            for name, extern in entity.exports.items():
                given = actual.exports.get(name)
                if given is None or given.sort is not extern.sort:
                    message = f"the instance given for {expected.name.text!r} exports no {extern.sort.value} {name!r}"
                    raise MalformedBinary("bad-index", self._offset, message)
                self.supply(extern, given.entity)
        elif type(entity) is not type(actual):
            message = f"what is given for {expected.name.text!r} is of another kind"
            raise MalformedBinary("bad-index", self._offset, message)
        elif expected.sort is Sort.TYPE:
            self._known[cast(TypeNode, entity)] = cast(TypeNode, actual)

    def instance(self, node: InstanceNode) -> InstanceNode:
        """A copy of an instance or instance type."""
        if node.first < self._first:
            return node
        known = self._known.get(node)
        if known is None:
            first = self._allocation.open(self._offset)
            exports = self.externs(node.exports)
            known = self._known[node] = self._allocation.instance(exports, first, self._offset)
        return cast(InstanceNode, known)

    def externs(self, externs: object) -> dict[str, Extern]:
        """Copies of imports or exports."""
        return {name: self._extern(extern) for name, extern in cast("dict[str, Extern]", externs).items()}

    def _extern(self, extern: Extern) -> Extern:
        self._allocation.spend(self._offset)
        referenced = None if extern.referenced is None else self._type(extern.referenced)
        entity = extern.entity
        return dataclasses.replace(
            extern,
            entity=entity if isinstance(entity, OpaqueNode) else self._type(entity),
            referenced=referenced,
        )

    def _type(self, node: TypeNode) -> TypeNode:
        known = self._known.get(node)
        if known is not None:
            return known
        match node:
            case InstanceNode():
                return self.instance(node)
            case ComponentNode():
                copy: TypeNode = self._component(node)
            case ValueNode() | ResourceNode() | FuncNode() if node.serial < self._first:
                return node
            case ValueNode():
                copy = self._value(node)
            case ResourceNode(origin=origin):
                origin = None if origin is None else cast(ResourceNode, self._type(origin))
                copy = self._allocation.resource(origin, self._offset)
            case FuncNode(params=params, result=result):
                copy = self._allocation.func(
                    tuple((name, cast(Part, self._part(part))) for name, part in params),
                    self._part(result),
                    is_async=node.is_async,
                    offset=self._offset,
                )
        self._allocation.spend(self._offset)
        self._known[node] = copy
        return copy

    def _component(self, node: ComponentNode) -> ComponentNode:
        if node.first < self._first:
            return node
        first = self._allocation.open(self._offset)
        imports, exports = self.externs(node.imports), self.externs(node.exports)
        return self._allocation.component(imports, exports, first, self._offset)

    def _value(self, node: ValueNode) -> ValueNode:
        return self._allocation.value(
            node.kind,
            self._offset,
            labels=node.labels,
            parts=[self._part(part) for part in node.parts],
            length=node.length,
            resource=None if node.resource is None else cast(ResourceNode, self._type(node.resource)),
            origin=None if node.origin is None else cast(ValueNode, self._type(node.origin)),
        )

    def _part(self, part: Part | None) -> Part | None:
        return cast(Part, self._type(part)) if isinstance(part, ValueNode) else part
