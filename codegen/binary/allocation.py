"""Makes nodes: gives them serials and keeps the limits that make every later walk cheap.

A type may be `MAX_DEPTH` deep and `MAX_SIZE` big when written out as a tree (both as in the reference validator) and
have a chain of `MAX_NAMES` names; all that a component or instance holds is limited likewise. The number of nodes is
limited, and more so that of copies made by instantiation, which alone could outgrow the binary they come from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from obelisk.codegen.binary.entities import (
    ComponentNode,
    Extern,
    FuncNode,
    InstanceNode,
    Kind,
    OpaqueNode,
    Part,
    ResourceNode,
    ValueNode,
)
from obelisk.codegen.binary.errors import MalformedBinary

MAX_DEPTH: Final = 100
MAX_SIZE: Final = 1_000_000
MAX_NAMES: Final = 100
MAX_NODES: Final = 100_000
MAX_COPIES: Final = 50_000
MAX_NESTING: Final = 50


class Allocation:
    """The nodes of one binary."""

    __slots__ = ("_copies", "_serial", "_taken")

    def __init__(self) -> None:
        self._serial = 0
        self._copies = 0
        self._taken: set[InstanceNode] = set()

    def open(self, offset: int) -> int:
        """Begin a definition: the serial from which its nodes start."""
        return self._take(offset)

    def resource(self, origin: ResourceNode | None, offset: int) -> ResourceNode:
        """A new resource type, or another name of `origin`."""
        names = 0 if origin is None else _one_more_name(origin.names, offset)
        return ResourceNode(serial=self._take(offset), names=names, origin=origin)

    def value(
        self,
        kind: Kind,
        offset: int,
        *,
        labels: Iterable[str] = (),
        parts: Iterable[Part | None] = (),
        length: int = 0,
        resource: ResourceNode | None = None,
        origin: ValueNode | None = None,
    ) -> ValueNode:
        """A value type; MalformedBinary ``too-deep`` or ``too-large`` past the limits."""
        parts = tuple(parts)
        depth = size = 1
        for part in parts:
            if isinstance(part, ValueNode):
                depth = max(depth, part.depth + 1)
                size += part.size
            else:
                size += 1
        if depth > MAX_DEPTH:
            raise MalformedBinary("too-deep", offset, f"a type is nested more than {MAX_DEPTH} deep")
        if size > MAX_SIZE:
            raise MalformedBinary("too-large", offset, f"a type has more than {MAX_SIZE} parts when written out")
        return ValueNode(
            kind=kind,
            labels=tuple(labels),
            parts=parts,
            length=length,
            resource=resource,
            origin=origin,
            serial=self._take(offset),
            depth=depth,
            size=size,
            names=0 if origin is None else _one_more_name(origin.names, offset),
        )

    def renamed(self, node: ValueNode, offset: int) -> ValueNode:
        """Another name of `node`."""
        names = _one_more_name(node.names, offset)
        return dataclasses.replace(node, origin=node, serial=self._take(offset), names=names)

    def func(
        self, params: tuple[tuple[str, Part], ...], result: Part | None, *, is_async: bool, offset: int
    ) -> FuncNode:
        """A function type."""
        size = 1 + sum(part.size for _, part in params if isinstance(part, ValueNode))
        size += result.size if isinstance(result, ValueNode) else 0
        return FuncNode(params=params, result=result, is_async=is_async, serial=self._take(offset), size=size)

    def instance(self, exports: Mapping[str, Extern], first: int, offset: int) -> InstanceNode:
        """An instance or instance type whose nodes have serials from `first`; MalformedBinary ``too-large``."""
        return InstanceNode(exports=exports, first=first, size=_total(exports, {}, offset))

    def component(
        self, imports: Mapping[str, Extern], exports: Mapping[str, Extern], first: int, offset: int
    ) -> ComponentNode:
        """A component or component type; MalformedBinary ``too-large``."""
        size = _total(exports, imports, offset)
        return ComponentNode(imports=imports, exports=exports, first=first, size=size)

    def spend(self, offset: int) -> None:
        """Count one copied node; MalformedBinary ``too-large`` when there are too many."""
        self._copies += 1
        if self._copies > MAX_COPIES:
            raise MalformedBinary("too-large", offset, f"instances make more than {MAX_COPIES} types")

    def is_first_use(self, node: InstanceNode) -> bool:
        """Whether `node` was never asked for before: its types may then be used as they are, without a copy."""
        if node in self._taken:
            return False
        self._taken.add(node)
        return True

    def _take(self, offset: int) -> int:
        self._serial += 1
        if self._serial > MAX_NODES:
            raise MalformedBinary("too-large", offset, f"there are more than {MAX_NODES} types")
        return self._serial - 1


def _total(exports: Mapping[str, Extern], imports: Mapping[str, Extern], offset: int) -> int:
    size = 1 + sum(1 if isinstance(e.entity, ResourceNode | OpaqueNode) else e.entity.size for e in exports.values())
    size += sum(1 if isinstance(e.entity, ResourceNode | OpaqueNode) else e.entity.size for e in imports.values())
    if size > MAX_SIZE:
        raise MalformedBinary("too-large", offset, f"there are more than {MAX_SIZE} types when all are written out")
    return size


def _one_more_name(names: int, offset: int) -> int:
    if names >= MAX_NAMES:
        raise MalformedBinary("too-deep", offset, f"a type has more than {MAX_NAMES} names, each for the one before")
    return names + 1
