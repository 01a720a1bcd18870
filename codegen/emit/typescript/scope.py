"""The imports of one generated TypeScript module: the runtime, and modules with types, each as a namespace.

A namespace of another module has two underscores, which neither the runtime's nor the name of a type has, so that
nothing a module declares hides what it uses; globals are reached through the runtime alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.typescript.names import type_name
from obelisk.codegen.emit.writer import line_comment
from obelisk.codegen.model.types import TypeDef

RUNTIME: Final = "obelisk"
FOLDER: Final = "typescript"


def types_place(unit: Unit) -> tuple[str, ...]:
    """Where the types of a unit are, below the tree's root."""
    return (unit.folder, FOLDER, "types", unit.module)


class Scope:
    """The module at `place`: its folders below the tree's root, then its own name."""

    def __init__(self, layout: Layout, place: tuple[str, ...]) -> None:
        self._layout = layout
        self._place = place
        self._used: dict[tuple[str, ...], str] = {}

    def named(self, type_: TypeDef) -> str:
        """A named type, and the constant of the same name."""
        unit = self._layout.unit_of(type_)
        place, name = types_place(unit), type_name(type_.name)
        if place == self._place:
            return name
        return f"{self._used.setdefault(place, f'{unit.folder}__{unit.module}')}.{name}"

    def head(self, stamp: str, docs: str) -> list[str]:
        """The lines above the module's own: stamp, documentation, imports."""
        imports = [f'import * as {RUNTIME} from "{self._path((RUNTIME, "index"))}";']
        imports += [f'import * as {alias} from "{self._path(place)}";' for place, alias in sorted(self._used.items())]
        return [f"// {stamp}", *line_comment("//", docs), "", *imports]

    def _path(self, place: Sequence[str]) -> str:
        """From this module to another, as ES modules are imported: by the name that it has once it is compiled."""
        shared = 0
        while shared < min(len(place), len(self._place)) - 1 and place[shared] == self._place[shared]:
            shared += 1
        up = len(self._place) - 1 - shared
        return f"{'../' * up or './'}{'/'.join(place[shared:])}.js"
