"""JSON Schema (2020-12, as OpenAPI 3.1 uses it) of the JSON form of WIT types.

Records, variants, enums and flags become named components and are referred to by ``$ref``; everything else stands in
line. A schema says what JSON Schema can say; what it cannot (no second equal key in a map of pairs) only the validator
knows, and integers written ``1.0`` are integers to JSON Schema alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias, cast

from obelisk.codegen.emit.writer import NameTable
from obelisk.codegen.model.json_form import (
    INTEGER_RANGES,
    NON_FINITE,
    WIDE_INTEGERS,
    JsonValue,
    is_bytes,
    is_nullable,
    is_text_map,
    json_name,
    require_json_form,
)
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    Label,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    definition,
    unalias,
)

JsonObject: TypeAlias = dict[str, JsonValue]

_NULL: Final[JsonObject] = {"type": "null"}
_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"
_LARGEST_F32: Final = float.fromhex("0x1.fffffep127")
_NOT_WORD: Final = re.compile(r"[^0-9A-Za-z]+")
_BEFORE_DIGIT: Final = re.compile(r"-(?=[0-9])")


def pascal(text: str) -> str:
    """``PascalCase`` of any words."""
    return "".join(word[:1].upper() + word[1:] for word in _NOT_WORD.split(text))


def title_word(label: str) -> str:
    """As `pascal`, for names that only a dash may tell apart (of interfaces and packages): ``store-1`` → ``Store_1``.

    No underscore comes before a letter, so words joined by underscores stay apart.
    """
    return "_".join(map(pascal, _BEFORE_DIGIT.split(label)))


def schema_name(interface: InterfaceName, item: str) -> str:
    """The name of a type's or function's schema: ``Demo_Trip_V1_2_0_Types_Booking``.

    It is the same in every document, and no other item of any package has it: a word holds no underscore. What is
    derived from an item adds a word after two underscores, a case of a variant one after a single underscore.
    """
    package = interface.package
    version = ["V" + _NOT_WORD.sub("_", package.version)] if package.version else []
    words = [
        title_word(package.namespace),
        title_word(package.name),
        *version,
        title_word(interface.name),
        pascal(item),
    ]
    return "_".join(words)


class Schemas:
    """Makes schemas, and collects those with a name in `components` in the order of first use."""

    def __init__(self, *reserved: str) -> None:
        self.components: dict[str, JsonObject] = {}
        self._names = NameTable("Bytes", "NonFinite", *(pascal(type_.value) for type_ in WIDE_INTEGERS), *reserved)
        self._references: dict[int, tuple[Type, str]] = {}

    def add(self, interface: InterfaceName, item: str, derived: str, schema: JsonObject) -> JsonObject:
        """Put a schema that is `derived` (a word) from an item among the components; gives the reference."""
        return self._component(f"{schema_name(interface, item)}__{derived}", schema)

    def _component(self, wanted: str, schema: JsonObject) -> JsonObject:
        name = self._names.unique(wanted)
        self.components[name] = schema
        return _reference(name)

    def schema(self, type_: Type | None) -> JsonObject:
        """The schema of a type, of None that of null; `UnsupportedType` without a JSON form."""
        require_json_form(type_)
        return dict(_NULL) if type_ is None else self._schema(type_)

    def record(self, fields: tuple[Field, ...]) -> JsonObject:
        """The schema of an object with these fields."""
        properties = {json_name(field.name): _described(self._schema(field.type), field.docs) for field in fields}
        required = [json_name(field.name) for field in fields if not is_nullable(field.type)]
        return _object(properties, required)

    def positional(self, items: tuple[Type, ...]) -> JsonObject:
        """The schema of an array with one item of each type.

        Its length says all; ``"items": false`` would say it again, and generators refuse a schema that is no object.
        """
        size: JsonObject = {"minItems": len(items), "maxItems": len(items)}
        if not items:
            return {"type": "array", "items": {}, **size}
        return {"type": "array", "prefixItems": [self._schema(item) for item in items], **size}

    def _schema(self, type_: Type) -> JsonObject:
        bare = unalias(type_)
        if not isinstance(bare, RecordType | VariantType | EnumType | FlagsType):
            return self._anonymous(bare)
        if not isinstance(type_, TypeDef):
            return self._body(bare, "")
        if id(bare) not in self._references:
            named = definition(type_)
            name = self._names.unique(schema_name(named.owner, named.name))
            self._references[id(bare)] = (bare, name)
            self.components[name] = {}  # holds the place: a type comes before its parts
            body = self._body(bare, name)
            docs = "\n\n".join(text for text in (named.docs, str(body.get("description", ""))) if text)
            self.components[name] = _described(body, docs)
        return _reference(self._references[id(bare)][1])

    def _body(self, type_: Type, name: str) -> JsonObject:
        match type_:
            case RecordType(fields):
                return self.record(fields)
            case VariantType(cases):
                return self._variant(cases, name)
            case EnumType(cases):
                return _choice(cases)
            case FlagsType(flags):
                plain: JsonObject = {"type": "string"}
                items = self._part(f"{name}__Flag", name, _choice(flags)) if flags else plain
                return {"type": "array", "items": items, "uniqueItems": True, "maxItems": len(flags)}
            case _:
                raise AssertionError(f"no named body: {type_}")

    def _variant(self, cases: tuple[Case, ...], name: str) -> JsonObject:
        bare = [Label(case.name, case.docs) for case in cases if case.payload is None]
        forms: list[JsonValue] = []
        if len(bare) == len(cases):
            return _choice(bare)
        if bare:
            forms.append(self._part(f"{name}__Bare", name, _choice(bare)))
        for case in cases:
            if case.payload is not None:
                form = _object({json_name(case.name): self._schema(case.payload)}, [json_name(case.name)])
                forms.append(self._part(f"{name}_{pascal(case.name)}", name, _described(form, case.docs)))
        return {"oneOf": forms} if len(forms) > 1 else cast(JsonObject, forms[0])

    def _part(self, wanted: str, of: str, schema: JsonObject) -> JsonObject:
        """A part of a named type is a component of its own: generators name it then, and understand what is inside."""
        return self._component(wanted, schema) if of else schema

    def _anonymous(self, type_: Type) -> JsonObject:
        match type_:
            case Primitive():
                return self._primitive(type_)
            case ListType(element):
                if is_bytes(type_):
                    return self._bytes()
                return {"type": "array", "items": self._schema(element)}
            case FixedListType(element, length):
                return {"type": "array", "items": self._schema(element), "minItems": length, "maxItems": length}
            case TupleType(items):
                return self.positional(items)
            case MapType(_, value) if is_text_map(type_):
                return {"type": "object", "additionalProperties": self._schema(value)}
            case MapType(key, value):
                return {"type": "array", "items": self.positional((key, value))}
            case OptionType(payload):
                inner = self._schema(payload)
                return {"anyOf": [_object({"some": inner}, ["some"]) if is_nullable(payload) else inner, dict(_NULL)]}
            case ResultType(ok, err):
                sides = {"ok": ok, "err": err}
                parts = {side: dict(_NULL) if part is None else self._schema(part) for side, part in sides.items()}
                return {"oneOf": [_object({side: part}, [side]) for side, part in parts.items()]}
            case _:
                raise AssertionError(f"no JSON form: {type_}")

    def _bytes(self) -> JsonObject:
        if "Bytes" not in self.components:
            text: JsonObject = {
                "title": "BytesBase64",
                "type": "string",
                "contentEncoding": "base64",
                "pattern": _BASE64,
            }
            numbers: JsonObject = {"title": "BytesNumbers", "type": "array", "items": self._primitive(Primitive.U8)}
            words = "Bytes, a `list<u8>`: base64, as in all answers, or an array of numbers."
            self.components["Bytes"] = {"description": words, "anyOf": [text, numbers]}
        return _reference("Bytes")

    def _primitive(self, type_: Primitive) -> JsonObject:
        match type_:
            case Primitive.BOOL:
                return {"type": "boolean"}
            case Primitive.CHAR:
                return {"type": "string", "minLength": 1, "maxLength": 1}
            case Primitive.STRING:
                return {"type": "string"}
            case Primitive.F32 | Primitive.F64:
                self.components.setdefault("NonFinite", {"type": "string", "enum": list(NON_FINITE)})
                number: JsonObject = {"type": "number", "format": "double"}
                if type_ is Primitive.F32:
                    number = {"type": "number", "format": "float", "minimum": -_LARGEST_F32, "maximum": _LARGEST_F32}
                return {"anyOf": [number, _reference("NonFinite")]}
            case Primitive.S64 | Primitive.U64:
                name = pascal(type_.value)
                if name not in self.components:
                    self.components[name] = _wide_integer(type_)
                return _reference(name)
            case _:
                low, high = INTEGER_RANGES[type_]
                # Of the formats for so few bits OpenAPI itself defines this one; tools warn of others.
                known: JsonObject = {"format": "int32"} if type_ is Primitive.S32 else {}
                return {"type": "integer", **known, "minimum": low, "maximum": high}


def _wide_integer(type_: Primitive) -> JsonObject:
    """A number, or its digits: not every JSON reader keeps 64 bits of a number."""
    low, high = INTEGER_RANGES[type_]
    shape = "int64" if low else "uint64"
    name = pascal(type_.value)
    number: JsonObject = {
        "title": f"{name}Number",
        "type": "integer",
        "format": shape,
        "minimum": low,
        "maximum": high,
    }
    negative = [f"-(?:{_up_to(str(-low))})"] if low else []
    text: JsonObject = {
        "title": f"{name}Digits",
        "type": "string",
        "format": shape,
        "pattern": f"^(?:{'|'.join(['0', _up_to(str(high)), *negative])})$",
    }
    words = f"A `{type_.value}`: a number, or its decimal digits as a string for readers whose numbers are too short."
    return {"description": words, "anyOf": [number, text]}


def _up_to(most: str) -> str:
    """A pattern of the decimal integers from 1 to `most`: of fewer digits, then of as many with the first that is less
    at each place."""
    rest = len(most) - 1
    forms = [f"[1-9][0-9]{{0,{rest - 1}}}"]
    for index, digit in enumerate(most):
        first = 0 if index else 1
        if int(digit) > first:
            less = f"[{first}-{int(digit) - 1}]" if int(digit) - 1 > first else str(first)
            more = f"[0-9]{{{rest - index}}}" if index < rest else ""
            forms.append(f"{most[:index]}{less}{more}")
    return "|".join([*forms, most])


def _reference(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, JsonObject], required: list[str]) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False}


def _choice(labels: Sequence[Label]) -> JsonObject:
    """One of these strings. JSON Schema has no place for the documentation of each: it is a list in the description."""
    lines = [f"- `{json_name(label.name)}`: {' '.join(label.docs.split())}" for label in labels if label.docs.strip()]
    schema: JsonObject = {"type": "string", "enum": [json_name(label.name) for label in labels]}
    return _described(schema, "\n".join(lines))


def _described(schema: JsonObject, docs: str) -> JsonObject:
    return {**schema, "description": docs} if docs else schema
