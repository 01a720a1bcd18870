"""The files of the package that a guest in Python imports, by path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from obelisk.codegen.emit.guest.annotations import VALUES
from obelisk.codegen.emit.guest.layout import EXPORTS, IMPORTS, ROOT, Guest
from obelisk.codegen.emit.guest.modules import interface_module, protocols_module, world_module
from obelisk.codegen.emit.writer import docstring, render
from obelisk.codegen.model.items import Interface
from obelisk.codegen.model.names import InterfaceName

FOLDER: Final = "guest"
"""Where a generated tree has the package: what a guest's author puts on the path of an editor or a type checker."""


def guest_package(guest: Guest, stamp: str) -> dict[str, str]:
    """``wit_world/…`` and ``componentize_py_types.py``; `stamp` is the first line of each, a comment."""
    files = {f"{VALUES}.py": render("guest_types.py.j2", stamp=stamp)}
    files[f"{ROOT}/__init__.py"] = world_module(guest, stamp)
    for interface, name in _modules(guest.imports, guest.import_names):
        files[f"{ROOT}/{IMPORTS}/{name}.py"] = interface_module(guest, IMPORTS, interface, stamp)
    for interface, name in _modules(guest.exports, guest.export_names):
        files[f"{ROOT}/{EXPORTS}/{name}.py"] = interface_module(guest, EXPORTS, interface, stamp)
    if guest.imports:
        what = docstring("What components import: a module for each interface.")
        files[f"{ROOT}/{IMPORTS}/__init__.py"] = "\n".join([stamp, *what, ""])
    if guest.exports:
        files[f"{ROOT}/{EXPORTS}/__init__.py"] = protocols_module(guest, stamp)
    return files


def _modules(interfaces: Sequence[Interface], names: Mapping[InterfaceName, str]) -> Sequence[tuple[Interface, str]]:
    return [(interface, names[interface.name]) for interface in interfaces]
