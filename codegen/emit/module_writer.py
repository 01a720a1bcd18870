"""One generated module of bindings under way: its lines, its names, its annotations and conversions."""

from __future__ import annotations

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.conversions import Conversions
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.emit.writer import Block


class ModuleWriter:
    """The module ``bindings/<unit>.py``. What it declares must be in its scope before anything is used."""

    def __init__(self, layout: Layout, unit: Unit) -> None:
        self.layout = layout
        self.unit = unit
        self.block = Block()
        self.scope = Scope((unit.folder, "bindings", unit.module))
        self.annotations = Annotations(layout, self.scope)
        self.conversions = Conversions(layout, self.scope, self.annotations)

    def text(self, stamp: str, summary: str) -> str:
        """The whole source; `stamp` is its first line, a comment."""
        return module(stamp, summary, self.scope.imports(), self.block.text())
