"""Documentation and gates from the custom section ``package-docs`` of a WIT package in binary form.

One version byte, 0 or 1, then JSON: what belongs to an item stands under its name. Names that the package does not
have, another version and a section that is broken are passed over: documentation never makes a binary unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from obelisk.codegen.model.names import is_label
from obelisk.codegen.model.types import UNGATED, Stability
from obelisk.codegen.syntax.semver import is_version

_VERSIONS: Final = (0, 1)


class Gate(msgspec.Struct, frozen=True):
    """The arguments of ``@since`` or ``@unstable`` and ``@deprecated``."""

    since: str = ""
    feature: str = ""
    deprecated: str | None = None


class ItemDocs(msgspec.Struct, frozen=True):
    """Documentation and gates of one item."""

    docs: str | None = None
    stability: dict[str, Gate] | str = ""

    @property
    def text(self) -> str:
        """The documentation, empty when there is none."""
        return self.docs or ""

    @property
    def gates(self) -> Stability:
        """The item's gates."""
        return stability(self.stability)


class TypeDocs(ItemDocs, frozen=True):
    """A type's, with those of its fields, cases or flags under `items`."""

    items: dict[str, str] = {}


class InterfaceDocs(ItemDocs, frozen=True):
    """An interface's, with those of its functions and types."""

    funcs: dict[str, ItemDocs | str | None] = {}
    types: dict[str, TypeDocs] = {}


class WorldDocs(ItemDocs, frozen=True):
    """A world's; `interfaces` and `funcs` hold imports, and exports that no import shares the name with."""

    interfaces: dict[str, InterfaceDocs] = {}
    types: dict[str, TypeDocs] = {}
    funcs: dict[str, ItemDocs | str | None] = {}
    interface_exports: dict[str, InterfaceDocs] = {}
    func_exports: dict[str, ItemDocs | str | None] = {}
    interface_import_stability: dict[str, dict[str, Gate] | str] = {}
    interface_export_stability: dict[str, dict[str, Gate] | str] = {}
    interface_import_docs: dict[str, str] = {}
    interface_export_docs: dict[str, str] = {}


class PackageDocs(msgspec.Struct, frozen=True):
    """Everything about a package."""

    docs: str | None = None
    worlds: dict[str, WorldDocs] = {}
    interfaces: dict[str, InterfaceDocs] = {}


NO_TYPE_DOCS: Final = TypeDocs()
NO_INTERFACE_DOCS: Final = InterfaceDocs()
NO_WORLD_DOCS: Final = WorldDocs()
NO_PACKAGE_DOCS: Final = PackageDocs()
NO_ITEM_DOCS: Final = ItemDocs()


def read_package_docs(section: memoryview | None) -> PackageDocs:
    """The section's content; empty when there is none that can be read."""
    if section is None or not len(section) or section[0] not in _VERSIONS:
        return NO_PACKAGE_DOCS
    try:
        return msgspec.json.decode(section[1:], type=PackageDocs)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return NO_PACKAGE_DOCS


def function_docs(table: Mapping[str, ItemDocs | str | None], name: str) -> ItemDocs:
    """A function's; version 0 of the section held its text alone."""
    entry = table.get(name)
    if isinstance(entry, ItemDocs):
        return entry
    return ItemDocs(docs=entry) if entry else NO_ITEM_DOCS


def stability(value: dict[str, Gate] | str) -> Stability:
    """The gates that ``{"stable": {…}}`` or ``{"unstable": {…}}`` stands for; none where they are none of WIT's, since
    they are printed as WIT again."""
    gate = next(iter(value.values()), None) if isinstance(value, dict) else None
    if gate is None or not (is_version(gate.since) if gate.since else is_label(gate.feature)):
        return UNGATED
    deprecated = gate.deprecated if gate.deprecated and is_version(gate.deprecated) else ""
    return Stability(since=gate.since, feature="" if gate.since else gate.feature, deprecated=deprecated)
