"""The library that guests import, `obelisk_guest`: its files, which the build puts into the components that use it.

It is installed next to this program, and read as the component's own modules are: what it imports of `wit_world` is
part of the component's world.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

NAME: Final = "obelisk_guest"
CALLS: Final = f"{NAME}.calls"
"""The module that starts functions as children, for which it needs the extensions of their interfaces."""


def folder() -> Path:
    """The folder that has the package; the program is installed as files."""
    with resources.as_file(resources.files("obelisk")) as program:
        return program.parent


def offered() -> Sequence[str]:
    """The modules that authors import: ``from obelisk_guest import http``."""
    return ("http", "httpx", "logging", "workflow")


def is_of(name: str) -> bool:
    """Whether a module of this name is in the library."""
    return name.partition(".")[0] == NAME
