"""What a component is made of, as far as types go: a graph of nodes with identity.

Two resource types are the same only when they are the same node, and an import or export of a type makes a new node
whose `origin` is the old one (Explainer.md "Type definitions", "Import and export definitions"). Value types keep their
shape in every node; `origin` says of what they are another name. Nodes compare by identity and never change.

`serial` orders nodes by creation: everything that a component or instance type defines has a serial of at least its
`first`. That is how a copy knows what belongs to it (see `copying`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from obelisk.codegen.model.types import Primitive


class Kind(enum.Enum):
    """The constructor of a value type."""

    PRIMITIVE = "primitive"
    RECORD = "record"
    VARIANT = "variant"
    LIST = "list"
    FIXED_LIST = "fixed-length list"
    MAP = "map"
    TUPLE = "tuple"
    FLAGS = "flags"
    ENUM = "enum"
    OPTION = "option"
    RESULT = "result"
    OWN = "own"
    BORROW = "borrow"
    STREAM = "stream"
    FUTURE = "future"


class Sort(enum.Enum):
    """What an import, export or alias is."""

    FUNC = "func"
    TYPE = "type"
    INSTANCE = "instance"
    COMPONENT = "component"
    VALUE = "value"
    CORE = "core"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResourceNode:
    """A resource type; `names` counts those on its way to the first one."""

    serial: int
    names: int = 0
    origin: ResourceNode | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueNode:
    """A value type: `labels` of fields, cases or flags; `parts` in their order, None for a missing payload.

    `length` is a fixed-length list's, `resource` a handle's. `depth` and `size` are those of the whole tree, names not
    counted; `names` counts the names on the way to the first one.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    parts: tuple[Part | None, ...] = ()
    length: int = 0
    resource: ResourceNode | None = None
    origin: ValueNode | None = None
    serial: int
    depth: int
    size: int
    names: int = 0


Part: TypeAlias = Primitive | ValueNode


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FuncNode:
    """A function type."""

    params: tuple[tuple[str, Part], ...]
    result: Part | None
    is_async: bool
    serial: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InstanceNode:
    """An instance or its type: what it exports. `size` is that of all types in it when written out."""

    exports: Mapping[str, Extern]
    first: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ComponentNode:
    """A component or its type."""

    imports: Mapping[str, Extern]
    exports: Mapping[str, Extern]
    first: int
    size: int


@dataclass(frozen=True, slots=True, eq=False)
class OpaqueNode:
    """Something that WIT does not speak of: a core module, a value."""


OPAQUE = OpaqueNode()

TypeNode: TypeAlias = ValueNode | ResourceNode | FuncNode | InstanceNode | ComponentNode
Entity: TypeAlias = TypeNode | OpaqueNode


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternName:
    """The name of an import or export with its attributes, and where in the binary it stands."""

    text: str
    implements: str = ""
    version_suffix: str = ""
    external_id: str = ""
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extern:
    """An import or export. For a type, `entity` is the node it makes and `referenced` the one it was made from."""

    name: ExternName
    sort: Sort
    entity: Entity
    referenced: TypeNode | None = None
