"""Lifting in slices, for values that are too long to be lifted in one go: one generator per WIT type, see `lifting`.

A generator yields after each slice and returns the value. What lies below one that is long is mostly short, so a part
is lifted in one go wherever it fits into what is left of the slice, else into a slice of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, TypeAlias

from obelisk.codegen.model import json_form
from obelisk.codegen.model.checks import identity
from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import (
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
    unalias,
)
from obelisk.runtime.host.abi.crossing import SLICE, Crossing, Lengthy
from obelisk.runtime.host.abi.images import (
    SCALARS,
    case_of,
    cells_of,
    record_image,
    side_of,
    some_of,
    tuple_image,
    vector,
    wrong,
)
from obelisk.runtime.host.abi.lifting import Lift, LiftCompiler
from obelisk.runtime.host.abi.weights import octets
from obelisk.runtime.host.wasmtime import native

Lifting: TypeAlias = Generator[None, None, JsonValue]
Slices: TypeAlias = Callable[[bytes, int, Crossing], Lifting]

_CELLS: Final = 16 << 10
"""Scalars of a list that are lifted in one go."""
_OCTETS: Final = 48 << 10
"""Bytes of a list, a multiple of three: base64 has no padding within."""
_TEXT: Final = 256 << 10
"""Bytes of a string."""
_ENTRIES: Final = 2048
"""Entries of a list or a map whose memory is copied in one go."""
_SHORT_ESCAPES: Final = b'"\\\b\f\n\r\t'
_LONG_ESCAPES: Final = bytes(set(range(32)) - set(_SHORT_ESCAPES))


class SliceCompiler:
    """Gives the generator of a type; each part of a type is compiled once, however often it is reached."""

    def __init__(self, lifts: LiftCompiler) -> None:
        self.lifts, self.weights = lifts, lifts.weights
        self._known: dict[int, tuple[Type, Slices]] = {}

    def __call__(self, type_: Type) -> Slices:
        """The generator; `Unsupported` as with a `LiftCompiler`."""
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = type_, self._compile(type_)
        return known[1]

    def part(self, type_: Type) -> Slices:
        """The same for a part of a value: in one go, or if it must be in slices."""
        lift, slices = self.lifts(type_), self(type_)
        if self.weights(type_).handles:
            return slices

        def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
            while True:
                before = crossing.left
                try:
                    return lift(image, at, crossing)
                except Lengthy:
                    crossing.left = before
                if crossing.is_fresh:
                    return (yield from slices(image, at, crossing))
                yield
                crossing.refill()

        return apply

    def _compile(self, type_: Type) -> Slices:
        if self.weights(type_).handles:
            return _whole(self.lifts(type_))  # a handle that was taken cannot be taken again
        match type_:
            case TypeDef(body=body):
                return self(body)
            case Primitive.STRING:
                return _string
            case ListType(element):
                return _list(element, self)
            case MapType():
                return _map(type_, self)
            case TupleType(items):
                return _tuple([self.part(item) for item in items])
            case RecordType():
                return _record(type_, self)
            case VariantType():
                return _variant(type_, self)
            case OptionType():
                return _option(type_, self)
            case ResultType():
                return _result(type_, self)
            case _:
                return _whole(self.lifts(type_))


def _whole(lift: Lift) -> Slices:
    """A value that takes no longer than its type says."""

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        yield
        crossing.open()
        value = lift(image, at, crossing)
        crossing.refill()
        return value

    return apply


# --- strings, lists, maps --------------------------------------------------------------------------------------------
def _string(image: bytes, at: int, crossing: Crossing) -> Lifting:
    """Escapes are counted too: there may be six characters of JSON for a byte."""
    size, address = vector(image, at, native.STRING, "string")
    crossing.spend_whole(size)
    parts: list[str] = []
    begin = 0
    while begin < size:
        data = native.bytes_at(address + begin, min(_TEXT, size - begin))
        if begin + len(data) < size:
            data = data[: _boundary(data)]
        short = len(data) - len(data.translate(None, _SHORT_ESCAPES))
        crossing.spend_whole(short + 5 * (len(data) - len(data.translate(None, _LONG_ESCAPES))))
        parts.append(data.decode())
        begin += len(data)
        yield
        crossing.refill()
    return "".join(parts)


def _boundary(data: bytes) -> int:
    """Where the last character begins."""
    at = len(data) - 1
    while at > 0 and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _list(element: Type, compile_: SliceCompiler) -> Slices:
    structural = unalias(element)
    if structural is Primitive.U8:
        return _octets
    if isinstance(structural, Primitive) and structural in SCALARS:
        return _cells(structural, compile_)
    lift, slices, entry = compile_.lifts(element), compile_(element), compile_.weights.entry(element)
    at_once = _entries(entry)

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        size, address = vector(image, at, native.LIST, "list")
        crossing.spend_whole(size * entry - 1 if size else 0)
        values: list[JsonValue] = []
        for begin in range(0, size, at_once):
            inner = native.bytes_at(address + begin * native.VAL_SIZE, min(at_once, size - begin) * native.VAL_SIZE)
            place = 0
            while place < len(inner):
                before = crossing.left
                try:
                    values.append(lift(inner, place, crossing))
                except Lengthy:
                    crossing.left = before
                    if not crossing.is_fresh:
                        yield
                        crossing.refill()
                        continue
                    values.append((yield from slices(inner, place, crossing)))
                place += native.VAL_SIZE
            yield
            crossing.refill()
        return values

    return apply


def _entries(entry: int) -> int:
    """How many entries of that weight are looked at in one go."""
    return max(1, min(_ENTRIES, SLICE // entry))


def _octets(image: bytes, at: int, crossing: Crossing) -> Lifting:
    size, address = vector(image, at, native.LIST, "list")
    crossing.spend_whole(octets(size))
    cells = cells_of(Primitive.U8)
    parts: list[str] = []
    for begin in range(0, size, _OCTETS):
        inner = native.bytes_at(address + begin * native.VAL_SIZE, min(_OCTETS, size - begin) * native.VAL_SIZE)
        parts.append(str(cells(inner)))
        yield
    return "".join(parts)


def _cells(element: Primitive, compile_: SliceCompiler) -> Slices:
    cells, entry = cells_of(element), compile_.weights.entry(element)

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        size, address = vector(image, at, native.LIST, "list")
        crossing.spend_whole(size * entry - 1 if size else 0)
        values: list[JsonValue] = []
        for begin in range(0, size, _CELLS):
            values += cells(
                native.bytes_at(address + begin * native.VAL_SIZE, min(_CELLS, size - begin) * native.VAL_SIZE)
            )
            yield
        return values

    return apply


def _map(type_: MapType, compile_: SliceCompiler) -> Slices:
    key, value, entry = compile_.part(type_.key), compile_.part(type_.value), compile_.weights.map_entry(type_)
    as_object, at_once = json_form.is_text_map(type_), _entries(entry)

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        size, address = vector(image, at, native.MAP, "map")
        crossing.spend_whole(size * entry - 1 if size else 0)
        entries: dict[object, tuple[JsonValue, JsonValue]] = {}  # the last of one key, as `lifting` has it
        for begin in range(0, size, at_once):
            count = min(at_once, size - begin)
            inner = native.bytes_at(address + begin * native.ENTRY_SIZE, count * native.ENTRY_SIZE)
            for place in range(0, len(inner), native.ENTRY_SIZE):
                left = yield from key(inner, place, crossing)
                entries[identity(left)] = left, (yield from value(inner, place + native.VAL_SIZE, crossing))
            yield
            crossing.refill()
        if as_object:
            return dict(entries.values())  # type: ignore[arg-type]
        return [list(pair) for pair in entries.values()]

    return apply


# --- what the type has the size of -----------------------------------------------------------------------------------
def _tuple(items: list[Slices]) -> Slices:
    total = len(items) * native.VAL_SIZE

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        inner = tuple_image(image, at, total)
        values: list[JsonValue] = []
        for index, slices in enumerate(items):
            values.append((yield from slices(inner, index * native.VAL_SIZE, crossing)))
        return values

    return apply


def _record(type_: RecordType, compile_: SliceCompiler) -> Slices:
    fields = [(json_form.json_name(field.name), compile_.part(field.type)) for field in type_.fields]
    total = len(fields) * native.FIELD_SIZE

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        inner = record_image(image, at, total)
        values: dict[str, JsonValue] = {}
        for index, (name, slices) in enumerate(fields):
            place = index * native.FIELD_SIZE + native.NAME_SIZE
            values[name] = yield from slices(inner, place, crossing)
        return values

    return apply


def _variant(type_: VariantType, compile_: SliceCompiler) -> Slices:
    least = compile_.weights(type_).least
    cases = {
        case.name.encode(): (
            json_form.json_name(case.name),
            None if case.payload is None else compile_.part(case.payload),
            compile_.weights.case(case.name, case.payload) - least,
        )
        for case in type_.cases
    }

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        label, payload = case_of(image, at)
        case = cases.get(label)
        if case is None:
            raise wrong(image, at, "variant of other cases")
        name, slices, more = case
        if slices is None:
            return name
        if not payload:
            raise wrong(image, at, f"variant case {name} with a payload")
        crossing.spend_whole(more)
        return {name: (yield from slices(native.bytes_at(payload, native.VAL_SIZE), 0, crossing))}

    return apply


def _option(type_: OptionType, compile_: SliceCompiler) -> Slices:
    slices, wrapped = compile_.part(type_.payload), json_form.is_nullable(type_.payload)
    more = compile_.weights.some(type_) - compile_.weights(type_).least

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        address = some_of(image, at)
        if not address:
            return None
        crossing.spend_whole(more)
        value = yield from slices(native.bytes_at(address, native.VAL_SIZE), 0, crossing)
        return {"some": value} if wrapped else value

    return apply


def _result(type_: ResultType, compile_: SliceCompiler) -> Slices:
    least = compile_.weights(type_).least
    sides = [
        (name, None if side is None else compile_.part(side), compile_.weights.named(name, side) - least)
        for name, side in (("err", type_.err), ("ok", type_.ok))
    ]

    def apply(image: bytes, at: int, crossing: Crossing) -> Lifting:
        is_ok, address = side_of(image, at)
        name, slices, more = sides[is_ok]
        if slices is None:
            return {name: None}
        if not address:
            raise wrong(image, at, f"result with a payload of {name}")
        crossing.spend_whole(more)
        return {name: (yield from slices(native.bytes_at(address, native.VAL_SIZE), 0, crossing))}

    return apply
