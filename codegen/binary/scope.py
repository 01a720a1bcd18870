"""Index spaces: what the numbers in one component, component type or instance type refer to (Binary.md "Alias …").

Core sorts and values are not kept, as no type depends on them. Every look-up raises `MalformedBinary` ``bad-index`` at
the offset of the number.
"""

from __future__ import annotations

from typing import TypeVar

from obelisk.codegen.binary.allocation import MAX_NESTING, Allocation
from obelisk.codegen.binary.copying import Copier
from obelisk.codegen.binary.entities import (
    OPAQUE,
    ComponentNode,
    Entity,
    Extern,
    ExternName,
    FuncNode,
    InstanceNode,
    OpaqueNode,
    ResourceNode,
    Sort,
    TypeNode,
    ValueNode,
)
from obelisk.codegen.binary.errors import MalformedBinary

T = TypeVar("T")


class Scope:
    """The index spaces, imports and exports of a component or type while it is read."""

    __slots__ = ("allocation", "components", "exports", "first", "funcs", "imports", "instances", "parent", "types")

    def __init__(self, allocation: Allocation, parent: Scope | None, offset: int) -> None:
        self.allocation = allocation
        self.parent = parent
        self.first = allocation.open(offset)
        self.types: list[TypeNode] = []
        self.funcs: list[FuncNode] = []
        self.instances: list[InstanceNode] = []
        self.components: list[ComponentNode] = []
        self.imports: dict[str, Extern] = {}
        self.exports: dict[str, Extern] = {}
        nesting = 0
        while parent is not None:
            nesting, parent = nesting + 1, parent.parent
        if nesting > MAX_NESTING:
            raise MalformedBinary("too-deep", offset, f"components are nested more than {MAX_NESTING} deep")

    def outer(self, count: int, offset: int) -> Scope:
        """The scope `count` steps outward."""
        scope = self
        for _ in range(count):
            if scope.parent is None:
                raise MalformedBinary("bad-index", offset, f"there are no {count} enclosing components or types")
            scope = scope.parent
        return scope

    def type_node(self, index: int, offset: int) -> TypeNode:
        """The type of any kind at `index`."""
        return _at(self.types, index, offset, "type")

    def value_type(self, index: int, offset: int) -> ValueNode:
        """The value type at `index`."""
        return self._of(ValueNode, index, offset, "value type")

    def resource(self, index: int, offset: int) -> ResourceNode:
        """The resource type at `index`."""
        return self._of(ResourceNode, index, offset, "resource type")

    def func_type(self, index: int, offset: int) -> FuncNode:
        """The function type at `index`."""
        return self._of(FuncNode, index, offset, "function type")

    def instance_type(self, index: int, offset: int) -> InstanceNode:
        """The instance type at `index`."""
        return self._of(InstanceNode, index, offset, "instance type")

    def component_type(self, index: int, offset: int) -> ComponentNode:
        """The component type at `index`."""
        return self._of(ComponentNode, index, offset, "component type")

    def instance(self, index: int, offset: int) -> InstanceNode:
        """The instance at `index`."""
        return _at(self.instances, index, offset, "instance")

    def component(self, index: int, offset: int) -> ComponentNode:
        """The component at `index`."""
        return _at(self.components, index, offset, "component")

    def item(self, sort: Sort, index: int, offset: int) -> Entity:
        """What a `sortidx` refers to; OPAQUE for the sorts that are not kept."""
        match sort:
            case Sort.FUNC:
                return _at(self.funcs, index, offset, "function")
            case Sort.TYPE:
                return self.type_node(index, offset)
            case Sort.INSTANCE:
                return self.instance(index, offset)
            case Sort.COMPONENT:
                return self.component(index, offset)
            case Sort.VALUE | Sort.CORE:
                return OPAQUE

    def push(self, entity: Entity, sort: Sort) -> None:
        """Give `entity` the next index of its sort."""
        if sort is Sort.TYPE:
            assert isinstance(entity, ValueNode | ResourceNode | FuncNode | InstanceNode | ComponentNode)
            self.types.append(entity)
        elif isinstance(entity, FuncNode):
            self.funcs.append(entity)
        elif isinstance(entity, InstanceNode):
            self.instances.append(entity)
        elif isinstance(entity, ComponentNode):
            self.components.append(entity)

    def rename(self, node: TypeNode, offset: int) -> TypeNode:
        """The node that an import or export with the bound ``eq node`` makes."""
        if isinstance(node, ValueNode):
            return self.allocation.renamed(node, offset)
        if isinstance(node, ResourceNode):
            return self.allocation.resource(node, offset)
        return node

    def opened(self, node: InstanceNode, offset: int) -> InstanceNode:
        """An instance of type `node`: with types of its own."""
        if node.first >= self.first and self.allocation.is_first_use(node):
            return node
        return Copier(self.allocation, node.first, offset).instance(node)

    def add_import(self, extern: Extern) -> None:
        """Declare an import: its name is kept and what it makes gets an index."""
        _declare(self.imports, extern, "import")
        self.push(extern.entity, extern.sort)

    def add_export(self, extern: Extern) -> None:
        """Declare an export: its name is kept and what it makes gets an index."""
        _declare(self.exports, extern, "export")
        self.push(extern.entity, extern.sort)

    def _of(self, kind: type[T], index: int, offset: int, what: str) -> T:
        node = self.type_node(index, offset)
        if not isinstance(node, kind):
            raise MalformedBinary("bad-index", offset, f"type {index} is not a {what}")
        return node


def find_export(instance: InstanceNode, name: str, sort: Sort, offset: int) -> Extern:
    """The export of `instance` that an alias names."""
    extern = instance.exports.get(name)
    if extern is None or extern.sort is not sort:
        raise MalformedBinary("bad-index", offset, f"the instance exports no {sort.value} {name!r}")
    return extern


def declare(externs: dict[str, Extern], name: ExternName, sort: Sort, entity: Entity) -> None:
    """Add an inline export to `externs`."""
    referenced = None if sort is not Sort.TYPE or isinstance(entity, OpaqueNode) else entity
    _declare(externs, Extern(name=name, sort=sort, entity=entity, referenced=referenced), "export")


def _at(items: list[T], index: int, offset: int, what: str) -> T:
    if index >= len(items):
        raise MalformedBinary("bad-index", offset, f"there is no {what} {index}")
    return items[index]


def _declare(externs: dict[str, Extern], extern: Extern, what: str) -> None:
    name = extern.name
    if name.text in externs:
        raise MalformedBinary("duplicate-name", name.offset, f"{what} {name.text!r} is declared twice")
    externs[name.text] = extern
