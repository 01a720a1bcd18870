"""Typed bindings: the modules ``bindings/<name>.py`` of a generated package, one per interface and per world.

An interface gives converters of its types to and from canonical JSON form, a Protocol of its functions, a class that
calls them in a component, and the handlers with which a host serves them. A world gives a class over all its exports, a
Protocol of its imports, and their handlers together. The seam to the host is `runtime.values.Caller` and `Handler`.
Functions whose types have no JSON form are left out (`endpoints.endpoints` says why).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk.codegen.emit.converters import ConverterWriter
from obelisk.codegen.emit.functions import FunctionWriter, bindable, handler_name
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.module_writer import ModuleWriter
from obelisk.codegen.emit.python_names import attribute_name, class_name
from obelisk.codegen.emit.writer import NameTable, docstring, literal
from obelisk.codegen.model.items import Function, World, WorldInterface, WorldItem, world_key
from obelisk.codegen.model.json_form import json_name


@dataclass(frozen=True, slots=True)
class InterfaceNames:
    """What the bindings of an interface are called, in its own module and in those of worlds."""

    protocol: str
    caller: str
    handlers: str

    @classmethod
    def of(cls, unit: Unit) -> InterfaceNames:
        """The names for a unit."""
        label = unit.owner[1] or unit.owner[0].name
        name = class_name(label).rstrip("_")
        return cls(f"{name}Interface", f"{name}Caller", f"{json_name(label)}_handlers")


def interface_module(layout: Layout, unit: Unit, stamp: str) -> str:
    """The source of an interface's bindings; ``""`` when there is nothing to bind."""
    out, names = ModuleWriter(layout, unit), InterfaceNames.of(unit)
    functions = bindable(unit.functions)
    for name in (names.protocol, names.caller, names.handlers):
        out.scope.declare(name)
    ConverterWriter(out).write()
    if functions:
        _interface(out, names, functions)
    return out.text(stamp, f"Typed bindings of `{unit.title}`.") if out.block.lines else ""


def _interface(out: ModuleWriter, names: InterfaceNames, functions: Sequence[Function]) -> None:
    block, writer, title = out.block, FunctionWriter(out), out.unit.title
    block.add("", "")
    with block.under(f"class {names.protocol}({out.scope.use('typing', 'Protocol')}):"):
        block.add(*docstring(f"What `{title}` offers.\n\n{out.unit.docs}"))
        writer.protocol_methods(functions)
    block.add("", "")
    with block.under(f"class {names.caller}:"):
        block.add(*docstring(f"Calls `{title}` in a component."), "")
        caller = out.scope.value("Caller")
        with block.under(f"def __init__(self, caller: {caller}, interface: str = {literal(title)}) -> None:"):
            block.add("self._caller = caller", "self._interface = interface")
        writer.caller_methods(functions, "self._interface")
    block.add("", "")
    handler = out.scope.value("Handler")
    with block.under(f"def {names.handlers}(implementation: {names.protocol}) -> dict[str, {handler}]:"):
        block.add(*docstring(f"What serves `{title}`, by function."))
        writer.handlers(functions, "implementation")
        block.listed("return {", [f"{literal(f.name)}: {handler_name(f)}" for f in functions], "}")


def world_module(layout: Layout, world: World, stamp: str) -> str:
    """The source of a world's bindings; ``""`` when there is nothing to bind."""
    unit = layout.units[world.name, ""]
    out = ModuleWriter(layout, unit)
    name = class_name(world.name.name).rstrip("_")
    names = (f"{name}Exports", f"{name}Imports", f"{json_name(world.name.name)}_handlers")
    for declared in names:
        out.scope.declare(declared)
    ConverterWriter(out).write()
    exports, imports = _Side(out, world.exports), _Side(out, world.imports)
    if exports:
        _exports(out, names[0], exports)
    if imports:
        _imports(out, names[1], names[2], imports)
    return out.text(stamp, f"Typed bindings of the world `{unit.title}`.") if out.block.lines else ""


class _Side:
    """What a world exports or imports and can be bound: interfaces under their attribute's name, and functions."""

    def __init__(self, out: ModuleWriter, items: Sequence[WorldItem]) -> None:
        self.functions = bindable([item for item in items if isinstance(item, Function)])
        self.interfaces: list[tuple[str, str, Unit, InterfaceNames]] = []
        table = NameTable(*(attribute_name(function.name) for function in self.functions))
        for item in items:
            if isinstance(item, WorldInterface) and bindable(item.interface.functions):
                unit = out.layout.units[item.interface.name, item.interface.inline_name]
                label = item.label or item.interface.inline_name or item.interface.name.name
                attribute = table.unique(attribute_name(label))
                self.interfaces.append((attribute, world_key(item), unit, InterfaceNames.of(unit)))

    def __bool__(self) -> bool:
        return bool(self.functions or self.interfaces)


def _exports(out: ModuleWriter, name: str, exports: _Side) -> None:
    block = out.block
    block.add("", "")
    with block.under(f"class {name}:"):
        block.add(*docstring(f"Calls what a component of the world `{out.unit.title}` exports."), "")
        with block.under(f"def __init__(self, caller: {out.scope.value('Caller')}) -> None:"):
            block.add("self._caller = caller")
            for attribute, key, unit, names in exports.interfaces:
                place = (unit.folder, "bindings", unit.module)
                block.add(f"self.{attribute} = {out.scope.sibling(place, names.caller)}(caller, {literal(key)})")
        FunctionWriter(out).caller_methods(exports.functions, '""')


def _imports(out: ModuleWriter, name: str, handlers: str, imports: _Side) -> None:
    block, writer = out.block, FunctionWriter(out)
    block.add("", "")
    with block.under(f"class {name}({out.scope.use('typing', 'Protocol')}):"):
        block.add(*docstring(f"What a component of the world `{out.unit.title}` imports."))
        for attribute, key, unit, names in imports.interfaces:
            protocol = out.scope.sibling((unit.folder, "bindings", unit.module), names.protocol)
            block.add("", "@property")
            with block.under(f"def {attribute}(self) -> {protocol}:"):
                block.add(*docstring(f"`{key}`"), "...")
        writer.protocol_methods(imports.functions)
    block.add("", "")
    handler = out.scope.value("Handler")
    with block.under(f"def {handlers}(imports: {name}) -> dict[tuple[str, str], {handler}]:"):
        block.add(*docstring(f"What serves the imports of `{out.unit.title}`, by interface and function."))
        writer.handlers(imports.functions, "imports")
        entries = [f'("", {literal(f.name)}): {handler_name(f)}' for f in imports.functions]
        block.listed(f"handlers: dict[tuple[str, str], {handler}] = {{", entries, "}")
        for attribute, key, unit, names in imports.interfaces:
            serve = out.scope.sibling((unit.folder, "bindings", unit.module), names.handlers)
            with block.under(f"for function, handler in {serve}(imports.{attribute}).items():"):
                block.add(f"handlers[{literal(key)}, function] = handler")
        block.add("return handlers")
