"""The packages that WIT in a folder may use without bringing them: those that a build of it would find.

These are the packages shipped with this program (the engine's, WASI's), those in the `wit` folders of the
project's builds or next to what is given, and the extensions that are generated from these and from what is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from obelisk.cli import console
from obelisk.cli.settings import DEFAULT_NAME, read_config
from obelisk.codegen import extensions
from obelisk.codegen.model.items import Package
from obelisk.codegen.resolve.gates import Features
from obelisk.codegen.resolve.load import load
from obelisk.codegen.resolve.packages import Group
from obelisk.codegen.resolve.resolver import resolve_groups
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax.printer import print_package
from obelisk.runtime.errors import ObeliskError

_WIT: Final = "wit"
"""Where builds have the packages that they declare, unless they say otherwise."""
_SHIPPED: Final = (("obelisk", "wit"), ("obelisk.cli.building", "wit"))


def packages(paths: Sequence[Path]) -> Sequence[Group]:
    """See the module's text. What cannot be read is left out: the command that is given it tells what is wrong."""
    engine = list(shipped())
    projects = dict.fromkeys(project for path in paths if (project := _project(path)) is not None)
    nearby = [place for path in paths if (place := path.resolve().parent / _WIT).is_dir()]
    folders = dict.fromkeys((*(folder for project in projects for folder in _wit_folders(project)), *nearby))
    own = [group for folder in folders for group in _groups(folder)]
    types = engine_types()
    extended = [group for path in (*folders, *paths) for group in _extensions(path, types, [*own, *engine])]
    return [*own, *extended, *engine]


def engine_types() -> Package:
    """The package ``obelisk:types`` as it is shipped."""
    name = extensions.TYPES
    with resources.as_file(resources.files("obelisk") / "wit" / f"obelisk_types@{name.version}") as folder:
        resolution = load([folder]).resolution
    package = resolution.package(name) if resolution else None
    if package is None:
        raise AssertionError(f"{name} is shipped with the program")
    return package


def offered() -> Sequence[Package]:
    """The packages that come with this program, in topological order."""
    resolution = resolve_groups([Group(files=group.files) for group in shipped()], features=Features()).resolution
    if resolution is None:
        raise AssertionError("the packages that come with the program are right")
    return resolution.packages


def shipped() -> Iterator[Group]:
    """The packages that come with this program."""
    for module, name in _SHIPPED:
        with resources.as_file(resources.files(module) / name) as root:
            for folder in sorted(root.iterdir()):
                if folder.is_dir():
                    yield from _groups(folder)


def _groups(folder: Path) -> Iterator[Group]:
    """The packages in a folder, and those that its `deps` hold."""
    for group in load([folder]).groups:
        yield Group(files=group.files, is_spare=True)


def _project(path: Path) -> Path | None:
    """The nearest configuration file in a folder or above a path."""
    place = path.resolve()
    return next((at / DEFAULT_NAME for at in (place, *place.parents) if (at / DEFAULT_NAME).is_file()), None)


def _wit_folders(project: Path) -> Sequence[Path]:
    try:
        config = read_config(project)
    except ObeliskError as error:
        console.note(f"the packages of the project are not looked at: {error.message}")
        return ()
    folders = dict.fromkeys(config.folder / name for build in config.builds.values() for name in build.wit)
    return [folder for folder in folders if folder.is_dir()]


def _extensions(path: Path, types: Package, known: Sequence[Group]) -> Iterator[Group]:
    """The extensions of the packages in `path`, as text."""
    resolution = load([path], spares=known).resolution
    if resolution is None:
        return
    for package in resolution.packages:
        if package.name in resolution.main and extensions.is_extended(package.name):
            for extension in extensions.extend(package, types).packages:
                text = SourceFile(f"generated/{extension.name}.wit", print_package(extension))
                yield Group(files=(text,), is_spare=True)
