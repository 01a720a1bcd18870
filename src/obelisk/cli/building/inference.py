"""The world of a component in Python, from its code: it exports what its classes implement, and imports what it uses.

Every problem is told at once, each with its place in the author's file, in the words of WIT and Python.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from obelisk.cli.building import library
from obelisk.cli.building.modules import Module, at
from obelisk.cli.building.uses import Implementation, Use, implementations, uses
from obelisk.cli.errors import CommandError
from obelisk.codegen.emit.guest.layout import Guest, is_bound
from obelisk.codegen.emit.guest.modules import offered_names
from obelisk.codegen.emit.guest.names import camel, snake
from obelisk.codegen.model.items import Function, FunctionKind, Interface
from obelisk.codegen.model.names import EXTENSION_SUFFIXES, InterfaceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """What a component's world has; `found_by_name` are imports that its code asks for when it runs."""

    imports: tuple[InterfaceName, ...]
    exports: tuple[InterfaceName, ...]
    found_by_name: tuple[InterfaceName, ...] = ()


def infer(modules: Mapping[str, Module], guest: Guest) -> Inferred:
    """The world of the component of these modules, the first of which it begins with; `guest` is the project's.

    CommandError ``build_failed`` with all problems.
    """
    reading = _Reading(guest)
    used = [(module, uses(module)) for module in modules.values()]
    made = [one for module, found in used for one in implementations(module, found)]
    entry = next(iter(modules.values()))
    exports = reading.exports(entry, made)
    imports = reading.imports([use for _, found in used for use in found], exports)
    by_name = reading.extensions() if library.CALLS in modules else []
    if reading.problems:
        raise CommandError("build_failed", "\n".join(dict.fromkeys(reading.problems)))
    return Inferred(
        imports=tuple(dict.fromkeys([*imports, *by_name])), exports=tuple(exports), found_by_name=tuple(by_name)
    )


class _Reading:
    def __init__(self, guest: Guest) -> None:
        self.problems: list[str] = []
        self._called: set[InterfaceName] = set()
        self._imported = {guest.import_names[interface.name]: interface for interface in guest.imports}
        self._exported = {guest.export_names[interface.name]: interface for interface in guest.exports}
        self._protocols = {
            camel(name): interface for name, interface in self._exported.items() if _functions(interface)
        }

    def exports(self, entry: Module, made: Sequence[Implementation]) -> list[InterfaceName]:
        """The interfaces that the entry module has a class for."""
        top = _top_level(entry.tree)
        found: list[InterfaceName] = []
        for one in made:
            interface = self._protocols.get(one.protocol.name)
            if interface is None:
                known = _near(one.protocol.name, self._protocols)
                self.problems.append(
                    f"{one.protocol.place}: the project's WIT has no interface for "
                    f"`exports.{one.protocol.name}`; {known}"
                )
                continue
            if one.protocol.name not in top:
                if one.module is entry or one.node.name != one.protocol.name:
                    more = f"call the class {one.protocol.name}"
                else:
                    more = f"add `from {one.module.name} import {one.node.name}` to {entry.shown}"
                self.problems.append(
                    f"{at(one.module, one.node)}: class {one.node.name} implements {interface.name}, and the engine "
                    f"looks for it in {entry.shown} under the name {one.protocol.name}: {more}"
                )
                continue
            self._methods(one, interface)
            if interface.name not in found:
                found.append(interface.name)
        if not made:
            self.problems.append(self._nothing(entry))
        return found

    def imports(self, used: Sequence[Use], exports: Sequence[InterfaceName]) -> list[InterfaceName]:
        """The interfaces that the code uses from `wit_world.imports`."""
        called: dict[InterfaceName, Use] = {}
        for use in used:
            interface = self._known(use)
            if interface is not None and use.side == "imports":
                called.setdefault(interface.name, use)
                if use.name in {snake(function.name) for function in _functions(interface)}:
                    self._called.add(interface.name)
        for name in exports:
            if name in called and name not in self._called:
                self.problems.append(
                    f"{called[name].place}: the component implements {name}, so its types are in "
                    f"`wit_world.exports.{called[name].interface}`: import them from there"
                )
        for use in used:
            self._exported_types(use, exports, called)
        return list(called)

    def extensions(self) -> list[InterfaceName]:
        """Those of the interfaces that the code calls: the library starts their functions as children."""
        offered = {interface.name for interface in self._imported.values()}
        extended = (
            replace(name, package=replace(name.package, name=f"{name.package.name}{EXTENSION_SUFFIXES[0]}"))
            for name in sorted(self._called)
        )
        return [name for name in extended if name in offered]

    def _known(self, use: Use) -> Interface | None:
        """The interface of a use; a problem where it or the name in it does not exist."""
        if not use.interface:
            if use.side == "imports":
                self.problems.append(f"{use.place}: wit_world has no {use.name}; it has `imports` and `exports`")
            elif use.name not in self._protocols:
                self.problems.append(
                    f"{use.place}: the project's WIT has no interface for `exports.{use.name}`; "
                    f"{_near(use.name, self._protocols)}"
                )
            return None
        offered = self._imported if use.side == "imports" else self._exported
        interface = offered.get(use.interface)
        if interface is None:
            self.problems.append(
                f"{use.place}: the project's WIT has no interface for `wit_world.{use.side}.{use.interface}`; "
                f"{_near(use.interface, offered)}"
            )
            return None
        names = offered_names(interface, functions=use.side == "imports")
        if use.name and use.name not in names:
            told = f"{use.place}: the interface {interface.name} has no `{use.name}`"
            self.problems.append(f"{told}; {self._elsewhere(use.name) or _near(use.name, names)}")
        return interface

    def _elsewhere(self, name: str) -> str:
        """The interface that declares a type which others only use; empty for a name that no interface has."""
        homes = (module for module, one in self._imported.items() if name in offered_names(one, functions=False))
        home = next(homes, "")
        return f"it is declared in `wit_world.imports.{home}`" if home else ""

    def _exported_types(self, use: Use, exports: Sequence[InterfaceName], called: Mapping[InterfaceName, Use]) -> None:
        """Types of an exported interface are there where it is exported, and not imported as well."""
        interface = self._exported.get(use.interface)
        if use.side != "exports" or interface is None:
            return
        if interface.name not in exports:
            self.problems.append(
                f"{use.place}: the component does not implement {interface.name}: import its types from "
                f"`wit_world.imports.{use.interface}`"
            )
        elif interface.name in called:
            self.problems.append(
                f"{use.place}: the component implements {interface.name} and calls it as well "
                f"({called[interface.name].place}): import its types from `wit_world.imports.{use.interface}`"
            )

    def _methods(self, one: Implementation, interface: Interface) -> None:
        """Whether the class has a method for each function, with as many parameters."""
        own = {node.name: node for node in one.node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        others = {name for name in _bound(one.node.body) if name not in own}
        is_whole = len(one.node.bases) == 1 and not others
        wanted = {snake(function.name): function for function in _functions(interface)}
        for name, function in wanted.items():
            node = own.get(name)
            if node is None:
                if is_whole:
                    spare = [other for other in own if other not in wanted and not other.startswith("_")]
                    near = difflib.get_close_matches(name, spare, n=1)
                    place = at(one.module, own[near[0]] if near else one.node)
                    more = f"it is called `{near[0]}` here" if near else f"add `{_head(name, function)}`"
                    self.problems.append(
                        f"{place}: {one.node.name} has no method `{name}` for {interface.name}.{function.name}: {more}"
                    )
            elif isinstance(node, ast.AsyncFunctionDef):
                self.problems.append(
                    f"{at(one.module, node)}: `{name}` is `async`, and {interface.name}.{function.name} is not: "
                    "write `def`"
                )
            elif not _takes(node, len(function.params)):
                self.problems.append(
                    f"{at(one.module, node)}: `{name}` takes other parameters than {interface.name}.{function.name}: "
                    f"write `{_head(name, function)}`"
                )

    def _nothing(self, entry: Module) -> str:
        """What is wrong with a component that exports nothing."""
        for node in entry.tree.body:
            if isinstance(node, ast.ClassDef) and node.name in self._protocols:
                line = f"class {node.name}(exports.{node.name})"
                return f"{at(entry, node)}: write `{line}`, with `from wit_world import exports`"
        known = ", ".join(f"exports.{name}" for name in self._protocols) or "none, as its WIT has no functions"
        return (
            f"{entry.shown}:1:1: no class here implements an interface of the project, so the component would export "
            f"nothing; derive a class from one of these: {known}"
        )


def _functions(interface: Interface) -> list[Function]:
    """The functions that are methods of the class that implements an interface."""
    return [f for f in interface.functions if is_bound(f) and f.kind is FunctionKind.FREE]


def _head(name: str, function: Function) -> str:
    return f"def {name}({', '.join(['self', *(snake(param.name) for param in function.params)])})"


def _takes(node: ast.FunctionDef, count: int) -> bool:
    """Whether a method can be called with so many positional arguments."""
    if any(isinstance(decorator, ast.Name) and decorator.id == "staticmethod" for decorator in node.decorator_list):
        count -= 1
    positional = [*node.args.posonlyargs, *node.args.args]
    required = len(positional) - len(node.args.defaults)
    needs_more = any(default is None for default in node.args.kw_defaults)
    most = len(positional) if node.args.vararg is None else count + 1
    return required <= count + 1 <= most and not needs_more


def _top_level(tree: ast.Module) -> set[str]:
    """The names that a module has when it was imported."""
    return set(_bound(tree.body))


def _bound(body: Iterable[ast.stmt]) -> list[str]:
    names: list[str] = []
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.append(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names += [alias.asname or alias.name for alias in aliases]
            case ast.Assign(targets=targets):
                names += [target.id for target in targets if isinstance(target, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                names.append(name)
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                names += _bound([*inner, *other])
            case _:
                pass
    return names


def _near(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"there are {', '.join(names) or 'none'}"
