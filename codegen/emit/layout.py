"""Where everything of a Resolution goes in a generated tree, and under which Python name.

A package becomes a folder, an interface or world a module of the same name in its folders ``types`` and ``bindings``.
What stands in the folder of one package never depends on which other packages are generated next to it, except that
versions appear in the folder names of dependencies that are there in several.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from obelisk.codegen.emit.crossing import can_cross, is_resource
from obelisk.codegen.emit.python_names import case_name, class_name, module_name
from obelisk.codegen.emit.writer import NameTable
from obelisk.codegen.model.items import Function, Interface, Resolution, World, WorldInterface
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import TypeDef, VariantType

Owner: TypeAlias = tuple[InterfaceName, str]
_NOT_WORD: Final = re.compile(r"\W+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """An interface, an inline interface or a world: what has a module. `types` are resources and what can cross."""

    owner: Owner
    folder: str
    module: str
    docs: str = ""
    types: tuple[TypeDef, ...] = ()
    functions: tuple[Function, ...] = ()
    classes: dict[str, str] = field(default_factory=dict[str, str])
    """Python's name of each type, and of each case of a variant as ``type.case``."""

    @property
    def title(self) -> str:
        """How documentation calls it: ``demo:trip/types``."""
        name, inline = self.owner
        return f"{name}.{inline}" if inline else str(name)


class Layout:
    """All units of a resolution by owner, and the folder of each package."""

    def __init__(self, resolution: Resolution) -> None:
        self.folders = _folders(resolution)
        self.units: dict[Owner, Unit] = {}
        for package in resolution.packages:
            modules = NameTable()
            for interface in package.interfaces:
                self._add_interface((interface.name, ""), modules.unique(module_name(interface.name.name)), interface)
            for world in package.worlds:
                self._add_world(world, modules.unique(module_name(world.name.name)))
            for world in package.worlds:
                for inline in inline_interfaces(world):
                    name = modules.unique(f"{json_name(world.name.name)}__{json_name(inline.inline_name)}")
                    self._add_interface((world.name, inline.inline_name), name, inline)

    def unit_of(self, type_: TypeDef) -> Unit:
        """The unit that declares a named type."""
        return self.units[type_.owner, type_.owner_item]

    def _add_interface(self, owner: Owner, module: str, interface: Interface) -> None:
        self._add(owner, module, interface.docs, interface.types, interface.functions)

    def _add_world(self, world: World, module: str) -> None:
        items = (*world.imports, *world.exports)
        types = tuple(item for item in items if isinstance(item, TypeDef))
        functions = tuple(item for item in items if isinstance(item, Function))
        self._add((world.name, ""), module, world.docs, types, functions)

    def _add(
        self, owner: Owner, module: str, docs: str, types: tuple[TypeDef, ...], functions: tuple[Function, ...]
    ) -> None:
        kept = tuple(type_ for type_ in types if is_resource(type_) or can_cross(type_))
        self.units[owner] = Unit(
            owner=owner,
            folder=self.folders[owner[0].package],
            module=module,
            docs=docs,
            types=kept,
            functions=functions,
            classes=_classes(kept),
        )


def inline_interfaces(world: World) -> tuple[Interface, ...]:
    """The interfaces that stand inline in a world; one that is imported and exported counts once."""
    items = (*world.imports, *world.exports)
    inline = [item.interface for item in items if isinstance(item, WorldInterface) and item.interface.inline_name]
    return tuple({interface.inline_name: interface for interface in inline}.values())


def package_folder(name: PackageName, *, versioned: bool = False) -> str:
    """``demo_trip``, or ``demo_trip_1_2_0`` where several versions stand side by side.

    After a namespace with a dash stand two underscores: ``a-b:c`` and ``a:b-c`` are two folders.
    """
    version = f"_{_NOT_WORD.sub('_', name.version)}" if versioned and name.version else ""
    between = "__" if "-" in name.namespace else "_"
    return f"{module_name(name.namespace)}{between}{module_name(name.name)}{version}"


def _folders(resolution: Resolution) -> dict[PackageName, str]:
    """The package that the input is of, the last in `main`, keeps its name, whatever other versions of it are there."""
    plain = Counter(package_folder(package.name) for package in resolution.packages)
    own = {package_folder(name): name for name in resolution.main}
    table = NameTable()
    folders = {name: table.unique(folder) for folder, name in own.items()}
    for package in resolution.packages:
        if package.name not in folders:
            folder = package_folder(package.name, versioned=plain[package_folder(package.name)] > 1)
            folders[package.name] = table.unique(folder)
    return folders


def _classes(types: tuple[TypeDef, ...]) -> dict[str, str]:
    table = NameTable()
    classes = {type_.name: table.unique(class_name(type_.name)) for type_ in types}
    for type_ in types:
        if isinstance(type_.body, VariantType):
            for case in type_.body.cases:
                classes[f"{type_.name}.{case.name}"] = table.unique(case_name(classes[type_.name], case.name))
    return classes
