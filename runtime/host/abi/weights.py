"""What values of a type weigh: how many bytes their JSON text has at least. Pure.

A value that has more entries than a text of the allowed size could name is refused before any of them is looked at. A
handle has no JSON form; it weighs what it takes to look it up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obelisk.codegen.model import json_form
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    parts,
)

HANDLE: Final = 400
NULL: Final = 4
_QUOTES: Final = 2
_CHOICES: Final = (ListType, MapType, VariantType, OptionType, ResultType)
_PRIMITIVES: Final = {Primitive.BOOL: 4, Primitive.F32: 3, Primitive.F64: 3, Primitive.CHAR: 3, Primitive.STRING: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of one type: the `least` that a value weighs, whether values may have `handles` in them, may be `long` (have more
    entries than the type says), and `spends`: weigh more than the least."""

    least: int
    handles: bool
    long: bool
    spends: bool


class Weights:
    """Facts of types; each part of a type is looked at once, however often it is reached."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Type, Facts]] = {}  # the type is kept so that its id stays its own

    def __call__(self, type_: Type) -> Facts:
        """The facts of a type."""
        known = self._known.get(id(type_))
        if known is None:
            inner = [self(part) for part in parts(type_)]
            is_list = isinstance(type_, ListType | MapType)
            facts = Facts(
                least=self._least(type_),
                handles=isinstance(type_, OwnType | BorrowType) or any(one.handles for one in inner),
                long=is_list or any(one.long for one in inner),
                spends=type_ is Primitive.STRING or isinstance(type_, _CHOICES) or any(one.spends for one in inner),
            )
            known = self._known[id(type_)] = type_, facts
        return known[1]

    def _least(self, type_: Type) -> int:
        match type_:
            case TypeDef(body=body):
                return self(body).least
            case Primitive():
                return _PRIMITIVES.get(type_, 1)
            case TupleType(items):
                return 1 + max(1, sum(map(self.entry, items)))
            case RecordType(fields):
                return 1 + max(1, sum(self.named(field.name, field.type) - 1 for field in fields))
            case VariantType(cases):
                return min((self.case(case.name, case.payload) for case in cases), default=0)
            case EnumType(cases):
                return min((quoted(case.name) for case in cases), default=0)
            case OptionType():
                return min(NULL, self.some(type_))
            case ResultType(ok, err):
                return min(self.named("ok", ok), self.named("err", err))
            case OwnType() | BorrowType():
                return HANDLE
            case _:
                return _QUOTES

    def entry(self, type_: Type) -> int:
        """The least that one entry more of a list weighs: it, and a comma, which the first one has not."""
        return self(type_).least + 1

    def map_entry(self, type_: MapType) -> int:
        """The same of a map."""
        brackets = 0 if json_form.is_text_map(type_) else 2
        return brackets + self.entry(type_.key) + self.entry(type_.value)

    def named(self, name: str, type_: Type | None) -> int:
        """The least that an object of one member weighs: ``{"name":…}``."""
        return 2 + quoted(name) + 1 + (NULL if type_ is None else self(type_).least)

    def case(self, name: str, payload: Type | None) -> int:
        """The least that a case of a variant weighs."""
        return quoted(name) if payload is None else self.named(name, payload)

    def some(self, type_: OptionType) -> int:
        """The least that an option with a value weighs."""
        payload = type_.payload
        return self.named("some", payload) if json_form.is_nullable(payload) else self(payload).least


def quoted(name: str) -> int:
    """What a name weighs as a string."""
    return _QUOTES + len(json_form.json_name(name))


def octets(count: int) -> int:
    """How many characters of base64 so many bytes have."""
    return (count + 2) // 3 * 4
