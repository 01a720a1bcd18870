"""Components that are WIT alone, read from a file or the folder of a package.

What the package uses may stand in its `deps`, in the folders next to it, or among the packages of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Final

from obelisk.codegen.resolve.load import load
from obelisk.runtime.catalog.wit_text import packed
from obelisk.runtime.errors import ComponentError

SUFFIX: Final = ".wit"


def is_wit(path: Path) -> bool:
    """Whether a path is WIT: a file of that ending, or a folder that has some."""
    return path.suffix == SUFFIX if path.is_file() else any(path.glob(f"*{SUFFIX}"))


def read(path: Path) -> bytes:
    """The canonical text of the package in `path`. ComponentError: it is not there, has errors, or no function."""
    if not path.exists():
        raise ComponentError(f"{path}: there is no such file or folder")
    loaded = load([path])
    spares = [group for place in _beside(path) for group in load([place]).groups]
    with resources.as_file(resources.files("obelisk") / "wit") as shipped:
        spares += [group for folder in sorted(shipped.iterdir()) if folder.is_dir() for group in load([folder]).groups]
    if not loaded.groups:
        raise ComponentError(f"{path}: there is no .wit file in it")
    return packed(loaded.groups, [replace(spare, is_main=False, is_spare=True) for spare in spares])


def _beside(path: Path) -> Iterator[Path]:
    """The folders of packages next to the folder that is read."""
    own = path.resolve()
    others = sorted(place for place in own.parent.iterdir() if place != own) if own.is_dir() else []
    yield from (place for place in others if place.is_dir() and is_wit(place))
