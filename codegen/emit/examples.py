"""One example value of a WIT type, in canonical JSON form: short, the same each time, and valid."""

from __future__ import annotations

from typing import Final

from obelisk.codegen.model.json_form import JsonValue, is_bytes, is_nullable, is_text_map, json_name
from obelisk.codegen.model.types import (
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
    unalias,
)

_MAX_PARTS: Final = 500
_SCALARS: Final[dict[Primitive, JsonValue]] = {
    Primitive.BOOL: True,
    Primitive.F32: 1.5,
    Primitive.F64: 1.5,
    Primitive.CHAR: "a",
    Primitive.STRING: "text",
}


class TooLarge(Exception):
    """The smallest example would have too many parts to be of use."""


def example(*types: Type) -> list[JsonValue]:
    """An example of each type, which must have a JSON form; `TooLarge` when all together have too many parts."""
    maker = _Maker()
    return [maker.make(type_) for type_ in types]


class _Maker:
    def __init__(self) -> None:
        self._parts = 0

    def make(self, type_: Type) -> JsonValue:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise TooLarge
        type_ = unalias(type_)
        match type_:
            case Primitive():
                return _SCALARS.get(type_, 10)
            case ListType(element):
                return "aGVsbG8=" if is_bytes(type_) else [self.make(element)]
            case FixedListType(element, length):
                return [self.make(element) for _ in range(length)]
            case TupleType(items):
                return [self.make(item) for item in items]
            case MapType(key, value) if is_text_map(type_):
                return {"key": self.make(value)}
            case MapType(key, value):
                return [[self.make(key), self.make(value)]]
            case RecordType(fields):
                return {json_name(field.name): self.make(field.type) for field in fields}
            case OptionType(payload):
                return {"some": self.make(payload)} if is_nullable(payload) else self.make(payload)
            case ResultType(ok, _):
                return {"ok": None if ok is None else self.make(ok)}
            case EnumType(cases):
                return json_name(cases[0].name)
            case FlagsType(flags):
                return [json_name(flag.name) for flag in flags[:1]]
            case VariantType(cases):
                case = cases[0]
                return json_name(case.name) if case.payload is None else {json_name(case.name): self.make(case.payload)}
            case _:
                raise AssertionError(f"no JSON form: {type_}")
