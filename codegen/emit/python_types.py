"""Python types of one interface or world: the module ``types/<name>.py`` of a generated package.

Records are frozen slotted dataclasses with keyword-only fields, enums `enum.Enum` with the JSON name as value, flags
`enum.Flag`, variants a union of one small class per case (`runtime.values.CaseOf`), all with methods to and from JSON
(`runtime.values.WitValue`), resources a `runtime.resources.Resource` with their methods, everything else an alias. An
option field may be left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.converters import MANY
from obelisk.codegen.emit.crossing import has_form, servable
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.python_names import attribute_name, field_name, member_name
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.emit.signatures import signature
from obelisk.codegen.emit.writer import MAX_WIDTH, Block, NameTable, docstring, literal
from obelisk.codegen.model.items import FunctionKind
from obelisk.codegen.model.json_form import is_nullable, json_name
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

METHOD = FunctionKind.METHOD


def types_module(layout: Layout, unit: Unit, stamp: str) -> str:
    """The module's source; `stamp` is its first line, a comment."""
    scope = Scope((unit.folder, "types", unit.module), *unit.classes.values())
    writer = _TypesWriter(layout, unit, scope)
    for type_ in unit.types:
        writer.write(type_)
    summary = f"Types of `{unit.title}`.\n\n{unit.docs}"
    return module(stamp, summary, scope.imports(), writer.block.text(), list(unit.classes.values()))


class _TypesWriter:
    def __init__(self, layout: Layout, unit: Unit, scope: Scope) -> None:
        self.block = Block()
        self._layout = layout
        self._unit = unit
        self._scope = scope
        self._annotations = Annotations(layout, scope)
        self._after_class = False

    def write(self, type_: TypeDef) -> None:
        """Add one named type."""
        match type_.body:
            case RecordType(fields):
                self._record(type_, fields)
            case VariantType():
                self._variant(type_, type_.body)
            case EnumType(cases):
                members = [(member_name(case.name), literal(json_name(case.name)), case) for case in cases]
                self._members(type_, self._scope.use("enum", "Enum"), members)
            case FlagsType(flags):
                labels = [(member_name(flag.name), str(1 << bit), flag) for bit, flag in enumerate(flags)]
                self._members(type_, self._scope.use("enum", "Flag"), labels)
            case ResourceType():
                self._resource(type_)
            case TypeDef() as body:
                self._use(type_, body)
            case body:
                self._alias(type_, self._annotations.of(body))

    def _record(self, type_: TypeDef, fields: tuple[Field, ...]) -> None:
        names = NameTable()
        self._gap(2)
        self.block.add(f"@{self._scope.use('dataclasses', 'dataclass')}(frozen=True, slots=True, kw_only=True)")
        base = f"({self._scope.value('WitValue')})" if has_form(type_) else ""  # none with handles inside
        with self.block.under(f"class {self._unit.classes[type_.name]}{base}:"):
            self.block.add(*docstring(type_.docs or f"The record `{type_.name}`."))
            for number, field in enumerate(fields):
                default = " = None" if is_nullable(field.type) else ""
                annotation = self._annotations.of(field.type)
                self.block.add(*([""] if number == 0 else []))
                self.block.add(f"{names.unique(field_name(field.name))}: {annotation}{default}")
                self.block.add(*(docstring(field.docs) if field.docs else ()))
        self._after_class = True

    def _variant(self, type_: TypeDef, body: VariantType) -> None:
        classes = [self._unit.classes[f"{type_.name}.{case.name}"] for case in body.cases]
        for case, name in zip(body.cases, classes, strict=True):
            if case.payload is None:
                parent = self._scope.value("Case")
            else:
                parent = f"{self._scope.value('CaseOf')}[{self._annotations.of(case.payload)}]"
            self._gap(2)
            with self.block.under(f"class {name}({parent}):"):
                self.block.add(*docstring(case.docs or f"The case `{case.name}` of `{type_.name}`."))
                self.block.add("", "__slots__ = ()")
            self._after_class = True
        self._alias(type_, " | ".join(classes), classes)

    def _resource(self, type_: TypeDef) -> None:
        methods = [f for f in servable(self._unit.functions) if f.resource == type_.name and f.kind is METHOD]
        self._gap(2)
        parents = f"{self._scope.resource('Resource')}, {self._scope.use('typing', 'Protocol')}"
        with self.block.under(f"class {self._unit.classes[type_.name]}({parents}):"):
            self.block.add(*docstring(type_.docs or f"The resource `{type_.name}`."))
            for method in methods:
                self.block.add("")
                signature(self.block, self._annotations, attribute_name(method.name), method)
                with self.block.under():
                    self.block.add(*docstring(method.docs or f"The method `{method.name}`."), "...")
        self._after_class = True

    def _members(self, type_: TypeDef, parent: str, members: list[tuple[str, str, Label]]) -> None:
        names = NameTable()
        self._gap(2)
        with self.block.under(f"class {self._unit.classes[type_.name]}({self._scope.value('WitValue')}, {parent}):"):
            kind = "enum" if parent == "Enum" else "flags"
            self.block.add(*docstring(type_.docs or f"The {kind} `{type_.name}`."))
            for number, (name, value, label) in enumerate(members):
                self.block.add(*([""] if number == 0 else []))
                self.block.add(f"{names.unique(name)} = {value}", *(docstring(label.docs) if label.docs else ()))
        self._after_class = True

    def _alias(self, type_: TypeDef, annotation: str, union: Sequence[str] = ()) -> None:
        head = f"{self._unit.classes[type_.name]}: {self._scope.use('typing', 'TypeAlias')} = "
        self._gap(1)
        if union and len(head) + len(annotation) > MAX_WIDTH:
            self._long_union(head, annotation, union)
        else:
            self.block.add(head + annotation)
        self.block.add(*docstring(type_.docs or f"The type `{type_.name}`."))

    def _long_union(self, head: str, annotation: str, union: Sequence[str]) -> None:
        if len(union) > MANY:  # type checkers read a chain of operators by recursion
            self.block.listed(f"{head}{self._scope.use('typing', 'Union')}[", union, "]")
            return
        with self.block.under(f"{head}("):
            short = self.block.width(annotation) <= MAX_WIDTH
            parts = [annotation] if short else [union[0], *(f"| {part}" for part in union[1:])]
            self.block.add(*parts)
        self.block.add(")")

    def _use(self, type_: TypeDef, body: TypeDef) -> None:
        """A type of another interface, under its own name where Python has the same for both."""
        name, unit = self._unit.classes[type_.name], self._layout.unit_of(body)
        if unit.classes[body.name] == name:
            self._scope.adopt((unit.folder, "types", unit.module), name)
        else:
            self._alias(type_, self._annotations.named(body))

    def _gap(self, lines: int) -> None:
        self.block.add(*[""] * (2 if self._after_class else lines))
        self._after_class = False
