"""Numbers what worlds copy by ``include``, in the order in which the reference resolver makes the copies.

A copy is made of numbered entries: what an item refers to is copied before the item, and once per ``include``, unless
it belongs to an interface with a name of its own, which is shared.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from obelisk.codegen.emit.wit_arena import Arena, FunctionEntry, InterfaceEntry, ItemEntry, Ref, Slot, WorldEntry
from obelisk.codegen.model.items import Function, Interface, Place, WorldInterface, WorldItem, world_key
from obelisk.codegen.model.types import TypeDef


def include(arena: Arena, world: WorldEntry) -> None:
    """Enter the items that `world` has copied; the worlds that it includes are whole."""
    if world.world.origins is None:
        return
    items: dict[Place, WorldItem] = {(False, world_key(item)): item for item in world.world.imports}
    items |= {(True, world_key(item)): item for item in world.world.exports}
    for copied in world.world.origins.copied:
        source = arena.owners[copied.world, ""]
        assert isinstance(source, WorldEntry)
        pairs = [(place, items[place], source.items[original]) for place, original in copied.items if place in items]
        copier = _Copier(arena, source, world)
        for _, item, old in pairs:
            if isinstance(item, TypeDef) and isinstance(old, Slot):
                copier.typedefs[old] = item
        for place, item, old in pairs:
            world.items[place] = copier.item(item, old)


@dataclass(slots=True)
class _Copier:
    """Copies what belongs to `old`, a world or an interface in it, for `new`; `typedefs` are the copies by slot."""

    arena: Arena
    old: WorldEntry | InterfaceEntry
    new: WorldEntry | InterfaceEntry
    typedefs: dict[Slot, TypeDef] = field(default_factory=dict[Slot, TypeDef])
    done: dict[Slot, Slot] = field(default_factory=dict[Slot, Slot])

    def item(self, item: WorldItem, old: ItemEntry) -> ItemEntry:
        """The entry of `item`, which is a copy of the item with the entry `old`."""
        match item, old:
            case TypeDef(), Slot():
                return self._type(old)
            case Function(), FunctionEntry():
                return self._function(item, old)
            case WorldInterface(interface=interface), (_, InterfaceEntry() as entry) if interface.inline_name:
                return item, self._interface(interface, entry)
            case WorldInterface(), (_, InterfaceEntry() as entry):
                return item, entry
            case _:
                raise AssertionError("a copy is of the kind of its original")

    def _interface(self, interface: Interface, old: InterfaceEntry) -> InterfaceEntry:
        entry = InterfaceEntry(interface, self.new.package, copy_of=old)
        self.arena.open(entry)
        typedefs = {old.types[typedef.name]: typedef for typedef in interface.types}
        inside = _Copier(self.arena, old, entry, typedefs, self.done)
        for slot in old.types.values():
            inside._type(slot)
        for function, original in zip(interface.functions, old.functions, strict=True):
            entry.functions.append(inside._function(function, original))
        self.arena.add_interface(entry)
        return entry

    def _function(self, function: Function, old: FunctionEntry) -> FunctionEntry:
        resource = None if old.resource is None else self._type(old.resource)
        params = [self._ref(param) for param in old.params]
        return FunctionEntry(function, params, self._ref(old.result), resource)

    def _ref(self, ref: Ref) -> Ref:
        return self._type(ref) if isinstance(ref, Slot) else ref

    def _type(self, old: Slot) -> Slot:
        if old in self.done:
            return self.done[old]
        # Another type's own name stands for a type elsewhere, unless that is copied, too.
        is_name = isinstance(old.body, TypeDef)
        parts = [part if is_name and not self._is_ours(part) else self._ref(part) for part in old.parts]
        if old.typedef is None:
            new = Slot(old.body, parts, None, old.stability)
        else:
            new = self.arena.declare(self.typedefs[old], parts, self.new)
        self.arena.allocate(new)
        self.done[old] = new
        return new

    def _is_ours(self, ref: Ref) -> bool:
        return isinstance(ref, Slot) and (ref in self.done or ref.owner is self.old)
