"""The names of one generated module: which it declares, and which it imports under what alias.

Imports are noted while the module is written and stand above it at the end. Between generated modules they are
relative, so that a tree works wherever it is put.
"""

from __future__ import annotations

from typing import Final

from obelisk.codegen.emit.python_names import BUILTIN_TYPES
from obelisk.codegen.emit.writer import MAX_WIDTH, Block, NameTable

VALUES: Final = "obelisk.runtime.values"
RESOURCES: Final = "obelisk.runtime.resources"
CLIENT: Final = "obelisk.client"
WORKER: Final = "obelisk.worker"


class Scope:
    """Names of the module at `place`: its folders below the tree's root, then its own name."""

    def __init__(self, place: tuple[str, ...], *declared: str) -> None:
        self.place = place
        self._table = NameTable(*BUILTIN_TYPES, *declared)
        self._absolute: dict[str, set[str]] = {}
        self._relative: dict[tuple[str, ...], dict[str, str]] = {}

    def declare(self, wanted: str) -> str:
        """A name for something this module declares."""
        return self._table.unique(wanted)

    def use(self, module: str, name: str) -> str:
        """Import `name` from an absolute module. Such names are reserved (`python_names.CLASS_WORDS`)."""
        self._absolute.setdefault(module, set()).add(name)
        return name

    def value(self, name: str) -> str:
        """Import `name` from the module that all generated code may use."""
        return self.use(VALUES, name)

    def resource(self, name: str) -> str:
        """Import `name` from the module that generated code with resources uses."""
        return self.use(RESOURCES, name)

    def sibling(self, place: tuple[str, ...], name: str) -> str:
        """Import `name` from another generated module; gives its name here."""
        if place == self.place:
            return name
        names = self._relative.setdefault(place, {})
        if name not in names:
            names[name] = self._table.unique(name)
        return names[name]

    def adopt(self, place: tuple[str, ...], name: str) -> None:
        """Import `name` from another generated module under that very name, as one that this module declares."""
        self._relative.setdefault(place, {})[name] = name

    def imports(self) -> list[str]:
        """The import lines in the usual order, groups set apart."""
        block = Block()
        own = sorted(module for module in self._absolute if module in (CLIENT, RESOURCES, VALUES, WORKER))
        for module in sorted(self._absolute.keys() - own):
            _import(block, module, {name: name for name in self._absolute[module]})
        if own:
            block.add(*([""] if block.lines else []))
        for module in own:
            _import(block, module, {name: name for name in self._absolute[module]})
        if self._relative:
            block.add(*([""] if block.lines else []))
            relative = {self._dotted(place): names for place, names in self._relative.items()}
            for module in sorted(relative, key=lambda m: (-(len(m) - len(m.lstrip("."))), m)):
                _import(block, module, relative[module])
        return block.lines

    def _dotted(self, place: tuple[str, ...]) -> str:
        shared = 0
        while shared < min(len(place), len(self.place)) - 1 and place[shared] == self.place[shared]:
            shared += 1
        return "." * (len(self.place) - shared) + ".".join(place[shared:])


def _import(block: Block, module: str, names: dict[str, str]) -> None:
    items = [
        name if name == alias else f"{name} as {alias}" for name, alias in sorted(names.items(), key=_import_order)
    ]
    line = f"from {module} import {', '.join(items)}"
    if block.width(line) <= MAX_WIDTH:
        block.add(line)
    else:
        block.listed(f"from {module} import (", items, ")")


def _import_order(item: tuple[str, str]) -> tuple[int, str]:
    """Constants, classes, then the rest, as import sorters have it."""
    name = item[0]
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)
