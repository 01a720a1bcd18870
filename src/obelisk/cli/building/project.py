"""Building what a configuration says: each component only when its sources, its WIT or its tools changed.

A component appears under its name when it is complete; a stamp next to it says what it was made from.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obelisk.cli.building import languages, toolchains, worlds
from obelisk.cli.building.languages import Task
from obelisk.cli.building.worlds import BuildWorld
from obelisk.cli.errors import CommandError
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.wiring.config import BuildConfig, Config

_SUFFIXES: Final = {
    "python": (".py",),
    "javascript": (".js", ".mjs", ".json"),
    "c": (".c", ".h"),
    "rust": (".rs",),
}
_FOREIGN: Final = ("__pycache__", "node_modules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A component that is as it should be; `is_new` says whether it had to be built."""

    name: str
    path: Path
    size: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A component to build, all paths resolved."""

    name: str
    build: BuildConfig
    source: Path
    output: Path
    world: BuildWorld
    wasi: bool


def build(config: Config, names: Sequence[str], *, force: bool, say: Callable[[str], None]) -> Iterator[Built]:
    """Build the components `names` (none: all that have a ``[build.…]`` table), in the order of the file.

    CommandError: config_invalid, file_not_found, build_failed, tool_missing; what was built before stays built.
    """
    for wanted in _wanted(config, names, say):
        stamp = _stamp(wanted)
        mark = wanted.output.with_suffix(".stamp")
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
        raise CommandError("config_invalid", "the configuration has no [build.…] table: nothing is to be built")
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
        packages = [folder / path for path in build_.wit]
        extensions = worlds.extend(packages, folder / build_.generated)
        world = worlds.assemble(build_.world, packages, extensions, [folder / path for path in build_.worlds])
        yield _Wanted(
            name=name,
            build=build_,
            source=source,
            output=outputs[name],
            world=world,
            wasi=build_.wasi,
        )


def _make(wanted: _Wanted, folder: Path, say: Callable[[str], None]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="obelisk-build-") as scratch:
        task = Task(
            name=wanted.name,
            source=wanted.source,
            folder=folder,
            world=wanted.world,
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


def _stamp(wanted: _Wanted) -> str:
    """A digest of everything the component is made from."""
    tools = {
        "python": toolchains.PYTHON,
        "javascript": {**toolchains.QUICKJS, **toolchains.STARLINGMONKEY},
        "c": {**toolchains.C, **toolchains.ADAPTER},
        "rust": {**toolchains.C, **toolchains.ADAPTER},
    }
    digest = hashlib.sha256(repr((wanted.build, wanted.wasi, tools[wanted.build.language])).encode())
    digest.update(wanted.world.text.encode())
    folder = wanted.source.parent
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix in _SUFFIXES[wanted.build.language] and not set(inside.parts) & set(_FOREIGN):
            digest.update(f"\n{inside.as_posix()}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
