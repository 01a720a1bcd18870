"""What a built component was made from: the file `NAME.stamp` next to it.

Its first line is a digest of everything, tools and settings too. The other lines are the files, each with its digest,
so that a deployment sees, without building anything, that one of them changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from obelisk.runtime.wiring.config import ComponentConfig


def stamp_of(component: Path) -> Path:
    """Where the stamp of a component stands."""
    return component.with_suffix(".stamp")


def render(digest: str, files: Iterable[Path], component: Path) -> str:
    """The text of a stamp; files are named from the component's folder."""
    lines = [f"{_digest(path)} {os.path.relpath(path, component.parent)}" for path in sorted(set(files))]
    return "\n".join([digest, *lines, ""])


def changed(component: Path) -> list[Path]:
    """The files that are not as they were when the component was built. A file that is gone tells nothing: where a
    component is deployed its sources need not be."""
    try:
        _, *lines = stamp_of(component).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    found: list[Path] = []
    for line in lines:
        digest, _, name = line.partition(" ")
        path = component.parent / name
        if path.is_file() and _digest(path) != digest:
            found.append(Path(os.path.normpath(path)))
    return found


def stale(components: Iterable[ComponentConfig]) -> Iterator[str]:
    """For each component that was built before one of its sources changed, a sentence that says so."""
    for component in components:
        files = [] if component.is_wit else changed(component.path)
        if files:
            built = f"{component.path} was built before {files[0]} changed"
            yield f"{component.name} is not what its sources say: {built}"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
