"""One module of a guest's package: the types and functions of an interface, or the protocols of all exported ones.

Functions that are called have no body: where a guest runs, componentize-py puts its own in the place of this package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from obelisk.codegen.emit.guest.annotations import Annotations
from obelisk.codegen.emit.guest.layout import EXPORTS, IMPORTS, Guest, Side, is_bound, is_known
from obelisk.codegen.emit.guest.names import camel, shouty, snake
from obelisk.codegen.emit.writer import MAX_WIDTH, Block, docstring
from obelisk.codegen.model.items import Function, FunctionKind, Interface, Param
from obelisk.codegen.model.types import (
    EnumType,
    Field,
    FlagsType,
    Label,
    RecordType,
    ResourceType,
    TypeDef,
    VariantType,
)

_ABC: Final = "abc"
_TYPING: Final = "typing"
_ALIAS: Final = re.compile(r"\b_(?:builtins\.)?(?=\w)")
"""What stands before a name that the module imports."""


def interface_module(guest: Guest, side: Side, interface: Interface, stamp: str) -> str:
    """The module of an interface on one side."""
    names = guest.import_names if side == IMPORTS else guest.export_names
    types, functions = declared_types(guest, side, interface), [f for f in interface.functions if is_bound(f)]
    called = [f for f in functions if f.kind is FunctionKind.FREE] if side == IMPORTS else []
    methods = [f for f in functions if f.kind is not FunctionKind.FREE]
    writer = _Writer(guest, (side, names[interface.name]), _names_of(types, [*called, *methods]))
    shared = _shared(guest, side, interface)
    for type_ in types:
        writer.type(type_, methods, is_export=side == EXPORTS)
    for function in called:
        writer.function(function)
    verb = "imports" if side == IMPORTS else "exports"
    summary = f"The interface `{interface.name}`, as a component {verb} it.\n\n{interface.docs}"
    # `as` tells type checkers that the name is this module's, too.
    more = [f"from wit_world.imports.{names[interface.name]} import ("] if shared else []
    more += [*(f"    {name} as {name}," for name in shared), *([")"] if shared else [])]
    return writer.text(stamp, summary, more)


def protocols_module(guest: Guest, stamp: str) -> str:
    """``exports/__init__.py``: for each exported interface the class that an author implements."""
    bound = {interface.name: [f for f in interface.functions if is_bound(f)] for interface in guest.exports}
    free = {name: [f for f in found if f.kind is FunctionKind.FREE] for name, found in bound.items()}
    names = {camel(guest.export_names[name]) for name, functions in free.items() if functions}
    writer = _Writer(guest, None, names | _names_of((), [f for found in free.values() for f in found]))
    for interface in guest.exports:
        if free[interface.name]:
            docs = interface.docs or f"The interface `{interface.name}`."
            writer.protocol(camel(guest.export_names[interface.name]), docs, free[interface.name])
    summary = "What components export: a class for each interface, to be implemented by one of the same name."
    return writer.text(stamp, summary)


def world_module(guest: Guest, stamp: str) -> str:
    """``__init__.py``: what stands in a world itself."""
    imported = [f for f in guest.imported_functions if is_bound(f)]
    exported = [f for f in guest.exported_functions if is_bound(f)]
    types = [type_ for type_ in guest.types if is_known(type_)]
    names = _names_of(types, [*imported, *exported]) | {"WitWorld"}
    writer = _Writer(guest, None, names)
    for type_ in types:
        writer.type(type_, (), is_export=False)
    for function in imported:
        writer.function(function)
    if exported:
        writer.protocol("WitWorld", "The functions that the component exports without an interface.", exported)
    return writer.text(stamp, "What a guest in Python imports, made from WIT.")


def declared_types(guest: Guest, side: Side, interface: Interface) -> list[TypeDef]:
    """The types that an interface's module on this side declares itself: types once, resources on both sides."""
    here = guest.home(interface.name) is not None and guest.home(interface.name) == (
        side,
        (guest.import_names if side == IMPORTS else guest.export_names)[interface.name],
    )
    return [
        type_
        for type_ in interface.types
        if has_class(type_) and is_known(type_) and (here or isinstance(type_.body, ResourceType))
    ]


def offered_names(interface: Interface, *, functions: bool) -> set[str]:
    """What code may import of an interface's module; with `functions` also those that it calls."""
    types = [type_ for type_ in interface.types if has_class(type_) and is_known(type_)]
    called = [f for f in interface.functions if is_bound(f) and f.kind is FunctionKind.FREE] if functions else []
    return _classes(types) | {snake(function.name) for function in called}


def has_class(type_: TypeDef) -> bool:
    """Whether a type has a name in Python: another name of a type, and a type without fields or cases, has none."""
    return isinstance(type_.body, RecordType | VariantType | EnumType | FlagsType | ResourceType)


def _shared(guest: Guest, side: Side, interface: Interface) -> list[str]:
    """What an open guest's exported interface has in common with the imported one."""
    if side == IMPORTS or not guest.is_open:
        return []
    kept = [t for t in interface.types if has_class(t) and is_known(t) and not isinstance(t.body, ResourceType)]
    return sorted(_classes(kept))


def _classes(types: Iterable[TypeDef]) -> set[str]:
    names: set[str] = set()
    for type_ in types:
        names.add(camel(type_.name))
        if isinstance(type_.body, VariantType):
            names |= {f"{camel(type_.name)}_{camel(case.name)}" for case in type_.body.cases}
    return names


def _names_of(types: Iterable[TypeDef], functions: Iterable[Function]) -> set[str]:
    """All names that stand in a module's scopes, so that what it imports keeps clear of them."""
    known = list(types)
    names = _classes(known)
    for type_ in known:
        if isinstance(type_.body, RecordType):
            names |= {snake(field.name) for field in type_.body.fields}
    for function in functions:
        names |= {snake(function.name), *(snake(param.name) for param in function.params)}
    return names


class _Writer:
    """Collects the definitions of one module."""

    def __init__(self, guest: Guest, here: tuple[Side, str] | None, declared: set[str]) -> None:
        self._types = Annotations(guest, here, declared)
        self._block = Block()

    def text(self, stamp: str, summary: str, more: Sequence[str] = ()) -> str:
        """The module's source."""
        imports = self._types.imports()
        head = [stamp, *docstring(summary), "", "from __future__ import annotations", *imports]
        head += [*([] if imports else [""]), *more] if more else []
        return "\n".join(head) + "\n" + self._block.text()

    def type(self, type_: TypeDef, functions: Sequence[Function], *, is_export: bool) -> None:
        """A type's class or classes."""
        name = camel(type_.name)
        match type_.body:
            case RecordType(fields):
                self._dataclass(name, type_.docs or f"The record `{type_.name}`.", fields)
            case VariantType(cases):
                classes = [f"{name}_{camel(case.name)}" for case in cases]
                for case, class_ in zip(cases, classes, strict=True):
                    fields = () if case.payload is None else (Field("value", case.payload),)
                    self._dataclass(class_, case.docs or f"The case `{case.name}` of `{type_.name}`.", fields)
                self._union(name, type_.docs or f"The variant `{type_.name}`.", classes)
            case EnumType(cases):
                values = [str(number) for number in range(len(cases))]
                self._members(type_, self._types.use("enum", "Enum"), cases, values)
            case FlagsType(flags):
                auto = f"{self._types.use('enum', 'auto')}()"
                self._members(type_, self._types.use("enum", "Flag"), flags, [auto] * len(flags))
            case _:
                self._resource(type_, [f for f in functions if f.resource == type_.name], is_export=is_export)

    def function(self, function: Function) -> None:
        """A function to call."""
        self._block.add("", "")
        self._signature(snake(function.name), [], function.params, function)

    def protocol(self, name: str, docs: str, functions: Sequence[Function]) -> None:
        """What an author implements."""
        self._block.add("", "")
        with self._block.under(f"class {name}({self._types.use(_TYPING, 'Protocol')}):"):
            self._block.add(*docstring(docs))
            for function in functions:
                self._block.add("", f"@{self._types.use(_ABC, 'abstractmethod')}")
                self._signature(snake(function.name), ["self"], function.params, function)

    def _dataclass(self, name: str, docs: str, fields: Sequence[Field]) -> None:
        self._block.add("", "", f"@{self._types.use('dataclasses', 'dataclass')}")
        with self._block.under(f"class {name}:"):
            self._block.add(*docstring(docs), *([""] if fields else []))
            for field in fields:
                self._block.code(f"{snake(field.name)}: {self._types.of(field.type)}")
                self._block.add(*(docstring(field.docs) if field.docs else ()))

    def _union(self, name: str, docs: str, classes: Sequence[str]) -> None:
        head = f"{name}: {self._types.use(_TYPING, 'TypeAlias')} = "
        line = head + " | ".join(classes)
        self._block.add("", "")
        if len(line) <= MAX_WIDTH:
            self._block.add(line)
        else:
            self._block.listed(f"{head}{self._types.use(_TYPING, 'Union')}[", classes, "]")
        self._block.add(*docstring(docs))

    def _members(self, type_: TypeDef, parent: str, labels: Sequence[Label], values: Sequence[str]) -> None:
        kind = "flags" if isinstance(type_.body, FlagsType) else "enum"
        self._block.add("", "")
        with self._block.under(f"class {camel(type_.name)}({parent}):"):
            self._block.add(*docstring(type_.docs or f"The {kind} `{type_.name}`."), *([""] if labels else []))
            for label, value in zip(labels, values, strict=True):
                self._block.add(f"{shouty(label.name)} = {value}", *(docstring(label.docs) if label.docs else ()))

    def _resource(self, type_: TypeDef, functions: Sequence[Function], *, is_export: bool) -> None:
        name, block = camel(type_.name), self._block
        block.add("", "")
        base = f"({self._types.use(_TYPING, 'Protocol')})" if is_export else ""
        with block.under(f"class {name}{base}:"):
            block.add(*docstring(type_.docs or f"The resource `{type_.name}`."))
            for function in functions:
                block.add("")
                if function.kind is FunctionKind.STATIC:
                    block.add(f"@{self._types.builtin('classmethod')}")
                if is_export:
                    block.add(f"@{self._types.use(_ABC, 'abstractmethod')}")
                if function.kind is FunctionKind.CONSTRUCTOR:
                    self._signature("__init__", ["self"], function.params, None, function.docs)
                elif function.kind is FunctionKind.STATIC:
                    self._signature(snake(function.name), ["cls"], function.params, function)
                else:
                    self._signature(snake(function.name), ["self"], function.params[1:], function)
            if not is_export:
                self._context()

    def _context(self) -> None:
        """A handle can be released at the end of a block."""
        block, use, builtin = self._block, self._types.use, self._types.builtin
        block.add("", f"def __enter__(self) -> {use(_TYPING, 'Self')}:")
        with block.under():
            block.add('"""The handle itself."""', "return self")
        error = builtin("BaseException")
        params = [
            "self",
            f"exc_type: {builtin('type')}[{error}] | None",
            f"exc_value: {error} | None",
            f"traceback: {use('types', 'TracebackType')} | None",
        ]
        block.add("")
        block.listed("def __exit__(", params, f") -> {builtin('bool')} | None:", call=True)
        with block.under():
            block.add('"""Release the handle."""', "raise NotImplementedError")

    def _signature(
        self, name: str, first: list[str], params: Sequence[Param], function: Function | None, docs: str = ""
    ) -> None:
        """A function's head, documentation and body."""
        returned, raised = self._types.returned(function.result) if function else ("None", "")
        listed = [*first, *(self._param(param, first) for param in params)]
        self._block.listed(f"def {name}(", listed, f") -> {returned}:", call=True)
        text = function.docs if function else docs
        if raised:
            carried = "no value" if raised == "None" else f"`{_ALIAS.sub('', raised)}`"
            text = f"{text}\n\nRaises: `Err` with {carried}.".strip()
        with self._block.under():
            self._block.add(*(docstring(text) if text.strip() else ()), "raise NotImplementedError")

    def _param(self, param: Param, first: list[str]) -> str:
        name = snake(param.name)
        return f"{name}_: {self._types.of(param.type)}" if name in first else f"{name}: {self._types.of(param.type)}"
