"""The front end without a file system: WIT texts to a `Resolution`, or to diagnostics.

`resolve_sources` never raises on any text; whenever there is an error, `Loaded.resolution` is None and the diagnostics
say all that is wrong. Parsing, grouping into packages and resolving are steps of their own modules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from obelisk.codegen.diagnostics import MAX_RELATED, Collector, Diagnostic, Related
from obelisk.codegen.model.items import Interface, Package, Resolution
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.resolve.elaboration import Elaborator
from obelisk.codegen.resolve.facts import FactTable
from obelisk.codegen.resolve.gates import Features, Gates
from obelisk.codegen.resolve.graph import cycles, topological
from obelisk.codegen.resolve.interfaces import ItemResolver
from obelisk.codegen.resolve.packages import Group, PackageSource, by_name, in_order, packages_of, with_spares
from obelisk.codegen.resolve.scopes import FileScope, PackageScope, Scope, report_duplicate, scope_of_package
from obelisk.codegen.resolve.worlds import WorldResolver
from obelisk.codegen.source import SourceFile
from obelisk.codegen.syntax import ast
from obelisk.codegen.syntax.parser import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of some WIT: the resolution, None when there are errors; all diagnostics; the files that were read,
    also by package."""

    resolution: Resolution | None
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: tuple[SourceFile, ...] = ()
    groups: tuple[Group, ...] = ()


def resolve_sources(
    files: Sequence[SourceFile],
    deps: Sequence[Sequence[SourceFile]] = (),
    *,
    decoded: Sequence[Resolution] = (),
    features: frozenset[str] = frozenset(),
    all_features: bool = False,
) -> Loaded:
    """Resolve the package written in `files` (with packages nested in it) against the packages in `deps`.

    Each of `deps` holds the files of one package; `decoded` are packages read from binaries, which need no more
    resolving. `features` are the names selected for ``@unstable``.
    """
    groups = [Group(files=tuple(files), is_main=True), *(Group(files=tuple(dep)) for dep in deps)]
    return resolve_groups(groups, decoded=decoded, features=Features(names=features, all_of_them=all_features))


def resolve_groups(
    groups: Sequence[Group],
    *,
    decoded: Sequence[Resolution] = (),
    decoded_main: Collection[PackageName] = (),
    features: Features,
    collector: Collector | None = None,
) -> Loaded:
    """Resolve packages of several inputs together; `collector` may hold diagnostics from reading them.

    `decoded_main` names the decoded packages that the input itself declared.
    """
    collector = collector or Collector()
    sources: list[PackageSource] = []
    for group in groups:
        files = [parse(file, collector) for file in sorted(group.files, key=lambda file: file.path)]
        sources += packages_of(group, files, collector)
    names = {package.name for resolution in decoded for package in resolution.packages}
    given = by_name((source for source in sources if not source.is_spare), collector)
    packages = with_spares(given, (source for source in sources if source.is_spare), names)
    resolver = _Resolver(collector=collector, features=features)
    for resolution in decoded:
        resolver.add_decoded(resolution, packages)
    for name in packages:
        # A package on a cycle is looked into before it is resolved: nothing is said about its names.
        resolver.scopes.setdefault(name, PackageScope(name=name, broken=True))
    for source in in_order(packages, collector):
        resolver.package(source)
    declared = sorted((source for source in resolver.order if source.is_main), key=lambda source: not source.is_nested)
    main = (*decoded_main, *(source.name for source in declared))
    read = tuple(file for group in groups if not group.is_spare for file in group.files)
    diagnostics = collector.ordered()
    if collector.has_errors:
        return Loaded(resolution=None, diagnostics=diagnostics, sources=read, groups=tuple(groups))
    resolution = Resolution(packages=tuple(resolver.packages), main=main)
    return Loaded(resolution=resolution, diagnostics=diagnostics, sources=read, groups=tuple(groups))


@dataclass(slots=True, kw_only=True)
class _Resolver:
    """Resolves packages one after another, each behind those it uses."""

    collector: Collector
    features: Features
    scopes: dict[PackageName, PackageScope] = field(default_factory=dict[PackageName, PackageScope])
    interfaces: dict[InterfaceName, Interface] = field(default_factory=dict[InterfaceName, Interface])
    decoded: set[PackageName] = field(default_factory=set[PackageName])
    facts: FactTable = field(default_factory=FactTable)
    elaborator: Elaborator = field(init=False)
    packages: list[Package] = field(default_factory=list[Package])
    order: list[PackageSource] = field(default_factory=list[PackageSource])

    def __post_init__(self) -> None:
        self.elaborator = Elaborator(lookup=self.interfaces.get)

    def add_decoded(self, resolution: Resolution, written: Collection[PackageName]) -> None:
        """Make decoded packages known, the first of each name.

        A binary repeats, in part, the packages that its own ones use: those that are also `written` are left out.
        """
        for package in resolution.packages:
            repeated = package.name in written and package.name not in resolution.main
            if package.name in self.scopes or repeated:
                continue
            self.scopes[package.name] = scope_of_package(package)
            self.decoded.add(package.name)
            self.packages.append(package)
            for interface in package.interfaces:
                self.interfaces[interface.name] = interface
                for typedef in interface.types:
                    self.facts.record(typedef)

    def package(self, source: PackageSource) -> None:
        """Resolve one package."""
        self.order.append(source)
        if source.name in self.decoded:
            message = f"the package `{source.name}` is also given as a component binary"
            self.collector.error("duplicate-package", source.span, message)
            return
        scope = PackageScope(name=source.name, broken=any(part.broken for part in source.parts))
        self.scopes[source.name] = scope
        declared = self._declare(source, scope)
        files = [self._file_scope(part.items, scope, broken=part.broken) for part in source.parts]
        gates = Gates(package=source.name, features=self.features, collector=self.collector)
        where = {name: (item, files[index]) for name, (item, index) in declared.items()}
        interfaces: list[Scope] = []
        worlds: list[Scope] = []
        for name in self._order(where):
            item, file = where[name]
            items = ItemResolver(
                scope=scope.items[name], file=file, gates=gates, facts=self.facts, collector=self.collector
            )
            if isinstance(item, ast.Interface):
                interface = items.interface(item)
                if not items.scope.excluded:
                    self.interfaces[interface.name] = interface
                interfaces.append(items.scope)
            else:
                worlds.append(items.scope)
        for world_scope in worlds:
            item, file = where[world_scope.owner.name]
            if isinstance(item, ast.World):
                items = ItemResolver(
                    scope=world_scope, file=file, gates=gates, facts=self.facts, collector=self.collector
                )
                WorldResolver(items=items, elaborator=self.elaborator).world(item)
        self.packages.append(_package(source, interfaces, worlds))

    def _declare(self, source: PackageSource, scope: PackageScope) -> dict[str, tuple[ast.Interface | ast.World, int]]:
        """Enter the interfaces and worlds of all files; the declaration of each name and the index of its file.

        Like the reference, this takes `blob-store` and `blobstore` for two names: a path gives both in full.
        """
        declared: dict[str, tuple[ast.Interface | ast.World, int]] = {}
        for index, part in enumerate(source.parts):
            for item in part.items:
                if not isinstance(item, ast.Interface | ast.World):
                    continue
                name = item.name
                if name.text in declared:
                    report_duplicate(self.collector, name, name.text, declared[name.text][0].name.span)
                    continue
                declared[name.text] = (item, index)
                owner = InterfaceName(source.name, name.text)
                is_world = isinstance(item, ast.World)
                scope.items[name.text] = Scope(owner=owner, is_world=is_world, span=name.span, broken=item.broken)
        return declared

    def _file_scope(self, items: Iterable[ast.PackageItem], package: PackageScope, *, broken: bool) -> FileScope:
        """The names of one file: what it declares and what its top-level uses bring in."""
        file = FileScope(package=package, packages=self.scopes, collector=self.collector, broken=broken)
        first: dict[str, ast.Name] = {}
        for item in items:
            match item:
                case ast.TopLevelUse():
                    name = item.local
                case ast.Interface(name=name) | ast.World(name=name):
                    pass
            earlier = first.setdefault(name.text, name)
            is_use = isinstance(item, ast.TopLevelUse)
            if earlier is not name and (is_use or name.text in file.names):
                report_duplicate(self.collector, name, earlier.text, earlier.span)
            elif isinstance(item, ast.TopLevelUse):
                # A foreign world cannot be brought in this way: `include` names it in full.
                path = item.path
                target = file.interface(path) if path.package else _unaliased(file).item(path, "interface or world")
                file.names[name.text] = target
        return file

    def _order(self, where: dict[str, tuple[ast.Interface | ast.World, FileScope]]) -> list[str]:
        """The names of interfaces and worlds, each behind those it needs; a cycle is reported and left out."""
        edges: dict[str, list[str]] = {}
        for name, (item, file) in where.items():
            wanted = ast.Use if isinstance(item, ast.Interface) else ast.Include
            targets = [_local(file, use.path) for use in item.items if isinstance(use, wanted)]
            edges[name] = [target for target in targets if target is not None]
        order, cyclic = topological(list(where), edges)
        for name in cyclic:
            where[name][1].package.items[name].broken = True
        for cycle in cycles(cyclic, edges):
            cycle = cycle[1:] + cycle[:1]
            item = where[cycle[0]][0]
            word = "world" if isinstance(item, ast.World) else "interface"
            message = f"the {word} `{cycle[0]}` depends on itself"
            needs = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
            related = [Related(where[n][0].name.span, f"`{n}` needs `{target}`") for n, target in needs]
            self.collector.error("dependency-cycle", item.name.span, message, related=related[1:MAX_RELATED])
        return order


def _unaliased(file: FileScope) -> FileScope:
    """The scope in which a top-level use looks: the package's own names only."""
    return FileScope(package=file.package, packages=file.packages, collector=file.collector, broken=file.broken)


def _local(file: FileScope, path: ast.UsePath) -> str | None:
    """The name of the item of the same package that `path` means, if it does."""
    if path.package is not None:
        return None
    name = path.name.text
    target = file.names.get(name) if name in file.names else file.package.items.get(name)
    if target is None or target.owner.package != file.package.name:
        return None
    return target.owner.name


def _package(source: PackageSource, interfaces: Iterable[Scope], worlds: Iterable[Scope]) -> Package:
    resolved = [(scope.interface, scope.excluded) for scope in interfaces if scope.interface is not None]
    written = tuple(interface for interface, _ in resolved)
    included = tuple(interface for interface, is_excluded in resolved if not is_excluded)
    return Package(
        name=source.name,
        interfaces=included,
        written=() if len(written) == len(included) else written,
        worlds=tuple(s.world for s in worlds if s.world is not None and not s.excluded),
        docs=source.docs,
    )
