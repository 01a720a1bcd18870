"""The functions ``…_to_json`` and ``…_from_json`` of a unit's records, variants and flags, in generated bindings."""

from __future__ import annotations

from typing import Final

from obelisk.codegen.emit.conversions import DEFINED
from obelisk.codegen.emit.module_writer import ModuleWriter
from obelisk.codegen.emit.python_names import converter_name, field_name, member_name
from obelisk.codegen.emit.writer import NameTable, docstring, literal
from obelisk.codegen.model.json_form import json_name
from obelisk.codegen.model.types import FlagsType, RecordType, TypeDef, VariantType, resources

MANY: Final = 32
"""Cases of a variant, past which its cases stand in a table: type checkers narrow a union again at each case of a
`match`, which takes them time in the square of the cases, and give up."""


class ConverterWriter:
    """Writes into a module; the functions' names are declared at once."""

    def __init__(self, out: ModuleWriter) -> None:
        self._out = out
        self._types = [type_ for type_ in out.unit.types if isinstance(type_.body, DEFINED)]
        for type_ in self._types:
            out.scope.declare(converter_name(type_.name, "to"))
            out.scope.declare(converter_name(type_.name, "from"))

    def write(self) -> None:
        """Two functions for each type that the unit declares."""
        for type_ in self._types:
            is_large = isinstance(type_.body, VariantType) and len(type_.body.cases) > MANY
            name, block = self._out.annotations.named(type_), self._out.block
            json_value, any_value = self._out.scope.value("JsonValue"), self._out.scope.use("typing", "Any")
            more = f", handles: {self._out.scope.resource('Handles')}" if resources(type_) else ""
            block.add("", "")
            with block.under(f"def {converter_name(type_.name, 'to')}(value: {name}{more}) -> {json_value}:"):
                block.add(*docstring(f"The canonical JSON form of `{type_.name}`."))
                if is_large:
                    block.add(f"return {_table(type_, 'to')}[type(value)](value{', handles' if more else ''})")
                else:
                    self._to_json(type_)
            block.add("", "")
            with block.under(f"def {converter_name(type_.name, 'from')}(data: {any_value}{more}) -> {name}:"):
                block.add(*docstring(f"The `{type_.name}` of a canonical JSON form."))
                if is_large:
                    table = _table(type_, "from")
                    block.add(f"name, payload = {self._out.scope.value('case_of')}(data)")
                    with block.under(f"if name not in {table}:"):
                        block.add(_no_case(type_))
                    block.add(f"return {table}[name](payload{', handles' if more else ''})")
                else:
                    self._from_json(type_, name)
            if is_large:
                self._tables(type_)

    def _tables(self, type_: TypeDef) -> None:
        """What converts each case of a variant of many, by its class and by its name in JSON."""
        assert isinstance(type_.body, VariantType)
        scope, named, more = self._out.scope, self._out.annotations.named, resources(type_)
        final, any_value = scope.use("typing", "Final"), scope.use("typing", "Any")
        callable_, given = scope.use("collections.abc", "Callable"), f"[{any_value}{', Handles' if more else ''}]"
        to_json: list[str] = []
        from_json: list[str] = []
        for case in type_.body.cases:
            kind, name = named(type_, case.name), literal(json_name(case.name))
            form, payload = name, ""
            if case.payload is not None:
                form = f"{{{name}: {self._out.conversions.to_json(case.payload, 'value.value')}}}"
                payload = self._out.conversions.from_json(case.payload, "payload")
            to_json.append(f"{kind}: lambda value{', handles' if more else ''}: {form}")
            from_json.append(f"{name}: lambda payload{', handles' if more else ''}: {kind}({payload})")
        head = f"{final}[dict[type[object], {callable_}[{given}, {scope.value('JsonValue')}]]] = {{"
        self._out.block.add("", "")
        self._out.block.listed(f"{_table(type_, 'to')}: {head}", to_json, "}")
        head = f"{final}[dict[str, {callable_}[{given}, {named(type_)}]]] = {{"
        self._out.block.listed(f"{_table(type_, 'from')}: {head}", from_json, "}")

    def _to_json(self, type_: TypeDef) -> None:
        convert = self._out.conversions.to_json
        match type_.body:
            case RecordType(fields):
                names = field_names(type_.body)
                pairs = zip(fields, names, strict=True)
                items = [f"{literal(json_name(f.name))}: {convert(f.type, f'value.{n}')}" for f, n in pairs]
                self._out.block.listed("return {", items, "}")
            case FlagsType():
                listed = [f"({literal(name)}, {member})" for name, member in self._flags(type_, type_.body)]
                self._out.block.listed("members = (", listed, ",)" if len(listed) == 1 else ")")
                self._out.block.add("return [name for name, member in members if member in value]")
            case VariantType(cases):
                with self._out.block.under("match value:"):
                    for case in cases:
                        kind, name = self._out.annotations.named(type_, case.name), literal(json_name(case.name))
                        if case.payload is None:
                            with self._out.block.under(f"case {kind}():"):
                                self._out.block.code(f"return {name}")
                        else:
                            with self._out.block.under(f"case {kind}(value=payload):"):
                                self._out.block.listed("return {", [f"{name}: {convert(case.payload, 'payload')}"], "}")
            case _:
                raise AssertionError("only these types have converters")

    def _from_json(self, type_: TypeDef, name: str) -> None:
        convert = self._out.conversions.from_json
        match type_.body:
            case RecordType(fields):
                names = field_names(type_.body)
                keys = (f"data[{literal(json_name(field.name))}]" for field in fields)
                rows = zip(names, fields, keys, strict=True)
                items = [f"{attribute}={convert(field.type, key)}" for attribute, field, key in rows]
                self._out.block.listed(f"return {name}(", items, ")", call=True)
            case FlagsType():
                listed = [f"{literal(label)}: {member}" for label, member in self._flags(type_, type_.body)]
                self._out.block.listed("members = {", listed, "}")
                self._out.block.add(f"value = {name}(0)")
                with self._out.block.under("for label in data:"):
                    self._out.block.add("value |= members[label]")
                self._out.block.add("return value")
            case VariantType(cases):
                self._out.block.add(f"name, payload = {self._out.scope.value('case_of')}(data)")
                with self._out.block.under("match name:"):
                    for case in cases:
                        with self._out.block.under(f"case {literal(json_name(case.name))}:"):
                            payload = "" if case.payload is None else convert(case.payload, "payload")
                            self._out.block.code(f"return {self._out.annotations.named(type_, case.name)}({payload})")
                    with self._out.block.under("case _:"):
                        self._out.block.add(_no_case(type_))
            case _:
                raise AssertionError("only these types have converters")

    def _flags(self, type_: TypeDef, body: FlagsType) -> list[tuple[str, str]]:
        names, kind = NameTable(), self._out.annotations.named(type_)
        return [(json_name(flag.name), f"{kind}.{names.unique(member_name(flag.name))}") for flag in body.flags]


def _table(type_: TypeDef, way: str) -> str:
    return f"_{json_name(type_.name)}_{way}_json".upper()


def _no_case(type_: TypeDef) -> str:
    return f'raise ValueError(f"no case of {type_.name}: {{name}}, {{payload}}")'


def field_names(record: RecordType) -> list[str]:
    """The Python names of a record's fields, as its dataclass has them."""
    names = NameTable()
    return [names.unique(field_name(field.name)) for field in record.fields]
