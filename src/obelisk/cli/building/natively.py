"""A project's components as they run natively: worlds and bindings in memory, nothing generated, nothing built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from obelisk.cli import at_hand
from obelisk.cli.building import inference, languages
from obelisk.cli.building.modules import modules
from obelisk.cli.errors import CommandError
from obelisk.codegen import diagnostics, extensions
from obelisk.codegen.emit.guest.layout import Guest, of_world
from obelisk.codegen.emit.guest.project import project_guest
from obelisk.codegen.model.items import Interface, Resolution, World, WorldInterface
from obelisk.codegen.model.names import EXTENSION_SUFFIXES, InterfaceName
from obelisk.codegen.model.types import definition
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.packages import Group
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_package
from obelisk.runtime.wiring.builds import BuildConfig
from obelisk.runtime.wiring.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildable:
    """A component with its world. `files` are its sources, the entry first, if it is in Python; `guest` what those may
    import then."""

    name: str
    build: BuildConfig
    world: World
    source: Path
    files: tuple[Path, ...] = ()
    guest: Guest | None = None


def interfaces(config: Config) -> Guest:
    """All that a project's WIT declares, and what comes with the engine, under the names that tests import.

    CommandError ``build_failed`` with the diagnostics.
    """
    folders = dict.fromkeys(config.folder / path for build in config.builds.values() for path in build.wit)
    folders.update(dict.fromkeys(component.path for component in config.components if component.is_wit))
    if not config.builds and (config.folder / _WIT).is_dir():
        folders[config.folder / _WIT] = None
    return _offered(_resolution(tuple(folders), ()))


def buildables(config: Config) -> Iterator[Buildable]:
    """The components that the project builds, in the order of its file.

    CommandError ``build_failed``, ``file_not_found``.
    """
    folder = config.folder.resolve()
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], Resolution] = {}
    for name, build in config.builds.items():
        source = folder / build.source
        if not source.is_file():
            raise CommandError("file_not_found", f"build.{name}.source: {build.source}: there is no such file")
        worlds = build.worlds if build.world else ()
        key = build.wit, worlds
        if key not in known:
            known[key] = _resolution([folder / path for path in build.wit], [folder / path for path in worlds])
        yield _buildable(name, build, source, known[key], folder)


def _buildable(name: str, build: BuildConfig, source: Path, resolution: Resolution, folder: Path) -> Buildable:
    if build.language != "python":
        return Buildable(name=name, build=build, world=_world(resolution, build.world), source=source)
    try:
        found = modules(source, languages.as_shown(source.parent, folder))
        if build.world:
            world = _world(resolution, build.world)
            guest = of_world(world)
        else:
            guest = _offered(resolution)
            world = _inferred(inference.infer(found, guest), guest)
    except CommandError as error:
        raise CommandError(error.code, f"{name} cannot be run:\n{error.message}", hint=error.hint) from None
    files = tuple(module.path for module in found.values())
    return Buildable(name=name, build=build, world=world, source=source, files=files, guest=guest)


def _resolution(folders: Sequence[Path], worlds: Sequence[Path]) -> Resolution:
    """The packages in `folders` with their extensions, those in `worlds`, and what these use."""
    shipped = list(at_hand.shipped())
    own = _loaded(folders, shipped)
    types = at_hand.engine_types()
    made = [
        Group(files=(SourceFile(f"generated/{one.name}.wit", print_package(one)),), is_spare=False)
        for package in own.packages
        if package.name in own.main and extensions.is_extended(package.name)
        for one in extensions.extend(package, types).packages
    ]
    resolution = _loaded([*folders, *(path for path in worlds if path.exists())], [*made, *shipped])
    main = tuple(name for name in resolution.main if not name.name.endswith(EXTENSION_SUFFIXES))
    return replace(resolution, main=main)


def _loaded(folders: Sequence[Path], more: Sequence[Group]) -> Resolution:
    loaded = load(list(folders), spares=more)
    if loaded.resolution is None:
        raise CommandError("build_failed", diagnostics.render(loaded.diagnostics).strip())
    return loaded.resolution


def _offered(resolution: Resolution) -> Guest:
    return project_guest(resolution, (), at_hand.offered())


def _world(resolution: Resolution, name: str) -> World:
    found = {str(world.name): world for package in resolution.packages for world in package.worlds}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise CommandError("build_failed", f"there is no world {name} in the project's WIT; its worlds: {known}")
    return found[name]


_WIT: Final = "wit"
"""Where a project that builds nothing has its packages."""
_INFERRED: Final = InterfaceName.parse("obelisk-build:worlds/component")


def _inferred(found: inference.Inferred, guest: Guest) -> World:
    """The world that these imports and exports make, with the interfaces whose types they use."""
    known = {interface.name: interface for interface in guest.imports}
    exported = {interface.name: interface for interface in guest.exports}
    imports = dict.fromkeys(found.imports)
    waiting = [*(known[name] for name in found.imports), *(exported[name] for name in found.exports)]
    while waiting:
        for type_ in waiting.pop().types:
            owner = definition(type_).owner
            if owner in known and owner not in imports and owner not in found.exports:
                imports[owner] = None
                waiting.append(known[owner])
    return World(
        name=_INFERRED,
        imports=tuple(_item(known[name]) for name in imports),
        exports=tuple(_item(exported[name]) for name in found.exports),
    )


def _item(interface: Interface) -> WorldInterface:
    return WorldInterface(interface=interface)


def settings_of(config: Config) -> Mapping[str, Mapping[str, Any]]:
    """The settings of the components that the configuration names."""
    return {component.name: component.settings for component in config.components}
