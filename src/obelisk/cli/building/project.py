"""Building what a configuration says: each component only when its sources, its WIT or its tools changed.

The sources of a component in Python are the modules that it imports, not all of a folder that components share.

A component appears under its name when it is complete; a stamp next to it says what it was made from.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obelisk.cli.building import foreign, inferred, languages, library, prelude, toolchains, worlds
from obelisk.cli.building.languages import Task
from obelisk.cli.building.modules import Module, at, modules
from obelisk.cli.building.worlds import BuildWorld
from obelisk.cli.errors import CommandError
from obelisk.cli.sources import stamps
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.wiring.builds import BuildConfig
from obelisk.runtime.wiring.config import Config

_SUFFIXES: Final = {
    "javascript": (".js", ".mjs", ".json"),
    "c": (".c", ".h"),
    "rust": (".rs",),
}
_FOREIGN: Final = ("__pycache__", "node_modules")
_FORMAT: Final = 2
"""Part of every stamp: to be raised when what is built from the same sources changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A component that is as it should be; `is_new` says whether it had to be built."""

    name: str
    path: Path
    size: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A component to build, all paths resolved; `library` are the modules of `obelisk_guest` in it, by path."""

    name: str
    build: BuildConfig
    source: Path
    output: Path
    world: BuildWorld
    flags: tuple[str, ...]
    prelude: str
    sources: tuple[Path, ...]
    library: Mapping[str, str]
    wasi: bool


def build(config: Config, names: Sequence[str], *, force: bool, say: Callable[[str], None]) -> Iterator[Built]:
    """Build the components `names` (none: all that have a ``[build.…]`` table), in the order of the file.

    CommandError: config_invalid, file_not_found, build_failed, tool_missing; what was built before stays built.
    """
    for wanted in _wanted(config, names, say):
        stamp = stamps.render(_digest(wanted), wanted.sources + _wit_files(wanted, config.folder), wanted.output)
        mark = stamps.stamp_of(wanted.output)
        if not force and wanted.output.exists() and mark.exists() and mark.read_text() == stamp:
            yield Built(name=wanted.name, path=wanted.output, size=wanted.output.stat().st_size, is_new=False)
            continue
        binary = _make(wanted, config.folder.resolve(), say)
        wanted.output.parent.mkdir(parents=True, exist_ok=True)
        mark.unlink(missing_ok=True)
        unfinished = wanted.output.with_suffix(".partial")
        unfinished.write_bytes(binary)
        unfinished.replace(wanted.output)
        mark.write_text(stamp)
        yield Built(name=wanted.name, path=wanted.output, size=len(binary), is_new=True)


def _wanted(config: Config, names: Sequence[str], say: Callable[[str], None]) -> Iterator[_Wanted]:
    if not config.builds:
        what = "no [build.…] table and no component with a source"
        raise CommandError("config_invalid", f"the configuration has {what}: nothing is to be built")
    outputs = {component.name: component.path for component in config.components if not component.is_wit}
    folder = config.folder.resolve()
    for name in names:
        if name not in config.builds:
            known = ", ".join(config.builds)
            raise CommandError("config_invalid", f"there is no [build.{name}]; there are {known}")
    for name, build_ in config.builds.items():
        if names and name not in names:
            continue
        if name not in outputs:
            raise CommandError("config_invalid", f"build.{name}: [component.{name}] has to name the file to build")
        source = folder / build_.source
        if not source.is_file():
            raise CommandError("file_not_found", f"build.{name}.source: {build_.source}: there is no such file")
        say(f"reading the WIT of {name}")
        with _told_of(name):
            is_python = build_.language == "python"
            found = modules(source, languages.as_shown(source.parent, folder)) if is_python else dict[str, Module]()
        packages = [folder / path for path in build_.wit]
        extensions = worlds.extend(packages, folder / build_.generated, for_guests=not build_.world)
        if build_.world:
            world = worlds.assemble(build_.world, packages, extensions, [folder / path for path in build_.worlds])
            flags, by_name = tuple[str, ...](), tuple[str, ...]()
            with _told_of(name):
                _require_own_names(found)
        else:
            guest = inferred.offered(packages, extensions)
            with _told_of(name):
                whole = inferred.infer(found, guest, packages, extensions, folder / build_.generated / name)
            world, flags, by_name = whole.world, whole.flags, whole.found_by_name
        with _told_of(name):
            foreign.check(found, is_workflow=_is_workflow(world))
        yield _Wanted(
            name=name,
            build=build_,
            source=source,
            output=outputs[name],
            world=world,
            flags=flags,
            prelude=prelude.prelude(found, by_name) if found else "",
            sources=tuple(module.path for module in found.values() if not module.is_library)
            or tuple(_neighbours(source, build_.language)),
            library={module.inside: module.text for module in found.values() if module.is_library},
            wasi=build_.wasi,
        )


def _require_own_names(found: Mapping[str, Module]) -> None:
    """The library knows the modules of `wit_world` as a world that follows from the code names them."""
    for module in found.values():
        for one in module.imports:
            if library.is_of(one.module) and not module.is_library and library.NAME in found:
                raise CommandError(
                    "build_failed",
                    f"{at(module, one.node)}: `{one.module}` needs a world that follows from the code",
                    hint="take `world` out of the component's [build.…] table",
                )


@contextlib.contextmanager
def _told_of(name: str) -> Generator[None]:
    """What is wrong in the code is told as that of this component."""
    try:
        yield
    except CommandError as error:
        raise CommandError(error.code, f"{name} cannot be built:\n{error.message}", hint=error.hint) from None


def _is_workflow(world: BuildWorld) -> bool:
    """Whether a component with this world drives executions: it asks the engine for it, or calls other components."""
    return any(name.package.namespace not in ("obelisk", "wasi") for name in world.called) or any(
        str(name.package).startswith("obelisk:workflow") for name in world.imports
    )


def _neighbours(source: Path, language: str) -> Iterator[Path]:
    """The sources of a language in the folder of one."""
    for path in sorted(source.parent.rglob("*")):
        if path.suffix in _SUFFIXES[language] and not set(path.relative_to(source.parent).parts) & set(_FOREIGN):
            yield path


def _make(wanted: _Wanted, folder: Path, say: Callable[[str], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as scratch:
        task = Task(
            name=wanted.name,
            source=wanted.source,
            folder=folder,
            world=wanted.world,
            flags=wanted.flags,
            prelude=wanted.prelude,
            library=wanted.library,
            wasi=wanted.wasi,
            scratch=Path(scratch),
            bindings=folder / wanted.build.generated / wanted.name,
            say=say,
        )
        binary = _builder(wanted.build)(task)
    try:
        describe(binary)
    except ComponentError as error:
        raise CommandError(
            "build_failed", f"{wanted.name}: what the tool made is no component: {error.message}"
        ) from None
    return binary


def _builder(build_: BuildConfig) -> Callable[[Task], bytes]:
    match build_.language, build_.engine:
        case "python", _:
            return languages.python
        case "javascript", "starlingmonkey":
            return languages.starlingmonkey
        case "javascript", _:
            return languages.quickjs
        case "rust", _:
            return languages.rust
        case _:
            return languages.c


def _wit_files(wanted: _Wanted, folder: Path) -> tuple[Path, ...]:
    """The WIT that the project declares for a component."""
    folders = [
        folder.resolve() / path for path in (*wanted.build.wit, *(wanted.build.worlds if wanted.build.world else ()))
    ]
    return tuple(path for folder in folders for path in sorted(folder.rglob("*.wit")))


def _digest(wanted: _Wanted) -> str:
    """A digest of everything the component is made from."""
    tools = {
        "python": toolchains.PYTHON,
        "javascript": {**toolchains.QUICKJS, **toolchains.STARLINGMONKEY},
        "c": {**toolchains.C, **toolchains.ADAPTER},
        "rust": {**toolchains.C, **toolchains.ADAPTER},
    }
    made_from = (_FORMAT, wanted.build, wanted.wasi, wanted.flags, wanted.prelude, tools[wanted.build.language])
    digest = hashlib.sha256(repr(made_from).encode())
    digest.update(wanted.world.text.encode())
    for path in sorted(wanted.sources):
        digest.update(f"\n{path.relative_to(wanted.source.parent).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    for name, text in sorted(wanted.library.items()):
        digest.update(f"\n{library.NAME}:{name}\n{text}".encode())
    return digest.hexdigest()
