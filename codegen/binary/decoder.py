"""Decodes a component, or a WIT package in component form, to the resolved model. No subprocess, no engine, no copies.

A component becomes the package ``root:component`` with one world ``root``, whose imports and exports are the
component's (names without ``ns:pkg/`` are plain functions and inline interfaces), and the packages of all interfaces
that it names. A WIT package (WIT.md "Package Format") becomes itself and as much of other packages as it uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from obelisk.codegen.binary.assembly import Assembly
from obelisk.codegen.binary.component_reader import ComponentBinary, read_component
from obelisk.codegen.binary.entities import ComponentNode, Extern, Sort
from obelisk.codegen.binary.errors import BinaryError, MalformedBinary
from obelisk.codegen.binary.extern_names import interface_name
from obelisk.codegen.binary.package_docs import read_package_docs
from obelisk.codegen.model.items import Resolution, World
from obelisk.codegen.model.names import InterfaceName, PackageName, is_label

ROOT: Final = InterfaceName(PackageName("root", "component"), "root")
"""The name given to a component's own world: the binary has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What a binary says: a `resolution`, or else `problems`.

    `world` is the component's own world, None for a WIT package; each of its interfaces has exactly the types and
    functions that this import or export lists, whereas in `resolution` an interface that is both imported and exported
    has all that is known of it. `problems` says what could not be read: the first broken byte, or everything that WIT
    cannot express.
    """

    resolution: Resolution | None
    world: World | None
    problems: tuple[BinaryError, ...] = ()


def decode(data: bytes) -> Decoded:
    """Decode a component or an encoded WIT package; never raises on any bytes."""
    try:
        binary = read_component(memoryview(data))
        package = _wit_package(binary)
        return _decode_component(binary) if package is None else _decode_package(binary, package)
    except MalformedBinary as malformed:
        error = malformed.error
    except RecursionError:
        error = BinaryError(code="too-deep", offset=0, message="definitions are nested too deep")
    return _failed([error])


def _decode_component(binary: ComponentBinary) -> Decoded:
    assembly = Assembly(ROOT.package, read_package_docs(binary.docs))
    world = assembly.world(ROOT, _externs(binary.imports, binary.exports))
    if assembly.problems:
        return _failed(assembly.problems)
    return Decoded(resolution=assembly.resolution(), world=world.frozen(as_declared=True))


def _failed(problems: Iterable[BinaryError]) -> Decoded:
    return Decoded(resolution=None, world=None, problems=tuple(problems))


def _wit_package(binary: ComponentBinary) -> list[tuple[Extern, ComponentNode]] | None:
    """The interfaces and worlds of a WIT package, each with the component type around it; None for a component."""
    types = [(e, e.entity) for e in binary.exports if e.sort is Sort.TYPE and isinstance(e.entity, ComponentNode)]
    if not types or binary.imports or len(types) < len(binary.exports):
        return None
    first, _ = types[0]
    if is_label(first.name.text):
        items: list[tuple[Extern, ComponentNode]] = []
        for extern, component in types:
            if len(component.exports) != 1:
                message = f"{extern.name.text!r} should export one interface or world"
                raise MalformedBinary("not-in-wit", extern.name.offset, message)
            items.append((next(iter(component.exports.values())), component))
        return items
    name = interface_name(first.name)
    if name is None or name.name != "wit":
        return None
    items = [(extern, component) for _, component in types for extern in component.exports.values()]
    return items or None


def _decode_package(binary: ComponentBinary, items: list[tuple[Extern, ComponentNode]]) -> Decoded:
    named = [(_item_name(extern), extern, component) for extern, component in items]
    main = named[0][0].package
    assembly = Assembly(main, read_package_docs(binary.docs))
    for name, extern, component in named:
        if name.package != main:
            message = f"{extern.name.text!r} is not of the package {main}"
            raise MalformedBinary("not-in-wit", extern.name.offset, message)
        for foreign in component.imports.values():
            assembly.interface(foreign)
        if isinstance(extern.entity, ComponentNode):
            assembly.world(name, _externs(extern.entity.imports.values(), extern.entity.exports.values()))
        else:
            assembly.interface(extern)
    if assembly.problems:
        return _failed(assembly.problems)
    return Decoded(resolution=assembly.resolution(), world=None)


def _item_name(extern: Extern) -> InterfaceName:
    name = interface_name(extern.name)
    if name is None:
        message = f"{extern.name.text!r} is no interface or world of a package"
        raise MalformedBinary("not-in-wit", extern.name.offset, message)
    return name


def _externs(imports: Iterable[Extern], exports: Iterable[Extern]) -> list[tuple[bool, Extern]]:
    """Imports (True) and exports (False) in the order in which they stand in the binary."""
    pairs = [(True, e) for e in imports] + [(False, e) for e in exports]
    return sorted(pairs, key=lambda pair: pair[1].name.offset)
