"""Functions, interfaces, worlds, packages and the whole Resolution.

A Resolution lists packages in topological order (a package after those it uses), each package its interfaces and worlds
in source order but each after those it uses or includes, each interface its types before their users: emitters iterate
and never search. Everything is frozen.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import UNGATED, Stability, Type, TypeDef


class FunctionKind(enum.Enum):
    """How a function relates to a resource of its interface."""

    FREE = "free"
    METHOD = "method"
    STATIC = "static"
    CONSTRUCTOR = "constructor"


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter; `name` is kebab-case. A method's first parameter is ``self: borrow<R>``."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function; `name` is the plain kebab-case label and `resource` the resource's name for the other kinds."""

    name: str
    params: tuple[Param, ...] = ()
    result: Type | None = None
    kind: FunctionKind = FunctionKind.FREE
    resource: str = ""
    is_async: bool = False
    external_id: str = ""
    docs: str = field(default="", compare=False)
    stability: Stability = field(default=UNGATED, compare=False)

    @property
    def export_name(self) -> str:
        """The name in a component: ``f``, ``[method]r.f``, ``[static]r.f`` or ``[constructor]r`` (Binary.md)."""
        match self.kind:
            case FunctionKind.FREE:
                return self.name
            case FunctionKind.CONSTRUCTOR:
                return f"[constructor]{self.resource}"
            case FunctionKind.METHOD | FunctionKind.STATIC:
                return f"[{self.kind.value}]{self.resource}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A named interface; one that stands inline in a world has its world's name and `inline_name` set.

    `written` are the functions of its text with those that a gate leaves out, empty where none is.
    """

    name: InterfaceName
    inline_name: str = ""
    types: tuple[TypeDef, ...] = ()
    functions: tuple[Function, ...] = ()
    written: tuple[Function, ...] = field(default=(), compare=False)
    docs: str = field(default="", compare=False)
    stability: Stability = field(default=UNGATED, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldInterface:
    """An interface that a world imports or exports; its key is the interface's name, the inline name or the label.

    `label` is the plain name of ``import label: path;``; `docs` are those of the statement, not of the interface.
    """

    interface: Interface
    label: str = ""
    external_id: str = ""
    docs: str = field(default="", compare=False)
    stability: Stability = field(default=UNGATED, compare=False)


WorldItem: TypeAlias = WorldInterface | Function | TypeDef


def world_key(item: WorldItem) -> str:
    """The name under which a world holds `item`: what stands in a component's import or export."""
    match item:
        case WorldInterface(interface=interface, label=label):
            return label or interface.inline_name or str(interface.name)
        case Function():
            return item.export_name
        case TypeDef(name=name):
            return name


Place: TypeAlias = tuple[bool, str]
"""An item of a world: whether it is an export, and its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What one ``include`` has copied: items of the world, each with what it is a copy of in the included world."""

    world: InterfaceName
    items: tuple[tuple[Place, Place], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where the items of a world come from, but for interfaces with a name of their own that came with others.

    What the world itself writes, its types before the others, stands as in its text: an export may come before an
    import. Then come the copies of each ``include``.
    """

    written: tuple[Place, ...]
    copied: tuple[Copied, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A world; `imports` and `exports` are complete (includes merged, used interfaces added), in declaration order.

    `origins` is None if there was no text.
    """

    name: InterfaceName
    imports: tuple[WorldItem, ...] = ()
    exports: tuple[WorldItem, ...] = ()
    origins: Origins | None = field(default=None, compare=False)
    docs: str = field(default="", compare=False)
    stability: Stability = field(default=UNGATED, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package with its interfaces and worlds in source order (files sorted by name), each after those it needs.

    `written` are the interfaces of its text with those that a gate leaves out, empty where none is.
    """

    name: PackageName
    interfaces: tuple[Interface, ...] = ()
    worlds: tuple[World, ...] = ()
    written: tuple[Interface, ...] = field(default=(), compare=False)
    docs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Everything that was read: packages in topological order, and which of them the input itself declared."""

    packages: tuple[Package, ...] = ()
    main: tuple[PackageName, ...] = ()

    def package(self, name: PackageName) -> Package | None:
        """The package of that exact name and version, or None."""
        return next((p for p in self.packages if p.name == name), None)

    def interface(self, name: InterfaceName) -> Interface | None:
        """The interface of that exact name and version, or None."""
        package = self.package(name.package)
        return next((i for i in package.interfaces if i.name == name), None) if package else None

    def world(self, name: InterfaceName) -> World | None:
        """The world of that exact name and version, or None."""
        package = self.package(name.package)
        return next((w for w in package.worlds if w.name == name), None) if package else None
