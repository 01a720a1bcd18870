"""Numbers a Resolution that was read from text, in the order in which the reference resolver does.

Per package the reference makes the named interfaces' types, the anonymous parts of a type before it and each anonymous
type once per package, then the worlds' types and inline interfaces, and an ``own`` handle where a resource is first
used by its bare name. Copies of what worlds include come last (`wit_copies`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterable, Mapping

from obelisk.codegen.emit.wit_arena import Arena, FunctionEntry, InterfaceEntry, Ref, Slot, WorldEntry
from obelisk.codegen.emit.wit_copies import include
from obelisk.codegen.model.items import (
    Function,
    FunctionKind,
    Interface,
    Package,
    Place,
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
        included = {id(interface) for interface in package.interfaces}
        interfaces: list[InterfaceEntry] = []
        for interface in package.written or package.interfaces:
            if id(interface) in included:
                interfaces.append(self._interface(interface))
            else:
                self._left_out(interface.written or interface.functions)
        worlds: list[WorldEntry] = []
        for world in package.worlds:
            entry = self._arena.owners[world.name, ""] = WorldEntry(world, self._name)
            worlds.append(entry)
            interfaces += self._items(_written(world), entry)
        for slot in self._slots:
            if not isinstance(slot.body, OwnType | BorrowType | TypeDef):
                slot.parts = [self._used(part) for part in slot.parts]
            self._arena.allocate(slot)
        for interface_entry in interfaces:
            self._arena.add_interface(interface_entry)
            self._finish(interface_entry.functions)
        for entry in worlds:
            self._arena.add_world(entry)
            imports_first = sorted(entry.items.items(), key=lambda pair: pair[0][0])
            functions = (item for _, item in imports_first if isinstance(item, FunctionEntry))
            self._finish(sorted(functions, key=lambda function: function.resource is None))
        for entry in worlds:
            include(self._arena, entry)
            entry.imports = [entry.items[False, world_key(item)] for item in entry.world.imports]
            entry.exports = [entry.items[True, world_key(item)] for item in entry.world.exports]

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
        included = {id(function) for function in interface.functions}
        for function in interface.written or interface.functions:
            if id(function) in included:
                entry.functions.append(self._function(function, entry.types))
            else:
                self._left_out([function])
        return entry

    def _left_out(self, functions: Iterable[Function]) -> None:
        """The reference keeps the anonymous types of functions that a gate leaves out, unless a gate is theirs."""
        for function in functions:
            for type_ in (*(param.type for param in function.params), function.result):
                if type_ is not None:
                    with contextlib.suppress(KeyError):  # a type inside it is left out
                        self._ref(type_, UNGATED)

    def _items(self, items: Mapping[Place, WorldItem], world: WorldEntry) -> list[InterfaceEntry]:
        """Enter what a world writes; gives its inline interfaces."""
        inline: list[InterfaceEntry] = []
        for place, item in items.items():
            match item:
                case TypeDef():
                    self._typedef(item, world)
                    world.items[place] = self._arena.slot(item)
                case Function():
                    world.items[place] = self._function(item, world.types)
                case WorldInterface(interface=interface) if interface.inline_name:
                    inline.append(self._interface(interface))
                    world.items[place] = (item, inline[-1])
                case WorldInterface(interface=interface):
                    world.items[place] = (item, self._arena.named[interface.name])
        return inline

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


def _written(world: World) -> dict[Place, WorldItem]:
    """What the world itself writes, in this order, and then interfaces that came with it.

    Without a text, types come first, then each resource's functions: they are one declaration.
    """
    items: dict[Place, WorldItem] = {(False, world_key(item)): item for item in world.imports}
    items |= {(True, world_key(item)): item for item in world.exports}
    if world.origins is None:
        return dict(sorted(items.items(), key=lambda pair: _rank(pair[1])))
    written = {place: items.pop(place) for place in world.origins.written if place in items}
    copied = {place for include in world.origins.copied for place, _ in include.items}
    return written | {place: item for place, item in items.items() if place not in copied}


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
