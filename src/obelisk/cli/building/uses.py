"""What a Python module uses of `wit_world`: which interfaces, which names of them, and which it implements.

Names are followed as they are imported: ``import wit_world.imports.log as l``, ``from wit_world.imports import log``,
``from wit_world import exports``, and what is read from these with a dot. A name that the module also binds otherwise
is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from obelisk.cli.building.modules import Module, at
from obelisk.cli.errors import CommandError

ROOT: Final = "wit_world"
Side: TypeAlias = Literal["imports", "exports"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A module of `wit_world` (``imports``, ``log``), or with `name` something in it; `interface` empty: a class in
    `wit_world.exports`."""

    side: Side
    interface: str
    name: str
    module: Module
    node: ast.AST

    @property
    def place(self) -> str:
        """Where it stands."""
        return at(self.module, self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """A class that derives from one in `wit_world.exports`."""

    protocol: Use
    node: ast.ClassDef
    module: Module


def uses(module: Module) -> list[Use]:
    """Everything that a module uses. CommandError ``build_failed`` for what cannot be followed."""
    bound = dict[str, tuple[str, ...]]()
    found: list[Use] = []
    for one in module.imports:
        path = tuple(one.module.split("."))
        if path[0] != ROOT:
            continue
        if one.name == "*":
            raise _unclear(module, one.node, "`*` does not say which interfaces the component uses")
        whole = (*path, one.name) if one.name else path
        if not one.name and one.bound == ROOT:
            bound[ROOT] = (ROOT,)  # `import wit_world.imports.log` binds the first word
            if len(whole) > 1:
                found += _use(module, whole, one.node)
        elif len(whole) <= 3:
            bound[one.bound] = whole
            found += _use(module, whole, one.node)
        else:
            found += _use(module, whole, one.node)
    known = {name: path for name, path in bound.items() if name not in _rebound(module.tree)}
    reader = _Reader(module, known)
    reader.visit(module.tree)
    return [*found, *reader.found]


def implementations(module: Module, found: list[Use]) -> list[Implementation]:
    """The classes that derive from those of `wit_world.exports`."""
    protocols = {id(use.node): use for use in found if use.side == "exports" and not use.interface and use.name}
    named = {use.name: use for use in protocols.values() if isinstance(use.node, ast.alias)}
    aliases = {use.node.asname or use.name: use for use in named.values() if isinstance(use.node, ast.alias)}
    classes = [node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    made: list[Implementation] = []
    for node in classes:
        for base in node.bases:
            use = protocols.get(id(base)) or (aliases.get(base.id) if isinstance(base, ast.Name) else None)
            if use is not None:
                made.append(Implementation(protocol=use, node=node, module=module))
    return made


def _use(module: Module, path: tuple[str, ...], node: ast.AST) -> Iterator[Use]:
    """A dotted path that begins with the root, as a use of something below it."""
    match path:
        case (_, "imports" | "exports" as side, *rest):
            pass
        case (_, _, *_):
            yield Use(side="imports", interface="", name=path[1], module=module, node=node)
            return
        case _:
            return
    match side, rest:
        case _, []:
            return
        case "exports", [name] if name[:1].isupper():
            yield Use(side="exports", interface="", name=name, module=module, node=node)
        case "imports" | "exports", [interface]:
            yield Use(side=side, interface=interface, name="", module=module, node=node)
        case "imports" | "exports", [interface, name, *_]:
            yield Use(side=side, interface=interface, name=name, module=module, node=node)
        case _:
            return


class _Reader(ast.NodeVisitor):
    """Collects what is read with dots from names that stand for modules of `wit_world`."""

    def __init__(self, module: Module, bound: dict[str, tuple[str, ...]]) -> None:
        self.found: list[Use] = []
        self._module, self._bound = module, bound

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self._bound:
            whole = (*self._bound[inner.id], *reversed(path))
            if len(whole) > len(self._bound[inner.id]):
                self.found += _use(self._module, whole, node)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """A module of modules that is handed on: what is used of it cannot be seen."""
        path = self._bound.get(node.id)
        if path is None:
            return
        shown, last = ".".join(path), path[-1]
        if len(path) < 3 and not last[:1].isupper():
            raise _unclear(self._module, node, f"`{shown}` is used without a dot, which does not say which interfaces")


def _unclear(module: Module, node: ast.AST, what: str) -> CommandError:
    return CommandError(
        "build_failed",
        f"{at(module, node)}: {what}",
        hint="import them by name, as `from wit_world.imports import log`",
    )


def _rebound(tree: ast.Module) -> set[str]:
    """Names that are bound by something else than an import."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case _:
                pass
    return names
