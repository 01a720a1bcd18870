"""The JSON forms of a unit's types: the module ``forms/<name>.py`` of a generated package.

Per type the function that checks it, as in validators, and a `runtime.forms.WitForm` that joins this with the
converters of the bindings and with JSON Schema. What a type uses of other units is imported from their forms.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, cast

from obelisk.codegen.emit.annotations import Annotations
from obelisk.codegen.emit.conversions import DEFINED, Conversions
from obelisk.codegen.emit.crossing import has_form, is_resource
from obelisk.codegen.emit.json_schema import JsonObject, Schemas
from obelisk.codegen.emit.layout import Layout, Unit
from obelisk.codegen.emit.modules import module
from obelisk.codegen.emit.python_names import converter_name, form_name
from obelisk.codegen.emit.scope import Scope
from obelisk.codegen.emit.validator_module import import_checks
from obelisk.codegen.emit.validators import NAMED, ValidatorWriter
from obelisk.codegen.emit.writer import Block, docstring, literal
from obelisk.codegen.model.json_form import JsonValue, json_name
from obelisk.codegen.model.types import (
    EnumType,
    FlagsType,
    RecordType,
    Type,
    TypeDef,
    VariantType,
    definition,
    parts,
)

_REFERENCE: Final = "#/components/schemas/"


def formed(unit: Unit) -> list[TypeDef]:
    """The types of a unit that have a form of their own there: not resources, not other names of types."""
    return [t for t in unit.types if not isinstance(t.body, TypeDef) and not is_resource(t) and has_form(t)]


def forms_module(layout: Layout, unit: Unit, stamp: str) -> str:
    """The module's source, or ``""`` without types that have a form; `stamp` is its first line, a comment."""
    types = formed(unit)
    if not types:
        return ""
    writer = _FormsWriter(layout, unit, types)
    for type_ in types:
        writer.write(type_)
    summary = (
        f"JSON forms of the types of `{unit.title}`.\n\n"
        "A class has its form in its methods `to_json` and `from_json`; other types are converted with their form here."
    )
    body = writer.text()
    return module(stamp, summary, writer.scope.imports(), body)


class _FormsWriter:
    def __init__(self, layout: Layout, unit: Unit, types: list[TypeDef]) -> None:
        declared = [name for type_ in types for name in (_checker(type_), form_name(type_.name))]
        self.scope = Scope((unit.folder, "forms", unit.module), "FORMS", "WitForm", *declared)
        self._layout, self._unit, self._types = layout, unit, types
        self._annotations = Annotations(layout, self.scope)
        self._conversions = Conversions(layout, self.scope, self._annotations)
        self._checks = ValidatorWriter(self._check)
        self._schemas = Schemas()
        self._forms = Block()

    def write(self, type_: TypeDef) -> None:
        """Add the check and the form of a type."""
        self._checks.checker(type_, _checker(type_))
        decode, encode = self._converters(type_)
        schema, uses = self._schema(type_)
        block, final, form = self._forms, self.scope.use("typing", "Final"), self.scope.value("WitForm")
        named = self._annotations.named(type_)
        block.add("")
        with block.under(f"{form_name(type_.name)}: {final}[{form}[{named}]] = {form}("):
            block.add(f"{literal(type_.name)},", f"check={_checker(type_)},", f"decode={decode},", f"encode={encode},")
            if isinstance(type_.body, VariantType):
                names = [(self._annotations.named(type_, c.name), json_name(c.name)) for c in type_.body.cases]
                block.listed("cases={", [f"{kind}: {literal(name)}" for kind, name in names], "},")
            elif isinstance(type_.body, NAMED):
                block.add(f"kind={named},")
            if uses:
                block.listed("uses={", [f"{literal(name)}: {used}" for name, used in uses.items()], "},")
            block.add(f"schema={_text(schema)},")
        block.add(")", *docstring(f"The JSON form of `{type_.name}`."))

    def text(self) -> str:
        """The body of the module."""
        rows: list[str] = []
        for type_ in self._types:
            match type_.body:
                case VariantType(cases):
                    names = [f"{type_.name}.{case.name}" for case in cases]
                case RecordType() | EnumType() | FlagsType():
                    names = [type_.name]
                case _:
                    names = []
            rows += [f"{literal(self._unit.classes[name])}: {form_name(type_.name)}" for name in names]
        block = Block()
        head = f"FORMS: {self.scope.use('typing', 'Final')}[dict[str, {self.scope.value('WitForm')}["
        block.listed(f"{head}{self.scope.use('typing', 'Any')}]]] = {{", rows, "}")
        block.add(*docstring("The forms of the classes, by their names."))
        checks = self._checks.source()
        import_checks(self.scope, checks)
        return f"\n\n{checks.rstrip()}\n\n{self._forms.text()}\n{block.text()}"

    def _check(self, type_: TypeDef) -> str:
        """The function that checks a named type, of this unit or of another."""
        unit = self._layout.unit_of(type_)
        return self.scope.sibling((unit.folder, "forms", unit.module), _checker(type_))

    def _converters(self, type_: TypeDef) -> tuple[str, str]:
        """What makes a typed value of a canonical form, and the other way round."""
        bindings = (self._unit.folder, "bindings", self._unit.module)
        if isinstance(type_.body, DEFINED):
            decode, encode = (self.scope.sibling(bindings, converter_name(type_.name, way)) for way in ("from", "to"))
            return decode, encode
        decode = f"lambda data: {self._conversions.from_json(type_, 'data')}"
        return decode, f"lambda value: {self._conversions.to_json(type_, 'value')}"

    def _schema(self, type_: TypeDef) -> tuple[JsonObject, dict[str, str]]:
        """The schema, parts of the type written in line, and the forms of the other types it refers to."""
        uses = {self._component(used): used for used in _named(type_.body)}
        schema = self._schemas.schema(type_)
        reference = schema.get("$ref")
        whole = self._schemas.components[_component(reference)] if isinstance(reference, str) else schema
        found: dict[str, str] = {}
        for name, used in uses.items():
            unit = self._layout.unit_of(used)
            found[name] = self.scope.sibling((unit.folder, "forms", unit.module), form_name(used.name))
        return cast(JsonObject, self._inlined(whole, uses.keys())), found

    def _component(self, type_: TypeDef) -> str:
        return _component(cast(str, self._schemas.schema(type_)["$ref"]))

    def _inlined(self, schema: JsonValue, kept: object) -> JsonValue:
        if isinstance(schema, list):
            return [self._inlined(item, kept) for item in schema]
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if isinstance(reference, str) and _component(reference) not in cast("set[str]", kept):
            return self._inlined(self._schemas.components[_component(reference)], kept)
        return {key: self._inlined(value, kept) for key, value in schema.items()}


def _named(type_: Type) -> Iterator[TypeDef]:
    """The named records, variants, enums and flags directly inside a type, as declared."""
    for part in parts(type_):
        declared = definition(part) if isinstance(part, TypeDef) else part
        if isinstance(declared, TypeDef) and isinstance(declared.body, NAMED):
            yield declared
        else:
            yield from _named(part)


def _checker(type_: TypeDef) -> str:
    return f"check_{json_name(type_.name)}"


def _component(reference: str) -> str:
    return reference.removeprefix(_REFERENCE)


def _text(schema: JsonObject) -> str:
    """JSON text as a literal. Single quotes need no escapes for the double ones in it."""
    text = json.dumps(schema, separators=(",", ":")).replace("'", "\\u0027")
    return "'" + text.replace("\\", "\\\\") + "'"
