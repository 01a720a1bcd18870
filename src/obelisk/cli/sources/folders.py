"""Components from the disk: a file, a folder of ``.wasm`` files, the folder of a WIT package, a project whose
``obelisk.toml`` names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from obelisk.cli.errors import CommandError
from obelisk.cli.settings import DEFAULT_NAME, read_config
from obelisk.cli.sources import stamps
from obelisk.cli.sources.fetched import Fetched, verified
from obelisk.cli.sources.references import FileReference
from obelisk.runtime.errors import ComponentError
from obelisk.runtime.wiring import wit_folders


def read(reference: FileReference) -> Sequence[Fetched]:
    """The component of a file, or all of a folder. CommandError: file_not_found, source_invalid, component_invalid."""
    path = reference.path
    if path.is_file() and wit_folders.is_wit(path):
        content = verified(_read_wit(path), reference.digest, str(path))
        return (Fetched(name=path.stem, content=content, origin=str(path)),)
    if not path.is_dir():
        content = verified(_read(path), reference.digest, str(path))
        return (Fetched(name=path.stem, content=content, origin=str(path)),)
    if reference.digest:
        raise CommandError("source_invalid", f"{path} is a folder: only a file has a digest")
    if (path / DEFAULT_NAME).is_file():
        return _project(path)
    if wit_folders.is_wit(path):
        return (Fetched(name=path.resolve().name, content=_read_wit(path), origin=str(path)),)
    files = sorted(file for file in path.glob("*.wasm") if file.is_file())
    if not files:
        hint = f"build its project first: `obelisk build {path}`"
        raise CommandError(
            "file_not_found", f"{path} has neither {DEFAULT_NAME} nor a file that ends in .wasm", hint=hint
        )
    return tuple(Fetched(name=file.stem, content=_read(file), origin=str(file)) for file in files)


def _project(path: Path) -> Sequence[Fetched]:
    """The components that a project's configuration deploys, with the settings it gives them."""
    config = read_config(path / DEFAULT_NAME)
    if not config.components:
        raise CommandError("source_invalid", f"{path / DEFAULT_NAME} has no [component.…] section")
    for component in config.components:
        for told in stamps.stale([component]):
            raise CommandError(
                "source_invalid",
                told,
                hint=f"build it again: `obelisk build {path}`; its file alone is deployed as it is: "
                f"`obelisk component add {component.path}`",
            )
    return tuple(
        Fetched(
            name=component.name,
            content=_read_wit(component.path)
            if component.is_wit
            else _read(component.path, hint=f"build the project first: `obelisk build {path}`"),
            origin=str(component.path),
            settings=component.settings,
        )
        for component in config.components
    )


def _read_wit(path: Path) -> bytes:
    try:
        return wit_folders.read(path)
    except ComponentError as error:
        raise CommandError(error.code, error.message) from None


def _read(path: Path, hint: str = "") -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CommandError("file_not_found", f"{path}: there is no such file", hint=hint) from None
    except OSError as error:
        raise CommandError("component_invalid", f"{path}: {error.strerror}") from None
