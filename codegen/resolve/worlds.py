"""Resolves a world: its own items, those it includes, and then its completion.

Codes: ``duplicate-name`` (two items of one name among the imports or among the exports), ``include-conflict``,
``unknown-name`` (a ``with`` that renames nothing), ``excluded-by-feature``, ``conflicting-gates``,
``ambiguous-export``, ``worlds-too-large``. Source: WIT.md "WIT Worlds", "Item: `world`", "Item: `include`".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from obelisk.codegen.diagnostics import Related
from obelisk.codegen.model.items import Copied, Interface, Origins, Place, World, WorldInterface, WorldItem, world_key
from obelisk.codegen.model.names import sameness
from obelisk.codegen.resolve.elaboration import MAX_WORLD_ITEMS, AmbiguousExport, Elaborator, merged_stability
from obelisk.codegen.resolve.inclusion import Copier, plain_name
from obelisk.codegen.resolve.interfaces import ItemResolver
from obelisk.codegen.resolve.scopes import Scope, difference
from obelisk.codegen.source import Span
from obelisk.codegen.syntax import ast


def _unique(key: str) -> str:
    """What must differ between two names of one side (Explainer.md, "strongly unique")."""
    if key.startswith("[constructor]"):
        return sameness(key)
    if ":" in key:  # an interface of a package: where it stands tells it apart
        return key.lower()
    resource, _, function = sameness(key).rpartition("]")[2].partition(".")
    return resource if function in ("", resource) else f"{resource}.{function}"


def _too_alike(key: str, other: str) -> str:
    if sameness(key) == sameness(other):
        return difference(key, other)
    return f"cannot stand next to `{other}`: a function of a resource must not have the resource's name"


@dataclass(slots=True)
class _Side:
    """The imports or the exports of a world: what is in, and all names that are taken, gated ones too."""

    word: str
    items: dict[str, WorldItem] = field(default_factory=dict[str, WorldItem])
    taken: dict[str, tuple[str, Span]] = field(default_factory=dict[str, "tuple[str, Span]"])


@dataclass(slots=True, kw_only=True)
class WorldResolver:
    """Resolves one world; `items` resolves in the world's scope."""

    items: ItemResolver
    elaborator: Elaborator
    _imports: _Side = field(default_factory=lambda: _Side("import"))
    _exports: _Side = field(default_factory=lambda: _Side("export"))
    _written: list[Place] = field(default_factory=list[Place])
    _copied: list[Copied] = field(default_factory=list[Copied])

    def world(self, declaration: ast.World) -> World:
        """The world of `declaration`, which becomes the scope's."""
        items, scope = self.items, self.items.scope
        stability = items.gates.read(declaration.attributes)
        scope.excluded = not items.gates.includes(stability, declaration.name.span)
        items.declare(declaration.items)
        typedefs = items.define_types(declaration.items)
        for name, entry in scope.entries.items():
            if entry.span is not None:
                self._imports.taken[sameness(name)] = (name, entry.span)
        for typedef in typedefs:
            self._imports.items[typedef.name] = typedef
            self._written.append((False, typedef.name))
        for item in declaration.items:
            self._own(item)
        for item in declaration.items:
            if isinstance(item, ast.Include):
                self._include(item)
        imports, exports = self._completed(declaration.name)
        if not self.elaborator.spend(len(imports) + len(exports)):
            message = f"the worlds up to `{declaration.name.text}` have more than {MAX_WORLD_ITEMS} imports and exports"
            items.collector.error("worlds-too-large", declaration.name.span, message)
            imports = exports = ()
        scope.world = World(
            name=scope.owner,
            imports=imports,
            exports=exports,
            origins=Origins(written=tuple(self._written), copied=tuple(self._copied)),
            docs=declaration.docs,
            stability=stability,
        )
        return scope.world

    def _completed(self, name: ast.Name) -> tuple[tuple[WorldItem, ...], tuple[WorldItem, ...]]:
        try:
            return self.elaborator.complete(self._imports.items, self._exports.items)
        except AmbiguousExport as fault:
            through = "` needs `".join(fault.path)
            message = f"`{fault.exported}` is exported by world `{name.text}` and would have to be imported too"
            hint = f"`{through}`: export all of these, or not `{fault.exported}`"
            self.items.collector.error("ambiguous-export", name.span, message, hint=hint)
            return tuple(self._imports.items.values()), tuple(self._exports.items.values())

    # --- own items ----------------------------------------------------------------------------------------------------
    def _own(self, item: ast.WorldItem) -> None:
        match item:
            case ast.TypeDeclaration(body=ast.Resource()):
                for function in self.items.resource_functions(item):
                    self._imports.items[function.export_name] = function
                    self._written.append((False, function.export_name))
            case ast.Extern(direction=direction):
                side = self._imports if direction == "import" else self._exports
                found = self._extern(item)
                if found is not None:
                    key, included = found
                    if self._take(side, key, item.name.span) and included is not None:
                        side.items[key] = included
                        self._written.append((side is self._exports, key))
            case _:
                pass

    def _take(self, side: _Side, key: str, span: Span) -> bool:
        """Reserve a name; one that is taken is reported."""
        spelling, first = side.taken.setdefault(_unique(key), (key, span))
        if first is span:
            return True
        message = f"`{key}` is {side.word}ed more than once"
        if spelling != key:
            message = f"the {side.word} `{key}` {_too_alike(key, spelling)}"
        related = (Related(first, "first declared here"),)
        self.items.collector.error("duplicate-name", span, message, related=related)
        return False

    def _extern(self, extern: ast.Extern) -> tuple[str, WorldItem | None] | None:
        """The key of an import or export and, when it is in, the item; None when it could not be resolved."""
        match extern.item:
            case ast.Function(name=name, faulty=True):
                return name.text, None
            case ast.Function() as declaration:
                return declaration.name.text, self.items.function(declaration)
            case ast.Interface() as declaration:
                interface, included = self._inline(declaration)
                external_id = self.items.gates.external_id(declaration.attributes)
                item = WorldInterface(interface=interface, external_id=external_id, stability=interface.stability)
                return declaration.name.text, item if included else None
            case ast.ExternPath() as declaration:
                return self._path(declaration)

    def _inline(self, declaration: ast.Interface) -> tuple[Interface, bool]:
        name = declaration.name
        scope = Scope(owner=self.items.scope.owner, owner_item=name.text, span=name.span, broken=declaration.broken)
        resolver = ItemResolver(
            scope=scope,
            file=self.items.file,
            gates=self.items.gates,
            facts=self.items.facts,
            collector=self.items.collector,
        )
        return resolver.interface(declaration), not scope.excluded

    def _path(self, declaration: ast.ExternPath) -> tuple[str, WorldItem | None] | None:
        gates, name = self.items.gates, declaration.path.name
        stability = gates.read(declaration.attributes)
        external_id = gates.external_id(declaration.attributes)
        included = gates.includes(stability, name.span)
        target = self.items.file.interface(declaration.path, included=included)
        label = declaration.label.text if declaration.label else ""
        if target is None:
            return None
        key = label or str(target.owner)
        if not included:
            return key, None
        if target.excluded and not self.items.scope.excluded:
            message = f"the interface `{name.text}` is left out, because its feature is not selected"
            self.items.collector.error("excluded-by-feature", name.span, message)
        if target.interface is None or target.excluded:
            return key, None
        item = WorldInterface(
            interface=target.interface,
            label=label,
            external_id=external_id,
            docs=declaration.docs,
            stability=stability,
        )
        return key, item

    # --- included items -----------------------------------------------------------------------------------------------
    def _include(self, include: ast.Include) -> None:
        gates, name = self.items.gates, include.path.name
        stability = gates.read(include.attributes)
        included = gates.includes(stability, name.span)
        target = self.items.file.world(include.path, included=included)
        if target is None or not included:
            return
        if target.excluded and not self.items.scope.excluded:
            message = f"the world `{name.text}` is left out, because its feature is not selected"
            self.items.collector.error("excluded-by-feature", name.span, message)
        elif target.world is not None:
            self._check_renames(include, target)
            self._copy(include, target.world)

    def _check_renames(self, include: ast.Include, target: Scope) -> None:
        if target.world is None or target.broken or not include.renames:
            return
        items = (*target.world.imports, *target.world.exports)
        known = dict.fromkeys(name for item in items if (name := plain_name(item)))
        fixed = {item.interface.name.name for item in items if isinstance(item, WorldInterface)}
        for renamed in include.renames:
            if renamed.name.text not in known:
                message = f"world `{target.owner.name}` has no import or export of the plain name `{renamed.name.text}`"
                hint = "an interface's own name cannot be changed"
                if renamed.name.text not in fixed:
                    hint = self.items.collector.did_you_mean(renamed.name.text, known)
                self.items.collector.error("unknown-name", renamed.name.span, message, hint=hint)

    def _copy(self, include: ast.Include, world: World) -> None:
        renames = {renamed.name.text: renamed.local.text for renamed in reversed(include.renames)}
        owner = self.items.scope.owner
        copier = Copier(old=world.name, new=owner, renames=renames)
        foreign = world.name.package != owner.package
        copied: list[tuple[Place, Place]] = []
        for side, items in ((self._imports, world.imports), (self._exports, world.exports)):
            for old in items:
                item = copier.item(old)
                if self._copy_item(side, item, include, foreign=foreign):
                    is_export = side is self._exports
                    copied.append(((is_export, world_key(item)), (is_export, world_key(old))))
        self._copied.append(Copied(world=world.name, items=tuple(copied)))

    def _copy_item(self, side: _Side, item: WorldItem, include: ast.Include, *, foreign: bool) -> bool:
        """Whether the item is a copy; an interface with a name of its own is shared."""
        span, key = include.path.name.span, world_key(item)
        if not isinstance(item, WorldInterface) or plain_name(item):
            return self._copy_plain(side, key, item, span)
        old = side.items.get(key)
        # An import that its own gate leaves out does not keep the included one out.
        side.taken.setdefault(_unique(key), (key, span))
        merged = merged_stability(old if isinstance(old, WorldInterface) else item, item, foreign=foreign)
        if merged is None:
            message = f"`{key}` is gated otherwise where it is included from"
            self.items.collector.error("conflicting-gates", span, message)
        else:
            side.items[key] = merged
        return False

    def _copy_plain(self, side: _Side, key: str, item: WorldItem, span: Span) -> bool:
        spelling, first = side.taken.setdefault(_unique(key), (key, span))
        if first is span and key not in side.items and spelling == key:
            side.items[key] = item
            return True
        message = f"the included {side.word} `{key}` is in this world already"
        if spelling != key:
            message = f"the included {side.word} `{key}` {_too_alike(key, spelling)}"
        hint = f"rename it: `include … with {{ {plain_name(item)} as another-name }}`"
        related = () if first is span else (Related(first, "the other one comes from here"),)
        self.items.collector.error("include-conflict", span, message, hint=hint, related=related)
        return False
