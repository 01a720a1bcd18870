"""Numbers a Resolution that was decoded from a binary, in the order in which the reference decoder does.

The decoder meets the items of worlds and the interfaces of a WIT package one after the other and makes each type when
it first meets it, the parts before the whole. An interface that another one uses is met first, at that time without its
functions. Two anonymous types are one only where the binary has one: where the decoded model has the same object.
"""

from __future__ import annotations

from obelisk.codegen.emit.wit_arena import Arena, FunctionEntry, InterfaceEntry, ItemEntry, Ref, Slot, WorldEntry
from obelisk.codegen.model.items import Function, FunctionKind, Interface, Resolution, World, WorldInterface, WorldItem
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import UNGATED, Primitive, Type, TypeDef


def number(resolution: Resolution) -> Arena:
    """Number everything in `resolution`."""
    return _Numbering(resolution).everything()


class _Numbering:
    def __init__(self, resolution: Resolution) -> None:
        self._arena = Arena()
        self._resolution = resolution
        self._known = {i.name: i for package in resolution.packages for i in package.interfaces}
        self._anonymous: dict[int, Slot] = {}
        self._inline: dict[int, InterfaceEntry] = {}
        self._worlds: dict[InterfaceName, WorldEntry] = {}

    def everything(self) -> Arena:
        packages = {package.name: package for package in self._resolution.packages}
        for name in self._resolution.main:
            for world in packages[name].worlds:
                self._open(world, name)
        for name in self._resolution.main:
            for interface in packages[name].interfaces:
                self._complete(interface.name)
            for world in packages[name].worlds:
                self._world(world)
        for interface_name in self._known:
            self._complete(interface_name)
        return self._arena

    def _open(self, world: World, package: PackageName) -> None:
        """Let the types of a world and its inline interfaces be found, also before their turn."""
        self._arena.owners[world.name, ""] = self._worlds[world.name] = WorldEntry(world, package)
        for item in world.imports + world.exports:
            if isinstance(item, WorldInterface) and item.interface.inline_name:
                entry = self._inline[id(item.interface)] = InterfaceEntry(item.interface, package)
                self._arena.open(entry)

    def _complete(self, name: InterfaceName) -> InterfaceEntry:
        """The interface with its functions."""
        entry = self._met(name)
        if not entry.functions:
            entry.functions = [self._function(f, entry.types) for f in entry.interface.functions]
        return entry

    def _met(self, name: InterfaceName) -> InterfaceEntry:
        """The interface with its types; those that it uses come before."""
        known = self._arena.named.get(name)
        if known is not None:
            return known
        interface = self._known[name]
        entry = InterfaceEntry(interface, name.package)
        self._arena.open(entry)
        for typedef in interface.types:
            if isinstance(typedef.body, TypeDef) and typedef.body.owner in self._known:
                self._met(typedef.body.owner)
        self._arena.add_interface(entry)
        self._types(interface, entry)
        return entry

    def _types(self, interface: Interface, entry: InterfaceEntry) -> None:
        for typedef in interface.types:
            if typedef.name not in entry.types:
                self._typedef(typedef, entry)

    def _world(self, world: World) -> None:
        entry = self._worlds[world.name]
        self._arena.add_world(entry)
        for items, entries in ((world.imports, entry.imports), (world.exports, entry.exports)):
            entries.extend(self._item(item, entry) for item in items)

    def _item(self, item: WorldItem, world: WorldEntry) -> ItemEntry:
        match item:
            case TypeDef(name=name):
                return world.types.get(name) or self._typedef(item, world)
            case Function():
                return self._function(item, world.types)
            case WorldInterface(interface=interface) if interface.inline_name:
                entry = self._inline[id(interface)]
                self._arena.open(entry)
                self._types(interface, entry)
                entry.functions = [self._function(f, entry.types) for f in interface.functions]
                self._arena.add_interface(entry)
                return item, entry
            case WorldInterface(interface=interface):
                return item, self._complete(interface.name)

    def _typedef(self, typedef: TypeDef, owner: InterfaceEntry | WorldEntry) -> Slot:
        slot = self._arena.declare(typedef, self._arena.part_refs(typedef.body, self._ref), owner)
        self._arena.allocate(slot)
        return slot

    def _function(self, function: Function, types: dict[str, Slot]) -> FunctionEntry:
        return FunctionEntry(
            function,
            [self._ref(param.type) for param in function.params],
            None if function.result is None else self._ref(function.result),
            None if function.kind is FunctionKind.FREE else types[function.resource],
        )

    def _ref(self, type_: Type) -> Ref:
        match type_:
            case Primitive():
                return type_
            case TypeDef(name=name, owner=owner, owner_item=item):
                if owner in self._known:
                    self._met(owner)
                entry = self._arena.owners[owner, item]
                # Interfaces that use each other, which no text can have, meet a type before its turn.
                is_known = id(type_) in self._arena.slots or name in entry.types
                return self._arena.slot(type_) if is_known else self._typedef(type_, entry)
            case _:
                slot = self._anonymous.get(id(type_))
                if slot is None:
                    slot = Slot(type_, self._arena.part_refs(type_, self._ref), None, UNGATED)
                    self._anonymous[id(type_)] = slot
                    self._arena.allocate(slot)
                return slot
