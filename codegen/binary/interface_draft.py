"""Interfaces and worlds while they are put together, because a binary may tell of one interface in several places.

An import lists the part of an interface that a component uses, an export the whole of it: the draft under that name
collects both. `frozen` turns drafts into the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from obelisk.codegen.binary.package_docs import NO_INTERFACE_DOCS, NO_WORLD_DOCS, InterfaceDocs, WorldDocs
from obelisk.codegen.model.items import Function, Interface, World, WorldInterface, WorldItem
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import UNGATED, Stability, TypeDef


@dataclass(slots=True, kw_only=True)
class Draft:
    """Types and functions of an interface, or of a world, so far."""

    name: InterfaceName
    inline_name: str = ""
    docs: InterfaceDocs = NO_INTERFACE_DOCS
    types: dict[str, TypeDef] = field(default_factory=dict[str, TypeDef])
    functions: dict[str, Function] = field(default_factory=dict[str, Function])

    def frozen(self) -> Interface:
        """The interface as far as it is known."""
        return Interface(
            name=self.name,
            inline_name=self.inline_name,
            types=tuple(self.types.values()),
            functions=tuple(self.functions.values()),
            docs=self.docs.text,
            stability=self.docs.gates,
        )


@dataclass(slots=True, kw_only=True)
class InterfaceUse:
    """A world's import or export of an interface: `draft` all of it, `declared` what this import or export lists."""

    draft: Draft
    declared: Draft
    label: str = ""
    external_id: str = ""
    docs: str = ""
    stability: Stability = UNGATED

    def frozen(self, *, as_declared: bool) -> WorldInterface:
        """The world's item, with the whole interface or only with what is declared here."""
        return WorldInterface(
            interface=(self.declared if as_declared else self.draft).frozen(),
            label=self.label,
            external_id=self.external_id,
            docs=self.docs,
            stability=self.stability,
        )


@dataclass(slots=True, kw_only=True)
class WorldDraft:
    """A world so far; `own` holds the types that it declares itself."""

    own: Draft
    docs: WorldDocs = NO_WORLD_DOCS
    imports: list[InterfaceUse | Function | TypeDef] = field(default_factory=list[InterfaceUse | Function | TypeDef])
    exports: list[InterfaceUse | Function | TypeDef] = field(default_factory=list[InterfaceUse | Function | TypeDef])

    def frozen(self, *, as_declared: bool) -> World:
        """The world; `as_declared` limits each interface to what this world's import or export lists."""

        def item(draft: InterfaceUse | Function | TypeDef) -> WorldItem:
            return draft.frozen(as_declared=as_declared) if isinstance(draft, InterfaceUse) else draft

        return World(
            name=self.own.name,
            imports=tuple(item(i) for i in self.imports),
            exports=tuple(item(i) for i in self.exports),
            docs=self.docs.text,
            stability=self.docs.gates,
        )
