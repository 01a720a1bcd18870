"""The arenas of the reference resolver: types, interfaces and worlds by index, and what refers to what.

`Arena` is filled by `wit_numbering` for a Resolution from text and by `wit_numbering_decoded` for one from a binary;
`wit_json` writes it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from obelisk.codegen.model.items import Function, Interface, Place, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    BorrowType,
    FutureType,
    OwnType,
    Primitive,
    ResultType,
    Stability,
    StreamType,
    Type,
    TypeDef,
    VariantType,
    parts,
)

Ref: TypeAlias = "Primitive | Slot | None"
"""What a type is referred to by: itself when primitive, None when it is missing, else its slot."""


@dataclass(eq=False, slots=True)
class Slot:
    """A place in the arena of types, of a named `typedef` or of an anonymous type; `parts` is what `body` uses."""

    body: Type
    parts: list[Ref]
    typedef: TypeDef | None
    stability: Stability
    owner: InterfaceEntry | WorldEntry | None = None
    index: int = -1


@dataclass(eq=False, slots=True)
class FunctionEntry:
    """A function with the slots of its parameters, result and resource."""

    function: Function
    params: list[Ref]
    result: Ref
    resource: Slot | None


@dataclass(eq=False, slots=True)
class InterfaceEntry:
    """An interface of the arena; `copy_of` is the inline one that an ``include`` has copied."""

    interface: Interface
    package: PackageName
    index: int = -1
    types: dict[str, Slot] = field(default_factory=dict[str, Slot])
    functions: list[FunctionEntry] = field(default_factory=list[FunctionEntry])
    copy_of: InterfaceEntry | None = None


ItemEntry: TypeAlias = "tuple[WorldInterface, InterfaceEntry] | FunctionEntry | Slot"


@dataclass(eq=False, slots=True)
class WorldEntry:
    """A world of the arena; imports and exports are in the world's order."""

    world: World
    package: PackageName
    index: int = -1
    types: dict[str, Slot] = field(default_factory=dict[str, Slot])
    imports: list[ItemEntry] = field(default_factory=list[ItemEntry])
    exports: list[ItemEntry] = field(default_factory=list[ItemEntry])
    items: dict[Place, ItemEntry] = field(default_factory=dict[Place, "ItemEntry"])


@dataclass(slots=True)
class Arena:
    """All items of a resolution in the order of their index."""

    types: list[Slot] = field(default_factory=list[Slot])
    interfaces: list[InterfaceEntry] = field(default_factory=list[InterfaceEntry])
    worlds: list[WorldEntry] = field(default_factory=list[WorldEntry])
    named: dict[InterfaceName, InterfaceEntry] = field(default_factory=dict[InterfaceName, InterfaceEntry])
    owners: dict[tuple[InterfaceName, str], InterfaceEntry | WorldEntry] = field(
        default_factory=dict[tuple[InterfaceName, str], "InterfaceEntry | WorldEntry"]
    )
    slots: dict[int, Slot] = field(default_factory=dict[int, Slot])
    """By the identity of the TypeDef."""

    def open(self, entry: InterfaceEntry) -> None:
        """Let others refer to an interface and its types."""
        interface = entry.interface
        if not interface.inline_name:
            self.named[interface.name] = entry
        self.owners[interface.name, interface.inline_name] = entry

    def slot(self, typedef: TypeDef) -> Slot:
        """The slot of a named type, also of an equal copy of one that was numbered."""
        known = self.slots.get(id(typedef))
        if known is None:
            owner = self.owners[typedef.owner, typedef.owner_item]
            known = self.slots[id(typedef)] = owner.types[typedef.name]
        return known

    def allocate(self, slot: Slot) -> None:
        """Give a type its index."""
        slot.index = len(self.types)
        self.types.append(slot)

    def add_interface(self, entry: InterfaceEntry) -> None:
        """Give an interface its index."""
        entry.index = len(self.interfaces)
        self.interfaces.append(entry)

    def add_world(self, entry: WorldEntry) -> None:
        """Give a world its index."""
        entry.index = len(self.worlds)
        self.worlds.append(entry)

    def declare(self, typedef: TypeDef, used: list[Ref], owner: InterfaceEntry | WorldEntry) -> Slot:
        """The slot, still without an index, of a type that `owner` declares."""
        slot = Slot(typedef.body, used, typedef, typedef.stability, owner)
        owner.types[typedef.name] = self.slots[id(typedef)] = slot
        return slot

    def part_refs(self, body: Type, ref: Callable[[Type], Ref]) -> list[Ref]:
        """What the kind of a type refers to, with `ref` for the types inside; a handle refers to its resource."""
        optional: tuple[Type | None, ...]
        match body:
            case Primitive() | TypeDef():
                return [ref(body)]
            case OwnType(resource) | BorrowType(resource):
                return [self.slot(resource)]
            case ResultType(ok, err):
                optional = (ok, err)
            case StreamType(payload) | FutureType(payload):
                optional = (payload,)
            case VariantType(cases):
                optional = tuple(case.payload for case in cases)
            case _:
                optional = parts(body)
        return [None if part is None else ref(part) for part in optional]
