"""Prints a Resolution as canonical WIT text: what the parser reads back is equal (documentation and gates included).

Layout: two spaces of indentation, a blank line around everything that takes more than a line, no trailing blanks. The
main package comes first with ``package x:y;``, every other one after it as ``package x:y { … }``.

Order is kept where it means something. Functions may stand between types, because the functions of a resource are
ordered with it; in a world the order is that of elaborated worlds: interfaces, types, functions, then exports. A type
of another interface that is named without having been used (only a binary can have that) is given a ``use``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from obelisk.codegen.model.items import (
    Function,
    FunctionKind,
    Interface,
    Package,
    Resolution,
    World,
    WorldInterface,
)
from obelisk.codegen.model.names import InterfaceName, PackageName
from obelisk.codegen.model.types import OwnType, ResourceType, Stability, TypeDef
from obelisk.codegen.syntax.print_scope import PrintScope
from obelisk.codegen.syntax.type_printer import (
    doc_lines,
    identifier,
    print_declaration,
    print_type,
    string_literal,
)

__all__ = ["print_package", "print_resolution", "print_type"]

Block = list[str]
"""The lines of one item."""


def print_resolution(resolution: Resolution) -> str:
    """All packages in one text: the main one (the last, as others may be nested in its file), then the rest by name."""
    main = next((p for name in reversed(resolution.main) for p in resolution.packages if p.name == name), None)
    worlds = frozenset(world.name for package in resolution.packages for world in package.worlds)
    parts = [] if main is None else [_print_main(main, worlds)]
    for package in sorted(resolution.packages, key=lambda package: package.name):
        if package is not main:
            body = [f"  {line}" if line else "" for line in _join(_items(package, worlds))]
            lines = [*doc_lines(package.docs), f"package {_package_name(package.name)} {{", *body, "}", ""]
            parts.append("\n".join(lines))
    return "\n".join(parts)


def print_package(package: Package) -> str:
    """One package as a file of its own."""
    return _print_main(package, frozenset(world.name for world in package.worlds))


def _print_main(package: Package, worlds: frozenset[InterfaceName]) -> str:
    header = [*doc_lines(package.docs), f"package {_package_name(package.name)};"]
    return "\n".join([*_join([header, *_items(package, worlds)], apart=True), ""])


def _items(package: Package, worlds: frozenset[InterfaceName]) -> list[Block]:
    blocks = [_interface(interface, worlds) for interface in package.interfaces]
    return blocks + [_world(world, worlds) for world in package.worlds]


def _package_name(name: PackageName) -> str:
    version = f"@{name.version}" if name.version else ""
    return f"{identifier(name.namespace)}:{identifier(name.name)}{version}"


def _interface(interface: Interface, worlds: frozenset[InterfaceName]) -> Block:
    head = [*doc_lines(interface.docs), *_gates(interface.stability)]
    body = _interface_body(interface, worlds)
    return [*head, *_braces(f"interface {identifier(interface.name.name)}", body)]


def _interface_body(interface: Interface, worlds: frozenset[InterfaceName]) -> list[Block]:
    scope = PrintScope(interface.name, interface.inline_name, interface.types, worlds)
    scope.add_uses(interface.functions)
    return [*_uses(scope), *_types_and_functions(scope, interface.functions)]


def _world(world: World, worlds: frozenset[InterfaceName]) -> Block:
    items = world.imports + world.exports
    scope = PrintScope(world.name, "", [item for item in items if isinstance(item, TypeDef)], worlds)
    scope.add_uses([item for item in items if isinstance(item, Function)])
    methods = [item for item in items if isinstance(item, Function) and item.kind is not FunctionKind.FREE]
    blocks = [_world_interface(scope, item, "import", worlds) for item in _interfaces(world.imports)]
    blocks += [*_uses(scope), *_types_and_functions(scope, methods)]
    for keyword, side in (("import", world.imports), ("export", world.exports)):
        blocks += [_world_function(scope, f, keyword) for f in _free_functions(side)]
    blocks += [_world_interface(scope, item, "export", worlds) for item in _interfaces(world.exports)]
    head = [*doc_lines(world.docs), *_gates(world.stability)]
    return [*head, *_braces(f"world {identifier(world.name.name)}", blocks)]


def _interfaces(items: Iterable[object]) -> list[WorldInterface]:
    return [item for item in items if isinstance(item, WorldInterface)]


def _free_functions(items: Iterable[object]) -> list[Function]:
    return [item for item in items if isinstance(item, Function) and item.kind is FunctionKind.FREE]


def _world_interface(scope: PrintScope, item: WorldInterface, keyword: str, worlds: frozenset[InterfaceName]) -> Block:
    interface = item.interface
    inline = interface.inline_name
    docs = item.docs or (interface.docs if inline else "")
    gates = item.stability if item.stability != Stability() or not inline else interface.stability
    head = [*doc_lines(docs), *_gates(gates), *_external_id(item.external_id)]
    if inline:
        body = _interface_body(interface, worlds)
        return [*head, *_braces(f"{keyword} {identifier(inline)}: interface", body)]
    label = f"{identifier(item.label)}: " if item.label else ""
    return [*head, f"{keyword} {label}{scope.path(interface.name)};"]


def _world_function(scope: PrintScope, function: Function, keyword: str) -> Block:
    *head, last = _function(scope, function)
    return [*head, f"{keyword} {last}"]


def _uses(scope: PrintScope) -> list[Block]:
    """The ``use`` statements: one for neighbours from the same interface under the same gates."""
    blocks: list[Block] = []
    previous: tuple[InterfaceName, Stability, str] | None = None
    for use in scope.uses:
        key = (use.source.owner, use.stability, use.external_id)
        name = identifier(use.source.name)
        renamed = name if use.source.name == use.name else f"{name} as {identifier(use.name)}"
        if key == previous:
            blocks[-1][-1] = f"{blocks[-1][-1].removesuffix('};')}, {renamed}}};"
        else:
            head = [*_gates(use.stability), *_external_id(use.external_id)]
            blocks.append([*head, f"use {scope.path(use.source.owner)}.{{{renamed}}};"])
        previous = key
    return blocks


def _types_and_functions(scope: PrintScope, functions: Sequence[Function]) -> list[Block]:
    """Declared types, each resource with its functions; the others where the order of functions has them."""
    methods: dict[str, list[Function]] = {}
    free: list[tuple[int, Function]] = []
    first: dict[str, int] = {}
    for index, function in enumerate(functions):
        if function.kind is FunctionKind.FREE:
            free.append((index, function))
        else:
            methods.setdefault(function.resource, []).append(function)
            first.setdefault(function.resource, index)
    blocks: list[Block] = []
    free.reverse()
    for typedef in scope.declared:
        own = isinstance(typedef.body, ResourceType)
        while own and free and free[-1][0] < first.get(typedef.name, 0):
            blocks.append(_function(scope, free.pop()[1]))
        blocks.append(_declaration(scope, typedef, methods.get(typedef.name, ()) if own else ()))
    return blocks + [_function(scope, function) for _, function in reversed(free)]


def _declaration(scope: PrintScope, typedef: TypeDef, methods: Sequence[Function]) -> Block:
    head = [*doc_lines(typedef.docs), *_gates(typedef.stability), *_external_id(typedef.external_id)]
    if methods:
        body = [_function(scope, f) for f in methods]
        return [*head, *_braces(f"resource {identifier(typedef.name)}", body)]
    return [*head, *print_declaration(typedef, scope.name)]


def _function(scope: PrintScope, function: Function) -> Block:
    params = function.params[1:] if function.kind is FunctionKind.METHOD else function.params
    listed = ", ".join(f"{identifier(p.name)}: {print_type(p.type, scope.name)}" for p in params)
    result = "" if function.result is None else f" -> {print_type(function.result, scope.name)}"
    head = [*doc_lines(function.docs), *_gates(function.stability), *_external_id(function.external_id)]
    if function.kind is FunctionKind.CONSTRUCTOR:
        if isinstance(function.result, OwnType) and function.result.resource.name == function.resource:
            result = ""
        return [*head, f"constructor({listed}){result};"]
    static = "static " if function.kind is FunctionKind.STATIC else ""
    asynchronous = "async " if function.is_async else ""
    return [*head, f"{identifier(function.name)}: {static}{asynchronous}func({listed}){result};"]


def _gates(stability: Stability) -> Block:
    lines: Block = []
    if stability.since:
        lines.append(f"@since(version = {stability.since})")
    if stability.feature:
        lines.append(f"@unstable(feature = {identifier(stability.feature)})")
    if stability.deprecated:
        lines.append(f"@deprecated(version = {stability.deprecated})")
    return lines


def _external_id(text: str) -> Block:
    return [f"@external-id({string_literal(text)})"] if text else []


def _braces(head: str, blocks: list[Block]) -> Block:
    if not blocks:
        return [f"{head} {{}}"]
    return [f"{head} {{", *(f"  {line}" if line else "" for line in _join(blocks)), "}"]


def _join(blocks: list[Block], *, apart: bool = False) -> Block:
    """All lines, with a blank one around blocks of several lines, between other statements, or wherever `apart`."""
    lines: Block = []
    previous: Block = []
    for block in blocks:
        if previous and (apart or len(block) > 1 or len(previous) > 1 or _statement(block) != _statement(previous)):
            lines.append("")
        lines += block
        previous = block
    return lines


def _statement(block: Block) -> str:
    """What kind of one-line item a block is."""
    first = block[0].partition(" ")[0]
    return first if first in ("use", "import", "export", "type", "resource") else ""
