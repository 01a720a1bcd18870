"""What a guest sees: the interfaces that it imports and exports, their modules, and where each type is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from obelisk.codegen.emit.guest.names import short_names
from obelisk.codegen.model.items import Function, Interface, Package, World, WorldInterface, WorldItem
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    FixedListType,
    FutureType,
    MapType,
    Primitive,
    StreamType,
    Type,
    TypeDef,
    parts,
)

Side: TypeAlias = Literal["imports", "exports"]
IMPORTS: Final[Side] = "imports"
EXPORTS: Final[Side] = "exports"
ROOT: Final = "wit_world"
"""The package's name, componentize-py's usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """The interfaces of both sides with the names of their modules, and what stands in a world itself.

    `is_open`: more is offered than one component takes. Then each interface is on both sides, and the types of an
    exported one can be imported from either: a component that does not import the interface has them in `exports`.
    """

    imports: Sequence[Interface]
    exports: Sequence[Interface]
    import_names: Mapping[InterfaceName, str]
    export_names: Mapping[InterfaceName, str]
    types: Sequence[TypeDef] = ()
    imported_functions: Sequence[Function] = ()
    exported_functions: Sequence[Function] = ()
    is_open: bool = False

    def home(self, owner: InterfaceName) -> tuple[Side, str] | None:
        """The module that declares an interface's types; None for what a world declares."""
        if owner in self.import_names:
            return IMPORTS, self.import_names[owner]
        return (EXPORTS, self.export_names[owner]) if owner in self.export_names else None


def of_world(world: World) -> Guest:
    """What componentize-py makes of a world. Interfaces that stand inline in a world have no modules."""
    imports, exports = _interfaces(world.imports), _interfaces(world.exports)
    return Guest(
        imports=imports,
        exports=exports,
        import_names=short_names(interface.name for interface in imports),
        export_names=short_names(interface.name for interface in exports),
        types=[item for item in (*world.imports, *world.exports) if isinstance(item, TypeDef)],
        imported_functions=[item for item in world.imports if isinstance(item, Function)],
        exported_functions=[item for item in world.exports if isinstance(item, Function)],
    )


def of_packages(called: Sequence[Package], implemented: Sequence[Package], names: Mapping[InterfaceName, str]) -> Guest:
    """All interfaces of these packages, to be called or to be implemented, under these names."""
    return Guest(
        imports=[interface for package in called for interface in package.interfaces],
        exports=[interface for package in implemented for interface in package.interfaces],
        import_names=names,
        export_names=names,
        is_open=True,
    )


def is_bound(function: Function) -> bool:
    """Whether componentize-py and the engine can both carry a function's values, and call it without `async`."""
    types = (*(param.type for param in function.params), *([function.result] if function.result is not None else []))
    return not function.is_async and all(map(is_known, types))


def is_known(type_: Type) -> bool:
    """Whether a type has a form in Python guests: no map, list of fixed length, stream, future or error-context."""
    seen: set[int] = set()
    waiting = [type_]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            if isinstance(one, MapType | FixedListType | StreamType | FutureType) or one is Primitive.ERROR_CONTEXT:
                return False
            waiting += parts(one)
    return True


def _interfaces(items: Sequence[WorldItem]) -> list[Interface]:
    found = [item.interface for item in items if isinstance(item, WorldInterface)]
    return [interface for interface in found if not interface.inline_name]
