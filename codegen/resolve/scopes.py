"""What names mean, and where: the names of an interface or world, of a package, of a file.

A `Scope` exists from the start, so that paths can point at it, and is filled when its item is resolved. Faulty names
stay in it as POISONED and names whose feature is not selected as EXCLUDED: looking one up tells why, once.
Source: WIT.md "Name resolution", "Interfaces, worlds, and `use`".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final

from obelisk.codegen.diagnostics import Collector, Related
from obelisk.codegen.model.items import Interface, Package, World
from obelisk.codegen.model.names import InterfaceName, PackageName, sameness
from obelisk.codegen.model.types import ResourceType, TypeDef
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast

POISON: Final = TypeDef(name="", owner=InterfaceName(PackageName("", ""), ""), body=ResourceType())
"""Stands for a type that could not be resolved: an error was reported, and nothing more is said about its uses."""


class EntryKind(enum.Enum):
    """What a name in a scope is."""

    TYPE = "type"
    FUNCTION = "function"
    EXCLUDED = "excluded"
    POISONED = "poisoned"


@dataclass(frozen=True, slots=True)
class Entry:
    """A name's meaning; `span` is None when it was not read from text."""

    kind: EntryKind
    span: Span | None
    typedef: TypeDef = POISON


@dataclass(slots=True, kw_only=True)
class Scope:
    """The names of an interface or a world, and the resolved item once it is known."""

    owner: InterfaceName
    owner_item: str = ""
    is_world: bool = False
    span: Span | None = None
    broken: bool = False
    excluded: bool = False
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    spellings: dict[str, str] = field(default_factory=dict[str, str])
    interface: Interface | None = None
    world: World | None = None

    @property
    def word(self) -> str:
        """``world`` or ``interface``."""
        return "world" if self.is_world else "interface"

    def declare(self, name: ast.Name, entry: Entry, collector: Collector) -> bool:
        """Add a name; one that is taken, in any spelling, is reported (``duplicate-name``) and not added."""
        spelling = self.spellings.setdefault(sameness(name.text), name.text)
        earlier = self.entries.get(spelling)
        if earlier is None:
            self.entries[name.text] = entry
            return True
        report_duplicate(collector, name, spelling, earlier.span)
        return False


def difference(name: str, other: str) -> str:
    """How two names differ that are not different enough."""
    letters, dashes = name.replace("-", "") != other.replace("-", ""), name.lower() != other.lower()
    what = "case and dashes" if letters and dashes else "dashes" if dashes else "case"
    return f"differs from `{other}` in {what} only"


def report_duplicate(collector: Collector, name: ast.Name, spelling: str, first: Span | None) -> None:
    """Report that `name` is declared again, first as `spelling` at `first`."""
    message = f"the name `{name.text}` is defined more than once"
    if spelling != name.text:
        message = f"the name `{name.text}` {difference(name.text, spelling)}"
    related = (Related(first, "first declared here"),) if first else ()
    collector.error("duplicate-name", name.span, message, related=related)


@dataclass(slots=True, kw_only=True)
class PackageScope:
    """The interfaces and worlds of a package; `broken` when a syntax error may hide some."""

    name: PackageName
    items: dict[str, Scope] = field(default_factory=dict[str, Scope])
    broken: bool = False


def scope_of_package(package: Package) -> PackageScope:
    """The scope of a package that is already resolved (one decoded from a component, for example)."""
    items: dict[str, Scope] = {}
    for interface in package.interfaces:
        items[interface.name.name] = scope_of_interface(interface)
    for world in package.worlds:
        items[world.name.name] = Scope(owner=world.name, is_world=True, world=world)
    return PackageScope(name=package.name, items=items)


def scope_of_interface(interface: Interface) -> Scope:
    """The scope of an interface that is already resolved."""
    entries = {typedef.name: Entry(EntryKind.TYPE, None, typedef) for typedef in interface.types}
    for function in interface.functions:
        entries.setdefault(function.name, Entry(EntryKind.FUNCTION, None))
    return Scope(owner=interface.name, owner_item=interface.inline_name, entries=entries, interface=interface)


@dataclass(slots=True, kw_only=True)
class FileScope:
    """Looks up the paths of one file (or nested package): its own names, its package's, other packages'.

    Every failure is reported once and answered with None. Codes: ``unknown-name``, ``unknown-package``,
    ``not-an-interface``, ``not-a-world``.
    """

    package: PackageScope
    packages: dict[PackageName, PackageScope]
    collector: Collector
    broken: bool = False
    names: dict[str, Scope | None] = field(default_factory=dict[str, "Scope | None"])
    misnamed: dict[InterfaceName, Span] = field(default_factory=dict[InterfaceName, Span])

    def interface(self, path: ast.UsePath, *, included: bool = True) -> Scope | None:
        """The interface that `path` names; unless `included`, its gate leaves the statement out and it may be gone."""
        scope = self.item(path, "interface", included=included)
        if scope is None or not scope.is_world:
            return scope
        if included or path.package is None:
            self.misnamed.setdefault(scope.owner, path.name.span)
            message = f"`{path.name.text}` is a world, not an interface"
            self.collector.error("not-an-interface", path.name.span, message, related=_declared(scope))
        return None

    def world(self, path: ast.UsePath, *, included: bool = True) -> Scope | None:
        """The world that `path` names; unless `included`, its gate leaves the statement out and it may be gone."""
        scope = self.item(path, "world", included=included)
        if scope is None:
            return None
        if scope.is_world:
            if path.package is not None and scope.owner in self.misnamed:
                message = f"`{path.name.text}` is taken for an interface in this file, so it cannot be a world here"
                related = (Related(self.misnamed[scope.owner], "an interface is expected here"),)
                self.collector.error("not-an-interface", path.name.span, message, related=related)
            return scope
        if included or path.package is None:
            message = f"`{path.name.text}` is an interface, not a world"
            self.collector.error("not-a-world", path.name.span, message, related=_declared(scope))
        return None

    def item(self, path: ast.UsePath, wanted: str, *, included: bool = True) -> Scope | None:
        """The interface or world that `path` names; `wanted` is the word for it in messages."""
        if path.package is not None:
            return self._foreign(path.package, path.name, wanted, included=included)
        name = path.name
        if name.text in self.names:
            return self.names[name.text]
        scope = self.package.items.get(name.text)
        if scope is None and not (self.broken or self.package.broken):
            known = [*self.names, *self.package.items]
            hint = self.collector.did_you_mean(name.text, known)
            message = f"there is no {wanted} `{name.text}` in this package"
            self.collector.error("unknown-name", name.span, message, hint=hint)
        return scope

    def _foreign(self, reference: ast.PackageRef, name: ast.Name, wanted: str, *, included: bool) -> Scope | None:
        package = self.packages.get(reference.name)
        if package is None:
            self._unknown_package(reference)
            return None
        scope = package.items.get(name.text)
        if scope is None and included and not package.broken:
            hint = self.collector.did_you_mean(name.text, package.items)
            message = f"there is no {wanted} `{name.text}` in package `{package.name}`"
            self.collector.error("unknown-name", name.span, message, hint=hint)
        return scope

    def _unknown_package(self, reference: ast.PackageRef) -> None:
        wanted = reference.name
        same = [str(p) for p in self.packages if (p.namespace, p.name) == (wanted.namespace, wanted.name)]
        hint = f"known is `{'`, `'.join(same[:3])}`" if same else ""
        hint = hint or self.collector.did_you_mean(str(wanted), map(str, self.packages))
        hint = hint or "put it into the `deps` folder"
        message = f"the package `{wanted}` is not known"
        self.collector.error("unknown-package", reference.span, message, hint=hint)


def _declared(scope: Scope) -> tuple[Related, ...]:
    return (Related(scope.span, f"the {scope.word} is declared here"),) if scope.span else ()
