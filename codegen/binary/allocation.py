"""Makes nodes: gives them serials and keeps the limits that make every later walk cheap.

A type may be `MAX_DEPTH` deep and `MAX_SIZE` big when written out as a tree (both as in the reference validator) and
have a chain of `MAX_NAMES` names. Copies made by instantiation are limited as a whole, since they alone could outgrow
the binary they come from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from obelisk.codegen.binary.entities import FuncNode, InstanceNode, Kind, Part, ResourceNode, ValueNode
from obelisk.codegen.binary.errors import MalformedBinary

MAX_DEPTH: Final = 100
MAX_SIZE: Final = 1_000_000
MAX_NAMES: Final = 100
MAX_COPIES: Final = 500_000
MAX_NESTING: Final = 50


class Allocation:
    """The nodes of one binary."""

    __slots__ = ("_copies", "_serial", "_taken")

    def __init__(self) -> None:
        self._serial = 0
        self._copies = 0
        self._taken: set[InstanceNode] = set()

    @property
    def next_serial(self) -> int:
        """The serial that the next node will have."""
        return self._serial

    def resource(self, origin: ResourceNode | None, offset: int) -> ResourceNode:
        """A new resource type, or another name of `origin`."""
        names = 0 if origin is None else _one_more_name(origin.names, offset)
        return ResourceNode(serial=self._take(), names=names, origin=origin)

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
            serial=self._take(),
            depth=depth,
            size=size,
            names=0 if origin is None else _one_more_name(origin.names, offset),
        )

    def renamed(self, node: ValueNode, offset: int) -> ValueNode:
        """Another name of `node`."""
        names = _one_more_name(node.names, offset)
        return dataclasses.replace(node, origin=node, serial=self._take(), names=names)

    def func(self, params: tuple[tuple[str, Part], ...], result: Part | None, is_async: bool) -> FuncNode:
        """A function type."""
        return FuncNode(params=params, result=result, is_async=is_async, serial=self._take())

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

    def _take(self) -> int:
        self._serial += 1
        return self._serial - 1


def _one_more_name(names: int, offset: int) -> int:
    if names >= MAX_NAMES:
        raise MalformedBinary("too-deep", offset, f"a type has more than {MAX_NAMES} names, each for the one before")
    return names + 1
