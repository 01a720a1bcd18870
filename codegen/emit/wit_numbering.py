"""Numbers a Resolution that was read from text, in the order in which the reference resolver does.

Per package the reference makes the named interfaces' types, the anonymous parts of a type before it and each anonymous
type once per package, then the worlds' types and inline interfaces, and an ``own`` handle where a resource is first
used by its bare name. What came into a world through ``include`` is a copy, numbered after what the world writes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeAlias

from obelisk.codegen.emit.wit_arena import Arena, FunctionEntry, InterfaceEntry, ItemEntry, Ref, Slot, WorldEntry
from obelisk.codegen.model.items import (
    Function,
    FunctionKind,
    Interface,
    Package,
    Resolution,
    World,
    WorldInterface,
    WorldItem,
    world_key,
)
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import (
    UNGATED,
    BorrowType,
    FixedListType,
    OwnType,
    Primitive,
    ResourceType,
    Stability,
    Type,
    TypeDef,
    unalias,
)

_Places: TypeAlias = dict[tuple[bool, str], WorldItem]
"""Items of a world by side (exports are True) and key."""


def number(resolution: Resolution) -> Arena:
    """Number everything in `resolution`."""
    arena = Arena()
    for package in resolution.packages:
        _Package(arena, package.name).add(package)
    return arena


class _Package:
    """Numbers one package: `_slots` collects its types in order before handles come between them."""

    def __init__(self, arena: Arena, package: PackageName) -> None:
        self._arena = arena
        self._name = package
        self._slots: list[Slot] = []
        self._anonymous: dict[Hashable, Slot] = {}
        self._own: dict[Slot, Slot] = {}

    def add(self, package: Package) -> None:
        interfaces = [self._interface(i) for i in package.interfaces]
        worlds: list[WorldEntry] = []
        for world in package.worlds:
            entry, inline = self._world(world)
            worlds.append(entry)
            interfaces += inline
        for slot in self._slots:
            if not isinstance(slot.body, OwnType | BorrowType | TypeDef):
                slot.parts = [self._used(part) for part in slot.parts]
            self._arena.allocate(slot)
        for interface in interfaces:
            self._arena.add_interface(interface)
            self._finish(interface.functions)
        for world_entry in worlds:
            self._arena.add_world(world_entry)
            functions = (e for e in world_entry.imports + world_entry.exports if isinstance(e, FunctionEntry))
            self._finish(sorted(functions, key=lambda entry: entry.resource is None))

    def _finish(self, functions: Iterable[FunctionEntry]) -> None:
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
            self._arena.allocate(handle)
        return handle

    # --- declarations -------------------------------------------------------------------------------------------------
    def _interface(self, interface: Interface) -> InterfaceEntry:
        entry = InterfaceEntry(interface, self._name)
        self._arena.open(entry)
        for typedef in interface.types:
            self._typedef(typedef, entry)
        entry.functions = [self._function(f, entry.types) for f in interface.functions]
        return entry

    def _world(self, world: World) -> tuple[WorldEntry, list[InterfaceEntry]]:
        entry = WorldEntry(world, self._name)
        self._arena.owners[world.name, ""] = entry
        inline: list[InterfaceEntry] = []
        found: dict[tuple[bool, str], ItemEntry] = {}
        written, *copies = _in_order(world)
        self._items(written, entry, inline, found)
        own = self._anonymous
        for copied in copies:
            self._anonymous = {}
            self._items(copied, entry, inline, found)
        self._anonymous = own
        entry.imports = [found[False, world_key(item)] for item in world.imports]
        entry.exports = [found[True, world_key(item)] for item in world.exports]
        return entry, inline

    def _items(
        self, items: _Places, entry: WorldEntry, inline: list[InterfaceEntry], found: dict[tuple[bool, str], ItemEntry]
    ) -> None:
        for place, item in items.items():
            match item:
                case TypeDef():
                    self._typedef(item, entry)
                    found[place] = self._arena.slot(item)
                case Function():
                    found[place] = self._function(item, entry.types)
                case WorldInterface(interface=interface) if interface.inline_name:
                    inline.append(self._interface(interface))
                    found[place] = (item, inline[-1])
                case WorldInterface(interface=interface):
                    found[place] = (item, self._arena.named[interface.name])

    def _typedef(self, typedef: TypeDef, owner: InterfaceEntry | WorldEntry) -> None:
        used = self._arena.part_refs(typedef.body, lambda part: self._ref(part, typedef.stability))
        self._slots.append(self._arena.declare(typedef, used, owner))

    def _function(self, function: Function, types: dict[str, Slot]) -> FunctionEntry:
        return FunctionEntry(
            function,
            [self._ref(param.type, UNGATED) for param in function.params],
            None if function.result is None else self._ref(function.result, UNGATED),
            None if function.kind is FunctionKind.FREE else types[function.resource],
        )

    def _ref(self, type_: Type, stability: Stability) -> Ref:
        match type_:
            case Primitive():
                return type_
            case TypeDef():
                return self._arena.slot(type_)
            case OwnType(resource):
                return self._arena.slot(resource)
            case _:
                used = self._arena.part_refs(type_, lambda part: self._ref(part, stability))
                key = (type(type_), tuple(used), type_.length if isinstance(type_, FixedListType) else 0)
                slot = self._anonymous.get(key)
                if slot is None:
                    slot = self._anonymous[key] = Slot(type_, used, None, _inherited(stability, used))
                    self._slots.append(slot)
                return slot


def _in_order(world: World) -> list[_Places]:
    """The items in the groups of `World.origins`; what is in none of them (interfaces that others need) comes last.

    Without a text, types come first, then each resource's functions: they are one declaration.
    """
    items: _Places = {(False, world_key(item)): item for item in world.imports}
    items |= {(True, world_key(item)): item for item in world.exports}
    if world.origins is None:
        return [dict(sorted(items.items(), key=lambda pair: _rank(pair[1])))]
    groups = [{place: items.pop(place) for place in group if place in items} for group in world.origins]
    return [*groups, items]


def _rank(item: WorldItem) -> int:
    match item:
        case TypeDef():
            return 0
        case Function(kind=kind) if kind is not FunctionKind.FREE:
            return 1
        case _:
            return 2


def _inherited(stability: Stability, used: list[Ref]) -> Stability:
    """An anonymous type has the gates of the type that it is written in, or else of the first gated part."""
    if stability != UNGATED:
        return stability
    gates = (ref.stability for ref in used if isinstance(ref, Slot))
    return next((s for s in gates if s != UNGATED), UNGATED)
