"""The compiler on one screen: a Resolution in, the files of a generated tree out. Pure.

    resolution ─ layout ─┬─ packages of the input: types, bindings, client, validators, openapi.json, models,
                         │                         extension WIT
                         └─ packages they use: types and bindings of the interfaces they use

The same input gives the same files, byte for byte. Each is stamped with the digest of the packages it comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from typing import Final

from obelisk.codegen import extensions
from obelisk.codegen.emit.endpoints import LeftOut, endpoints
from obelisk.codegen.emit.layout import Layout, Owner
from obelisk.codegen.emit.package import USUAL_PARTS, PackageSource, PackageWriter, Part
from obelisk.codegen.emit.typescript.runtime_files import runtime_files
from obelisk.codegen.emit.writer import render
from obelisk.codegen.model.items import Function, Package, Resolution, WorldInterface
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.model.types import BorrowType, OwnType, Type, TypeDef, parts
from obelisk.codegen.syntax.printer import print_package

FORMAT: Final = 6
"""Part of every digest: to be raised when what is generated changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A generated tree: texts by path, in order of their paths, and the functions left out of parts of it."""

    files: dict[str, str]
    left_out: tuple[LeftOut, ...]


def generate(
    resolution: Resolution,
    engine_types: Package,
    only: Set[Part] = USUAL_PARTS,
    started: Callable[[PackageName], None] = lambda name: None,
) -> Generated:
    """Generate the packages that the input itself declares, and what they need of others.

    `engine_types` is the package `extensions.TYPES`; `started` is told of every package before its turn. Raises
    nothing for any resolution, but `models.ModelsFailed` where models are asked for.
    """
    layout = Layout(resolution)
    writer = PackageWriter(layout, only)
    digests = _digests(resolution)
    files: dict[str, str] = {}
    left_out: list[LeftOut] = []
    needed = _needed(resolution, layout)
    for package in resolution.packages:
        started(package.name)
        source = PackageSource(package=package, digest=digests[package.name])
        if package.name not in resolution.main:
            files |= writer.needed(source, needed)
            continue
        left_out += endpoints(package.interfaces)[1]
        if extensions.is_extended(package.name):
            extended = extensions.extend(package, engine_types).packages
            source = replace(source, extensions=extended, is_served=True)
        files |= writer.whole(source)
    if any(path.endswith(".ts") for path in files):
        files |= runtime_files()
    if any(path.endswith(".py") for path in files):
        files["__init__.py"] = render("tree.py.j2")
    return Generated(files=dict(sorted(files.items())), left_out=tuple(left_out))


def _needed(resolution: Resolution, layout: Layout) -> set[Owner]:
    """The units that the input's own packages consist of, and all that these use, at any remove."""
    main = [package for package in resolution.packages if package.name in resolution.main]
    waiting = [owner for package in main for owner in _contents(package)]
    needed: set[Owner] = set()
    while waiting:
        owner = waiting.pop()
        if owner not in needed:
            needed.add(owner)
            unit = layout.units[owner]
            waiting += _owners(unit.types, _types_of(unit.functions))
    return needed


def _contents(package: Package) -> Iterator[Owner]:
    """The units of a package, and the interfaces that its worlds import and export."""
    yield from ((interface.name, "") for interface in package.interfaces)
    for world in package.worlds:
        yield world.name, ""
        for item in (*world.imports, *world.exports):
            if isinstance(item, WorldInterface):
                yield item.interface.name, item.interface.inline_name


def _types_of(functions: Iterable[Function]) -> Iterator[Type]:
    for function in functions:
        yield from (param.type for param in function.params)
        if function.result is not None:
            yield function.result


def _owners(*types: Iterable[Type]) -> set[Owner]:
    """Who declares the named types that these consist of. Each type is looked at once."""
    owners: set[Owner] = set()
    seen: dict[int, Type] = {}
    waiting = [type_ for group in types for type_ in group]
    while waiting:
        type_ = waiting.pop()
        if id(type_) not in seen:
            seen[id(type_)] = type_
            if isinstance(type_, TypeDef):
                owners.add((type_.owner, type_.owner_item))
            waiting += [type_.resource] if isinstance(type_, OwnType | BorrowType) else parts(type_)
    return owners


def _digests(resolution: Resolution) -> dict[PackageName, str]:
    """For each package the digest of its own text and of the packages it uses."""
    digests: dict[PackageName, str] = {}
    for package in resolution.packages:
        types = [type_ for interface in package.interfaces for type_ in interface.types]
        functions = [function for interface in package.interfaces for function in interface.functions]
        items = [item for world in package.worlds for item in (*world.imports, *world.exports)]
        owners = _owners(types, _types_of(functions), (item for item in items if isinstance(item, TypeDef)))
        used = {name.package for name, _ in (*owners, *_contents(package))} - {package.name}
        lines = [str(FORMAT), print_package(package), *sorted(digests[name] for name in used if name in digests)]
        digests[package.name] = f"sha256:{hashlib.sha256(chr(0).join(lines).encode()).hexdigest()[:16]}"
    return digests
