"""Numbers the types, interfaces and worlds of a Resolution in the order in which the reference resolver does.

The reference keeps everything in arenas and its JSON refers to items by index. Per package it makes the named
interfaces' types, the anonymous parts of a type before it and each anonymous type once per package, then the worlds'
types and inline interfaces, and an ``own`` handle where a resource is first used by its bare name. `build` repeats that
as far as a Resolution tells: the order between imports and exports of one world is not kept there.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from obelisk.codegen.model.items import Function, FunctionKind, Interface, Package, Resolution, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import (
    UNGATED,
    BorrowType,
    FixedListType,
    FutureType,
    OwnType,
    Primitive,
    ResourceType,
    ResultType,
    Stability,
    StreamType,
    Type,
    TypeDef,
    VariantType,
    parts,
    unalias,
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
    """An interface of the arena."""

    interface: Interface
    package: PackageName
    index: int = -1
    types: dict[str, Slot] = field(default_factory=dict[str, Slot])
    functions: list[FunctionEntry] = field(default_factory=list[FunctionEntry])


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

    def slot(self, typedef: TypeDef) -> Slot:
        """The slot of a named type, also of an equal copy of one that was numbered."""
        known = self.slots.get(id(typedef))
        if known is None:
            owner = self.owners[typedef.owner, typedef.owner_item]
            known = self.slots[id(typedef)] = owner.types[typedef.name]
        return known


def build(resolution: Resolution) -> Arena:
    """Number everything in `resolution`."""
    arena = Arena()
    for package in resolution.packages:
        _Numbering(arena, package.name).package(package)
    return arena


class _Numbering:
    """Numbers one package."""

    def __init__(self, arena: Arena, package: PackageName) -> None:
        self._arena = arena
        self._name = package
        self._slots: list[Slot] = []
        self._anonymous: dict[Hashable, Slot] = {}
        self._own: dict[Slot, Slot] = {}

    def package(self, package: Package) -> None:
        interfaces = [self._interface(i) for i in package.interfaces]
        worlds: list[WorldEntry] = []
        for world in package.worlds:
            entry, inline = self._world(world)
            worlds.append(entry)
            interfaces += inline
        for slot in self._slots:
            if isinstance(slot.body, OwnType | BorrowType | TypeDef):
                self._allocate(slot)
            else:
                slot.parts = [self._used(part) for part in slot.parts]
                self._allocate(slot)
        for interface in interfaces:
            interface.index = len(self._arena.interfaces)
            self._arena.interfaces.append(interface)
            self._finish_functions(interface.functions)
        for world_entry in worlds:
            world_entry.index = len(self._arena.worlds)
            self._arena.worlds.append(world_entry)
            items = (e for e in world_entry.imports + world_entry.exports if isinstance(e, FunctionEntry))
            self._finish_functions(sorted(items, key=lambda entry: entry.resource is None))

    def _allocate(self, slot: Slot) -> None:
        slot.index = len(self._arena.types)
        self._arena.types.append(slot)

    def _finish_functions(self, functions: Iterable[FunctionEntry]) -> None:
        for entry in functions:
            entry.params = [self._used(param) for param in entry.params]
            entry.result = self._used(entry.result)

    def _used(self, ref: Ref) -> Ref:
        """`ref` where a value of it is meant: a resource's name then stands for a handle that owns it."""
        if not isinstance(ref, Slot) or not isinstance(unalias(ref.body), ResourceType):
            return ref
        handle = self._own.get(ref)
        if handle is None:
            assert ref.typedef is not None
            handle = self._own[ref] = Slot(OwnType(ref.typedef), [ref], None, UNGATED)
            self._allocate(handle)
        return handle

    # --- declarations -------------------------------------------------------------------------------------------------
    def _interface(self, interface: Interface) -> InterfaceEntry:
        entry = InterfaceEntry(interface, self._name)
        if not interface.inline_name:
            self._arena.named[interface.name] = entry
        self._arena.owners[interface.name, interface.inline_name] = entry
        for typedef in interface.types:
            self._typedef(typedef, entry)
        entry.functions = [self._function(f, entry.types) for f in interface.functions]
        return entry

    def _world(self, world: World) -> tuple[WorldEntry, list[InterfaceEntry]]:
        entry = WorldEntry(world, self._name)
        self._arena.owners[world.name, ""] = entry
        inline: list[InterfaceEntry] = []
        for item in world.imports + world.exports:
            if isinstance(item, TypeDef):
                self._typedef(item, entry)
        # A resource and its functions are one declaration, which usually comes before the imports that use it.
        functions = {
            id(item): self._function(item, entry.types)
            for item in world.imports
            if isinstance(item, Function) and item.kind is not FunctionKind.FREE
        }
        for items, entries in ((world.imports, entry.imports), (world.exports, entry.exports)):
            for item in items:
                match item:
                    case TypeDef():
                        entries.append(self._arena.slot(item))
                    case Function():
                        entries.append(functions.get(id(item)) or self._function(item, entry.types))
                    case WorldInterface(interface=interface) if interface.inline_name:
                        inline.append(self._interface(interface))
                        entries.append((item, inline[-1]))
                    case WorldInterface(interface=interface):
                        entries.append((item, self._arena.named[interface.name]))
        return entry, inline

    def _typedef(self, typedef: TypeDef, owner: InterfaceEntry | WorldEntry) -> None:
        body = typedef.body
        match body:
            case Primitive() | TypeDef():
                used = [self._ref(body, typedef.stability)]
            case _:
                used = self._parts(body, typedef.stability)
        slot = Slot(body, used, typedef, typedef.stability)
        self._slots.append(slot)
        owner.types[typedef.name] = self._arena.slots[id(typedef)] = slot

    def _function(self, function: Function, types: dict[str, Slot]) -> FunctionEntry:
        return FunctionEntry(
            function,
            [self._ref(param.type, UNGATED) for param in function.params],
            None if function.result is None else self._ref(function.result, UNGATED),
            None if function.kind is FunctionKind.FREE else types[function.resource],
        )

    # --- references ---------------------------------------------------------------------------------------------------
    def _ref(self, type_: Type, stability: Stability) -> Ref:
        match type_:
            case Primitive():
                return type_
            case TypeDef():
                return self._arena.slot(type_)
            case OwnType(resource):
                return self._arena.slot(resource)
            case _:
                used = self._parts(type_, stability)
                key = (type(type_), tuple(used), type_.length if isinstance(type_, FixedListType) else 0)
                slot = self._anonymous.get(key)
                if slot is None:
                    slot = self._anonymous[key] = Slot(type_, used, None, _inherited(stability, used))
                    self._slots.append(slot)
                return slot

    def _parts(self, type_: Type, stability: Stability) -> list[Ref]:
        match type_:
            case OwnType(resource) | BorrowType(resource):
                return [self._arena.slot(resource)]
            case ResultType(ok, err):
                return [self._optional(ok, stability), self._optional(err, stability)]
            case StreamType(payload) | FutureType(payload):
                return [self._optional(payload, stability)]
            case VariantType(cases):
                return [self._optional(case.payload, stability) for case in cases]
            case _:
                return [self._ref(part, stability) for part in parts(type_)]

    def _optional(self, type_: Type | None, stability: Stability) -> Ref:
        return None if type_ is None else self._ref(type_, stability)


def _inherited(stability: Stability, used: list[Ref]) -> Stability:
    """An anonymous type has the gates of the type that it is written in, or else of the first gated part."""
    if stability != UNGATED:
        return stability
    gates = (ref.stability for ref in used if isinstance(ref, Slot))
    return next((s for s in gates if s != UNGATED), UNGATED)
