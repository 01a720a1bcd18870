"""From syntax trees to packages: which files make up which package, and in what order packages are resolved.

Codes: ``missing-package``, ``conflicting-package``, ``duplicate-docs``, ``misplaced-package``, ``duplicate-package``,
``package-cycle``. Source: WIT.md "Package Names", "Specifying a "Root Package"".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from obelisk.codegen.diagnostics import Collector, Related
from obelisk.codegen.model.names import PackageName
from obelisk.codegen.source import SourceFile, Span
from obelisk.codegen.syntax import ast
from obelisk.codegen.syntax.semver import VersionKey, version_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The items of one file, or of one nested package: they share a scope for top-level ``use``."""

    items: tuple[ast.PackageItem, ...]
    broken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """Everything written of one package; `texts` are the files' contents. A nested one stands in braces in a file."""

    name: PackageName
    span: Span
    docs: str = ""
    parts: tuple[Part, ...]
    is_main: bool = False
    is_spare: bool = False
    is_nested: bool = False
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Files that make up one package (with packages nested in them): those of a folder, or a single one.

    A spare package counts only where another one uses it and no other of its name is given.
    """

    files: tuple[SourceFile, ...]
    is_main: bool = False
    is_spare: bool = False


def packages_of(group: Group, files: Sequence[ast.File], collector: Collector) -> list[PackageSource]:
    """The packages that the parsed `files` of `group` declare: nested ones first, then the one all files share."""
    packages: list[PackageSource] = []
    for file in files:
        for item in file.items:
            if isinstance(item, ast.NestedPackage):
                packages.append(_nested(group, item, collector))
    header = _shared_header(files, collector)
    if header is None:
        _check_missing(files, collector)
        return packages
    parts = tuple(
        Part(items=tuple(i for i in file.items if not isinstance(i, ast.NestedPackage)), broken=file.broken)
        for file in files
    )
    docs = next((file.header.docs for file in files if file.header and file.header.docs), "")
    texts = tuple(file.source.text for file in files)
    packages.append(
        PackageSource(
            name=header.name,
            span=header.span,
            docs=docs,
            parts=parts,
            is_main=group.is_main,
            is_spare=group.is_spare,
            texts=texts,
        )
    )
    return packages


def _nested(group: Group, nested: ast.NestedPackage, collector: Collector) -> PackageSource:
    inner = [item for item in nested.items if isinstance(item, ast.NestedPackage)]
    for item in inner:
        message = "a nested package must stand at the top level of its file"
        collector.error("misplaced-package", item.header.span, message)
    items = tuple(item for item in nested.items if not isinstance(item, ast.NestedPackage))
    return PackageSource(
        name=nested.header.name,
        span=nested.header.span,
        docs=nested.header.docs,
        parts=(Part(items=items, broken=nested.broken or bool(inner)),),
        is_main=group.is_main,
        is_spare=group.is_spare,
        is_nested=True,
        texts=(nested.header.span.file.text,),
    )


def _shared_header(files: Sequence[ast.File], collector: Collector) -> ast.PackageHeader | None:
    """The header that all files agree on; the first one when they do not, after a report."""
    headers = [file.header for file in files if file.header is not None]
    for header in headers[1:]:
        if header.name != headers[0].name:
            message = f"this file is of package `{header.name}`, another of the same folder is of `{headers[0].name}`"
            related = (Related(headers[0].span, "first declared here"),)
            collector.error("conflicting-package", header.span, message, related=related)
    documented = [header for header in headers if header.docs]
    for header in documented[1:]:
        related = (Related(documented[0].docs_span or documented[0].span, "the others are here"),)
        message = "only one file can have documentation on its `package` statement"
        collector.error("duplicate-docs", header.docs_span or header.span, message, related=related)
    return headers[0] if headers else None


def _check_missing(files: Sequence[ast.File], collector: Collector) -> None:
    # A syntax error may be in the very header that seems to be missing.
    if not files or any(file.broken for file in files):
        return
    start = Span(files[0].source, 0, 0)
    hint = "begin one of the files with `package namespace:name;`"
    collector.error("missing-package", start, "no file declares its package", hint=hint)


def by_name(sources: Iterable[PackageSource], collector: Collector) -> dict[PackageName, PackageSource]:
    """The packages by name; one with the same contents in another place counts once, others are reported."""
    found: dict[PackageName, PackageSource] = {}
    for source in sources:
        first = found.setdefault(source.name, source)
        if first is source:
            continue
        if first.span.file is not source.span.file and first.texts == source.texts:
            if source.is_main and not first.is_main:
                found[source.name] = source
            continue
        message = f"the package `{source.name}` is defined in two places"
        related = (Related(first.span, "first declared here"),)
        collector.error("duplicate-package", source.span, message, related=related)
    return found


def with_spares(
    given: Mapping[PackageName, PackageSource], spares: Iterable[PackageSource], decoded: Collection[PackageName]
) -> dict[PackageName, PackageSource]:
    """The packages given, and those of `spares` that they use, at any remove; `decoded` have no spare."""
    by_name: dict[PackageName, PackageSource] = {}
    for spare in spares:
        by_name.setdefault(spare.name, spare)
    found = dict(given)
    waiting = list(given.values())
    while waiting:
        for name in dependencies(waiting.pop()):
            if name in by_name and name not in found and name not in decoded:
                found[name] = by_name[name]
                waiting.append(by_name[name])
    return found


def name_order(name: PackageName) -> tuple[str, str, int, VersionKey | tuple[()]]:
    """A key that orders package names, by version last; without a version comes first."""
    return (
        (name.namespace, name.name, 1, version_key(name.version))
        if name.version
        else (name.namespace, name.name, 0, ())
    )


def dependencies(source: PackageSource) -> dict[PackageName, Span]:
    """The packages that the paths of `source` name, each with its first place."""
    found: dict[PackageName, Span] = {}
    for part in source.parts:
        for path in _paths(part.items):
            if path.package is not None:
                found.setdefault(path.package.name, path.package.span)
    return found


def _paths(items: Iterable[ast.PackageItem]) -> Iterator[ast.UsePath]:
    for item in items:
        match item:
            case ast.TopLevelUse(path=path):
                yield path
            case ast.Interface(items=members):
                yield from (member.path for member in members if isinstance(member, ast.Use))
            case ast.World(items=members):
                yield from _world_paths(members)


def _world_paths(items: Sequence[ast.WorldItem]) -> Iterator[ast.UsePath]:
    # Imports before exports, as a world is printed: the order of packages then survives printing and reading again.
    yield from (item.path for item in items if isinstance(item, ast.Use | ast.Include))
    for direction in ("import", "export"):
        for item in items:
            if not isinstance(item, ast.Extern) or item.direction != direction:
                continue
            match item.item:
                case ast.ExternPath(path=path):
                    yield path
                case ast.Interface(items=members):
                    yield from (member.path for member in members if isinstance(member, ast.Use))
                case ast.Function():
                    pass


def in_order(packages: Mapping[PackageName, PackageSource], collector: Collector) -> list[PackageSource]:
    """The packages, each behind those it uses, otherwise by name; one that uses itself is reported and still listed."""
    needs = {name: list(dependencies(source).items()) for name, source in packages.items()}
    order: list[PackageSource] = []
    done: set[PackageName] = set()
    for start in sorted(packages, key=name_order):
        # The packages being visited, each with how many of its needs were met.
        path: dict[PackageName, int] = {} if start in done else {start: 0}
        while path:
            name, met = next(reversed(path.items()))
            if met == len(needs[name]):
                del path[name]
                done.add(name)
                order.append(packages[name])
                continue
            needed, span = needs[name][met]
            path[name] = met + 1
            if needed in path:
                _report_cycle(needed, needs[needed][path[needed] - 1][1], span, collector)
            elif needed in packages and needed not in done:
                path[needed] = 0
    return order


def _report_cycle(package: PackageName, leaving: Span, closing: Span, collector: Collector) -> None:
    related = () if leaving is closing else (Related(closing, "which comes back to it here"),)
    message = f"the package `{package}` depends on itself through this"
    collector.error("package-cycle", leaving, message, related=related)
