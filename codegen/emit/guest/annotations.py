"""How types are written in one module of a guest's package, and what it imports for that.

A module declares names of strangers, which may be those of Python's own types and of what the module imports. Where a
name is taken, the module imports the other under a name with an underscore before it: no label of WIT begins with one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from obelisk.codegen.emit.annotations import SCALARS
from obelisk.codegen.emit.guest.layout import ROOT, Guest, Side
from obelisk.codegen.emit.guest.names import camel
from obelisk.codegen.emit.writer import MAX_WIDTH
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FlagsType,
    ListType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    definition,
    unalias,
)

VALUES: Final = "componentize_py_types"


class Annotations:
    """Types as text in the module `here` (None: the package itself), which declares these names."""

    def __init__(self, guest: Guest, here: tuple[Side, str] | None, declared: Collection[str]) -> None:
        self._guest, self._here, self._declared = guest, here, declared
        self._plain: set[str] = set()
        self._from: dict[str, set[str]] = {}

    def builtin(self, name: str) -> str:
        """One of Python's own names."""
        if name not in self._declared:
            return name
        self._plain.add("import builtins as _builtins")
        return f"_builtins.{name}"

    def use(self, module: str, name: str) -> str:
        """Import a name; what it is called here."""
        taken = name in self._declared
        self._from.setdefault(module, set()).add(f"{name} as _{name}" if taken else name)
        return f"_{name}" if taken else name

    def module(self, side: Side, name: str) -> str:
        """Import another module of the package; what it is called here."""
        self._from.setdefault(f"{ROOT}.{side}", set()).add(f"{name} as _{name}")
        return f"_{name}"

    def imports(self) -> list[str]:
        """The lines that import what was asked for, in groups."""
        own = [module for module in sorted(self._from) if module.partition(".")[0] in (ROOT, VALUES)]
        others = [module for module in sorted(self._from) if module not in own]
        groups = [sorted(self._plain) + self._lines(others), self._lines(own)]
        return [line for group in groups if group for line in ("", *group)]

    def _lines(self, modules: list[str]) -> list[str]:
        lines: list[str] = []
        for module in modules:
            names = sorted(self._from[module])
            line = f"from {module} import {', '.join(names)}"
            wrapped = [f"from {module} import (", *(f"    {name}," for name in names), ")"]
            lines += [line] if len(line) <= MAX_WIDTH else wrapped
        return lines

    def of(self, type_: Type | None) -> str:
        """A type as a value of it is handed over; None is no value."""
        match type_:
            case None:
                return "None"
            case TypeDef():
                declared = definition(type_)
                named = isinstance(declared.body, RecordType | VariantType | EnumType | FlagsType | ResourceType)
                return self.named(declared) if named else self.of(declared.body)
            case OwnType(resource) | BorrowType(resource):
                return self.named(definition(resource))
            case ListType(element):
                is_bytes = element in (Primitive.U8, Primitive.S8)
                return self.builtin("bytes") if is_bytes else f"{self.builtin('list')}[{self.of(element)}]"
            case TupleType(items):
                return f"{self.builtin('tuple')}[{', '.join(map(self.of, items))}]"
            case OptionType(payload):
                inner = self.of(payload)
                nested = isinstance(unalias(payload), OptionType)
                return f"{self.use(VALUES, 'Some')}[{inner}] | None" if nested else f"{inner} | None"
            case ResultType(ok, err):
                return f"{self.use(VALUES, 'Result')}[{self.of(ok)}, {self.of(err)}]"
            case Primitive():
                return self.builtin(SCALARS.get(type_, "int"))
            case _:
                raise AssertionError(f"{type_}: `layout.is_known` says that it has no form")

    def named(self, declared: TypeDef) -> str:
        """The class of a type that has one."""
        home = self._guest.home(declared.owner)
        name = camel(declared.name)
        return name if home is None or home == self._here else f"{self.module(*home)}.{name}"

    def returned(self, type_: Type | None) -> tuple[str, str]:
        """What a function returns, and what `Err` carries that it raises (empty: it raises none).

        A result is raised or returned only where it stands as such: not where the type is another name of one.
        """
        direct = type_.body if isinstance(type_, TypeDef) else type_
        if isinstance(direct, ResultType):
            aside = Annotations(self._guest, self._here, self._declared)  # documentation imports nothing
            return self.of(direct.ok), aside.of(direct.err)
        return self.of(type_), ""
