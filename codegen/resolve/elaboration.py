"""Completes a world: adds the imports that its items need, and orders both lists.

An imported interface needs the interfaces whose types it uses, so they are imported too, before it. An exported one
takes them from the exports when they are listed there, else from imports; needing both an import and an export of one
interface is refused (``ambiguous-export``). Source: WIT.md "Transitive imports and worlds".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from obelisk.codegen.model.items import Function, FunctionKind, Interface, WorldInterface, WorldItem
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import UNGATED, TypeDef

MAX_WORLD_ITEMS: Final = 200_000


@dataclass(frozen=True, slots=True)
class AmbiguousExport(Exception):
    """`exported` is exported and, because of `path` (from an export to it), would have to be imported too."""

    exported: str
    path: tuple[str, ...]


def used_interface(typedef: TypeDef) -> InterfaceName | None:
    """The interface from which `typedef` takes its meaning by ``use``, if it does."""
    body = typedef.body
    if not isinstance(body, TypeDef) or (body.owner, body.owner_item) == (typedef.owner, typedef.owner_item):
        return None
    return body.owner


def item_class(item: WorldItem) -> int:
    """The rank of an import: interfaces, used types, declared types, functions, functions of resources."""
    match item:
        case WorldInterface():
            return 0
        case TypeDef():
            return 1 if used_interface(item) else 2
        case Function(kind=kind):
            return 3 if kind is FunctionKind.FREE else 4


@dataclass(slots=True, kw_only=True)
class Elaborator:
    """Completes worlds; `lookup` gives the interface of a name.

    Worlds that include one another can be quadratically larger than their text, so their sum is limited.
    """

    lookup: Callable[[InterfaceName], Interface | None]
    items_left: int = MAX_WORLD_ITEMS
    _needs: dict[tuple[InterfaceName, str], tuple[Interface, ...]] = field(
        default_factory=dict[tuple[InterfaceName, str], "tuple[Interface, ...]"]
    )

    def spend(self, items: int) -> bool:
        """Count the items of a finished world; whether all worlds together are within the limit."""
        self.items_left -= items
        return self.items_left >= 0

    def needs(self, interface: Interface) -> tuple[Interface, ...]:
        """The interfaces whose types `interface` uses directly, in the order of use."""
        if interface.inline_name:
            # Inline names are not unique between worlds and between imports and exports.
            return self._direct_needs(interface)
        key = (interface.name, "")
        if key not in self._needs:
            self._needs[key] = self._direct_needs(interface)
        return self._needs[key]

    def _direct_needs(self, interface: Interface) -> tuple[Interface, ...]:
        names = dict.fromkeys(name for typedef in interface.types if (name := used_interface(typedef)))
        return tuple(needed for name in names if (needed := self.lookup(name)))

    def complete(
        self, imports: dict[str, WorldItem], exports: dict[str, WorldItem]
    ) -> tuple[tuple[WorldItem, ...], tuple[WorldItem, ...]]:
        """The complete imports and exports; `AmbiguousExport` when they contradict one another."""
        done: dict[str, WorldItem] = {}
        for key, item in sorted(imports.items(), key=lambda entry: item_class(entry[1])):
            match item:
                case WorldInterface():
                    self._import(done, key, item)
                case TypeDef():
                    name = used_interface(item)
                    needed = self.lookup(name) if name else None
                    if needed is not None:
                        needed_item = WorldInterface(interface=needed, stability=item.stability)
                        self._import(done, str(needed.name), needed_item)
                    done[key] = item
                case Function():
                    done[key] = item
        out: dict[str, WorldItem] = {key: item for key, item in exports.items() if not isinstance(item, WorldInterface)}
        interfaces = {key: item for key, item in exports.items() if isinstance(item, WorldInterface)}
        required: dict[str, tuple[str, ...]] = {}
        for key, item in interfaces.items():
            self._export(_Frame(key, item, True, iter(self.needs(item.interface))), interfaces, done, out, required)
        return tuple(sorted(done.values(), key=item_class)), tuple(out.values())

    def _import(self, imports: dict[str, WorldItem], key: str, item: WorldInterface) -> None:
        if key in imports:
            return
        stack = [(key, item, iter(self.needs(item.interface)))]
        while stack:
            key, item, rest = stack[-1]
            needed = next(rest, None)
            if needed is None:
                imports.setdefault(key, item)
                stack.pop()
            elif str(needed.name) not in imports:
                needed_item = WorldInterface(interface=needed, stability=item.stability)
                stack.append((str(needed.name), needed_item, iter(self.needs(needed))))

    def _export(
        self,
        frame: _Frame,
        exported: dict[str, WorldInterface],
        imports: dict[str, WorldItem],
        exports: dict[str, WorldItem],
        required: dict[str, tuple[str, ...]],
    ) -> None:
        """Put an interface and what it needs into the lists; `required` says through what an import is needed."""
        if frame.key in exports:
            return
        stack = [frame]
        while stack:
            frame = stack[-1]
            needed = next(frame.rest, None)
            if needed is not None:
                key = str(needed.name)
                as_export = frame.as_export and key in exported
                if key in exports:
                    if not as_export:
                        raise AmbiguousExport(key, (*(f.key for f in stack), key))
                elif as_export or key not in required:
                    item = replace(frame.item, interface=needed, label="", docs="", external_id="")
                    stack.append(_Frame(key, item, as_export, iter(self.needs(needed))))
                continue
            stack.pop()
            name = str(frame.item.interface.name)
            if not frame.as_export:
                required.setdefault(name, (*(f.key for f in stack), frame.key))
                imports.setdefault(frame.key, frame.item)
            elif name in required and not frame.item.interface.inline_name:
                raise AmbiguousExport(name, required[name])
            else:
                exports[frame.key] = frame.item


@dataclass(slots=True)
class _Frame:
    """An interface on the way into the exports (or, when not `as_export`, the imports); `rest`: needs not yet met."""

    key: str
    item: WorldInterface
    as_export: bool
    rest: Iterator[Interface]


def merged_stability(old: WorldInterface, new: WorldInterface, *, foreign: bool) -> WorldInterface | None:
    """`old` after an include brought `new` under the same name; None when their gates contradict one another.

    What another package says about its own versions means nothing in this one, so a foreign ``@since`` is dropped.
    """
    if foreign and new.stability.since:
        return replace(old, stability=UNGATED)
    if new.stability in (old.stability, UNGATED):
        return old
    return replace(old, stability=new.stability) if old.stability == UNGATED else None
