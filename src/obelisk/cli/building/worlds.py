"""The WIT of a project as one text that every tool takes: its packages, generated extensions, the engine's, WASI's.

Extensions of the project's own packages are generated first, into a folder of the project, so that its worlds can
import them. The engine's packages and those of WASI that the project has no copies of are taken from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from obelisk.cli import at_hand
from obelisk.cli.errors import CommandError
from obelisk.cli.generating import shell as generating
from obelisk.codegen import diagnostics
from obelisk.codegen.model.items import Package, Resolution, World, WorldInterface
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.resolve.load import load
from obelisk.codegen.syntax.printer import print_resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildWorld:
    """A world to build for: its name, and all the WIT it needs as one text."""

    name: str
    text: str
    world: World

    @property
    def imports(self) -> Sequence[InterfaceName]:
        """The interfaces that it imports."""
        return [item.interface.name for item in self.world.imports if isinstance(item, WorldInterface)]

    @property
    def called(self) -> Sequence[InterfaceName]:
        """The imported interfaces that have functions, not types alone."""
        interfaces = [item.interface for item in self.world.imports if isinstance(item, WorldInterface)]
        return [interface.name for interface in interfaces if interface.functions]


def extend(folders: Sequence[Path], generated: Path, *, for_guests: bool = False) -> Sequence[Path]:
    """Write the extension WIT of the packages in `folders` below `generated`; the folders of the extension packages.

    `for_guests`: also the package that components in Python import. CommandError ``build_failed`` with the diagnostics.
    """
    outcome = generating.run(folders, generated, only={"wit", *(["guest"] if for_guests else [])})
    if not outcome.is_good:
        raise CommandError("build_failed", outcome.messages.strip())
    return sorted(folder for folder in generated.glob("*/wit/*") if folder.is_dir())


def assemble(name: str, folders: Sequence[Path], extensions: Sequence[Path], worlds: Sequence[Path]) -> BuildWorld:
    """The world `name` with what it needs. CommandError ``build_failed`` with the diagnostics, or naming the worlds."""
    loaded = load([*folders, *extensions, *worlds], spares=list(at_hand.shipped()))
    if loaded.resolution is None:
        raise CommandError("build_failed", diagnostics.render(loaded.diagnostics).strip())
    found = {str(world.name): world for package in loaded.resolution.packages for world in package.worlds}
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise CommandError("build_failed", f"there is no world {name} in the project's WIT; its worlds: {known}")
    world = found[name]
    return BuildWorld(
        name=name,
        text=print_resolution(_needed(loaded.resolution, world)),
        world=world,
    )


def _needed(resolution: Resolution, world: World) -> Resolution:
    """That world alone, with the interfaces it imports and exports; what these use is among them."""
    items = (*world.imports, *world.exports)
    names = {item.interface.name for item in items if isinstance(item, WorldInterface)}
    packages: list[Package] = []
    for package in resolution.packages:
        interfaces = tuple(interface for interface in package.interfaces if interface.name in names)
        worlds = tuple(one for one in package.worlds if one.name == world.name)
        if interfaces or worlds:
            packages.append(replace(package, interfaces=interfaces, worlds=worlds))
    return Resolution(packages=tuple(packages), main=(world.name.package,))
