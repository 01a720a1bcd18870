"""Typed bindings: the modules ``bindings/<name>.py`` of a generated package, one per interface and per world.

An interface gives converters of its types to and from canonical JSON form, a class for each of its resources as a
component implements it, a class that calls its functions in a component, a Protocol of them, and the handlers with
which a host serves them. A world gives a class over all its exports, a Protocol of its imports, and their handlers
together. The seam to the host is `runtime.values.Caller` and `Handler`, and `runtime.resources`. What cannot cross is
left out (`emit.crossing`; `endpoints.endpoints` says why).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from obelisk.codegen.emit.conversions import guest_class_name
from obelisk.codegen.emit.converters import ConverterWriter
from obelisk.codegen.emit.crossing import servable
from obelisk.codegen.emit.functions import FunctionWriter, needs_handles
from obelisk.codegen.emit.json_schema import title_word
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.module_writer import ModuleWriter
from obelisk.codegen.emit.python_names import attribute_name
from obelisk.codegen.emit.writer import NameTable, docstring, literal
from obelisk.codegen.model.items import Function, FunctionKind, World, WorldInterface, WorldItem, world_key
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.types import ResourceType


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
        name = title_word(label)
        return cls(f"{name}Interface", f"{name}Caller", f"{json_name(label)}_handlers")


def interface_module(layout: Layout, unit: Unit, stamp: str) -> str:
    """The source of an interface's bindings; ``""`` when there is nothing to bind."""
    out, names = ModuleWriter(layout, unit), InterfaceNames.of(unit)
    for name in (names.protocol, names.caller, names.handlers, *_guest_names(unit)):
        out.scope.declare(name)
    ConverterWriter(out).write()
    functions = servable(unit.functions)
    _guest_classes(out, functions)
    if functions:
        _protocol(out, names, functions)
    called = _callable(functions)
    if called:
        _caller(out, names, called)
    if functions:
        _handlers(out, names, functions)
    return out.text(stamp, f"Typed bindings of `{unit.title}`.") if out.block.lines else ""


def _callable(functions: Sequence[Function]) -> list[Function]:
    """What an interface's caller has: a method is called on an object, whose class has it."""
    return [function for function in functions if function.kind is not FunctionKind.METHOD]


def _guest_names(unit: Unit) -> list[str]:
    """The classes of `_guest_classes`. No two resources have the same, and none ends as another declared class does."""
    return [guest_class_name(unit, type_) for type_ in unit.types if isinstance(type_.body, ResourceType)]


def _guest_classes(out: ModuleWriter, functions: Sequence[Function]) -> None:
    """The resources of a unit as a component implements them: its methods call into the instance."""
    for type_ in out.unit.types:
        if isinstance(type_.body, ResourceType):
            own = [f for f in functions if f.kind is FunctionKind.METHOD and f.resource == type_.name]
            out.block.add("", "")
            name = out.conversions.guest_class(type_)
            with out.block.under(f"class {name}({out.scope.resource('GuestObject')}, {out.annotations.named(type_)}):"):
                out.block.add(*docstring(f"A `{type_.name}` that a component implements."))
                FunctionWriter(out).caller_methods(own, "self._interface", documented=False)


def _caller(out: ModuleWriter, names: InterfaceNames, functions: Sequence[Function]) -> None:
    block, title = out.block, out.unit.title
    block.add("", "")
    # What the methods do is said once, in the protocol, from which it is inherited.
    with block.under(f"class {names.caller}({names.protocol}):"):
        block.add(*docstring(f"Calls `{title}` in a component."), "")
        params = ["self", f"caller: {out.scope.value('Caller')}", *_handles(out, functions)]
        block.listed("def __init__(", [*params, f"interface: str = {literal(title)}"], ") -> None:", call=True)
        with block.under():
            block.add("self._caller = caller", *(["self._handles = handles"] if needs_handles(functions) else []))
            block.add("self._interface = interface")
        FunctionWriter(out).caller_methods(functions, "self._interface", documented=False)


def _protocol(out: ModuleWriter, names: InterfaceNames, functions: Sequence[Function]) -> None:
    out.block.add("", "")
    with out.block.under(f"class {names.protocol}({out.scope.use('typing', 'Protocol')}):"):
        out.block.add(*docstring(f"What `{out.unit.title}` offers.\n\n{out.unit.docs}"))
        FunctionWriter(out).protocol_methods(functions)


def _handlers(out: ModuleWriter, names: InterfaceNames, functions: Sequence[Function]) -> None:
    block, writer, title = out.block, FunctionWriter(out), out.unit.title
    block.add("", "")
    params = [f"implementation: {names.protocol}", *_handles(out, functions)]
    block.listed(f"def {names.handlers}(", params, f") -> dict[str, {out.scope.value('Handler')}]:", call=True)
    with block.under():
        block.add(*docstring(f"What serves `{title}`, by function."))
        rows = writer.handlers(functions, "implementation")
        block.listed("return {", [f"{literal(function)}: {local}" for function, local in rows], "}")


def _handles(out: ModuleWriter, functions: Sequence[Function]) -> list[str]:
    """The parameter for the resources, where there are any."""
    return [f"handles: {out.scope.resource('Handles')}"] if needs_handles(functions) else []


def world_module(layout: Layout, world: World, stamp: str) -> str:
    """The source of a world's bindings; ``""`` when there is nothing to bind."""
    unit = layout.units[world.name, ""]
    out = ModuleWriter(layout, unit)
    name = title_word(world.name.name)
    names = (f"{name}Exports", f"{name}Imports", f"{json_name(world.name.name)}_handlers")
    for declared in (*names, *_guest_names(unit)):
        out.scope.declare(declared)
    ConverterWriter(out).write()
    _guest_classes(out, servable(unit.functions))
    exports, imports = _Side(out, world.exports, has_callers=True), _Side(out, world.imports, has_callers=False)
    if exports:
        _exports(out, names[0], exports)
    if imports:
        _imports(out, names[1], names[2], imports)
    return out.text(stamp, f"Typed bindings of the world `{unit.title}`.") if out.block.lines else ""


class _Bound(NamedTuple):
    attribute: str
    key: str
    unit: Unit
    names: InterfaceNames
    handles: bool


class _Side:
    """What a world exports or imports and can be bound: interfaces under their attribute's name, and functions.

    An interface that is exported is bound by its caller (`has_callers`), which not every interface has.
    """

    def __init__(self, out: ModuleWriter, items: Sequence[WorldItem], *, has_callers: bool) -> None:
        self.functions = servable([item for item in items if isinstance(item, Function)])
        self.interfaces: list[_Bound] = []
        table = NameTable(*(attribute_name(function.name) for function in self.functions))
        for item in items:
            if not isinstance(item, WorldInterface):
                continue
            unit = out.layout.units[item.interface.name, item.interface.inline_name]
            functions = servable(item.interface.functions)
            if _callable(functions) if has_callers else functions:
                attribute, names = table.unique(_attribute(out.unit, item)), InterfaceNames.of(unit)
                bound = _Bound(attribute, world_key(item), unit, names, needs_handles(functions))
                self.interfaces.append(bound)
        self.handles = needs_handles(self.functions) or any(bound.handles for bound in self.interfaces)

    def __bool__(self) -> bool:
        return bool(self.functions or self.interfaces)


def _attribute(world: Unit, item: WorldInterface) -> str:
    """The interface's own name, after its package's where that is not the world's: ``wasi_http__types``."""
    package, label = item.interface.name.package, item.label or item.interface.inline_name
    if label or package == world.owner[0].package:
        return attribute_name(label or item.interface.name.name)
    return f"{json_name(package.namespace)}_{json_name(package.name)}__{json_name(item.interface.name.name)}"


def _exports(out: ModuleWriter, name: str, exports: _Side) -> None:
    block = out.block
    block.add("", "")
    with block.under(f"class {name}:"):
        block.add(*docstring(f"Calls what a component of the world `{out.unit.title}` exports."), "")
        handles = f", handles: {out.scope.resource('Handles')}" if exports.handles else ""
        with block.under(f"def __init__(self, caller: {out.scope.value('Caller')}{handles}) -> None:"):
            block.add("self._caller = caller", *(["self._handles = handles"] if handles else []))
            for bound in exports.interfaces:
                caller = out.scope.sibling((bound.unit.folder, "bindings", bound.unit.module), bound.names.caller)
                more = "handles, " if bound.handles else ""
                block.add(f"self.{bound.attribute} = {caller}(caller, {more}{literal(bound.key)})")
        FunctionWriter(out).caller_methods(exports.functions, '""')


def _imports(out: ModuleWriter, name: str, handlers: str, imports: _Side) -> None:
    block, writer = out.block, FunctionWriter(out)
    block.add("", "")
    with block.under(f"class {name}({out.scope.use('typing', 'Protocol')}):"):
        block.add(*docstring(f"What a component of the world `{out.unit.title}` imports."))
        for bound in imports.interfaces:
            protocol = out.scope.sibling((bound.unit.folder, "bindings", bound.unit.module), bound.names.protocol)
            block.add("", "@property")
            with block.under(f"def {bound.attribute}(self) -> {protocol}:"):
                block.add(*docstring(f"`{bound.key}`"), "...")
        writer.protocol_methods(imports.functions)
    block.add("", "")
    handler = out.scope.value("Handler")
    params = [f"imports: {name}", *([f"handles: {out.scope.resource('Handles')}"] if imports.handles else [])]
    block.listed(f"def {handlers}(", params, f") -> dict[tuple[str, str], {handler}]:", call=True)
    with block.under():
        block.add(*docstring(f"What serves the imports of `{out.unit.title}`, by interface and function."))
        rows = writer.handlers(imports.functions, "imports")
        entries = [f'("", {literal(function)}): {local}' for function, local in rows]
        block.listed(f"handlers: dict[tuple[str, str], {handler}] = {{", entries, "}")
        for bound in imports.interfaces:
            serve = out.scope.sibling((bound.unit.folder, "bindings", bound.unit.module), bound.names.handlers)
            more = ", handles" if bound.handles else ""
            with block.under(f"for function, handler in {serve}(imports.{bound.attribute}{more}).items():"):
                block.add(f"handlers[{literal(bound.key)}, function] = handler")
        block.add("return handlers")
