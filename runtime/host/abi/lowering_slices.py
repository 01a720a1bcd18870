"""Lowering in slices, for values that are too long to be lowered in one go: one generator per WIT type, see `lowering`.

A generator yields after each slice, and returns how many entries it has lowered since. What lies below a value that is
long is mostly short: that is lowered in one go. A generator that raises, or is closed, has freed what it had allocated.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias

from obelisk.codegen.model import json_form
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
from obelisk.runtime.host.abi.lowering import TRIPLE, WORD, LowerCompiler, Template, pairs_of, release
from obelisk.runtime.host.abi.scalars import INTEGERS, PAIR, Lower, integer_cells, octet_cells
from obelisk.runtime.host.abi.weights import Weights
from obelisk.runtime.host.errors import mismatch
from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.json_text import entries

Lowering: TypeAlias = Generator[None, None, int]
Slices: TypeAlias = Callable[[JsonValue, bytearray, int, int], Lowering]

LONG: Final = 4096
"""Entries of a value that is lowered in one go, or as many times 64 characters."""
_INTEGERS: Final = 16 << 10
_DIGITS: Final = 64 << 10
"""Characters of base64, a multiple of four."""
_MOVED: Final = 4 << 20
"""Bytes that are copied in one go."""


def is_long(value: JsonValue) -> bool:
    """Whether a value has more entries than are lowered in one go."""
    around = 0
    while type(value) is dict and len(value) == 1:  # a result, an option or a case, as most answers are
        (value,) = value.values()
        around += 1
    if type(value) is str:
        return around + 1 + (len(value) >> 6) > LONG
    return (type(value) is list or type(value) is dict) and around + entries(value, LONG) > LONG


class LowerSliceCompiler:
    """Gives the generator of a type; each part of a type is compiled once, however often it is reached."""

    def __init__(self, lowers: LowerCompiler) -> None:
        self.lowers, self.weights = lowers, Weights()
        self._known: dict[int, tuple[Type, Slices]] = {}

    def __call__(self, type_: Type) -> Slices:
        """The generator, which lowers in one go what is not long; `Unsupported` as with a `LowerCompiler`."""
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = type_, _either(self.lowers(type_), self._compile(type_))
        return known[1]

    def _compile(self, type_: Type) -> Slices:
        match type_:
            case TypeDef(body=body):
                return self(body)
            case ListType(element):
                return _list(element, self)
            case MapType():
                return _map(type_, self)
            case TupleType(items):
                return _tuple([self(item) for item in items])
            case RecordType():
                return _record(type_, self)
            case VariantType():
                return _variant(type_, self)
            case OptionType(payload):
                return _option(self(payload), wrapped=json_form.is_nullable(payload))
            case ResultType(ok, err):
                return _result(None if ok is None else self(ok), None if err is None else self(err))
            case _:
                return _whole(self.lowers(type_))


def _either(lower: Lower, slices: Slices) -> Slices:
    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        found = entries(value, LONG)
        if found > LONG:
            return (yield from slices(value, image, at, context))
        lower(value, image, at, context)
        return found

    return apply


def _whole(lower: Lower) -> Slices:
    """A text, which is quick, or what is refused."""

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        lower(value, image, at, context)
        yield
        return 0

    return apply


def _stored(
    image: bytearray, at: int, kind: int, new: Callable[[Any, int], None], count: int, inner: bytearray
) -> Lowering:
    """As `scalars.store_vector`."""
    pair = native.Pair()
    new(pair, count)
    moved = 0
    try:
        while moved < len(inner):
            native.move(pair[1] + moved, bytes(inner[moved : moved + _MOVED]), min(_MOVED, len(inner) - moved))
            moved += _MOVED
            yield
    except BaseException:
        if moved < len(inner):
            native.move(pair[1] + moved, bytes(inner[moved:]), len(inner) - moved)
        gone = bytearray(native.VAL_SIZE)
        PAIR(gone, 0, kind, pair[0], pair[1])
        release(gone)
        raise
    PAIR(image, at, kind, pair[0], pair[1])
    return 0


# --- lists, maps, tuples ---------------------------------------------------------------------------------------------
def _list(element: Type, compile_: LowerSliceCompiler) -> Slices:
    structural = unalias(element)
    if structural is Primitive.U8:
        return _octets
    if isinstance(structural, Primitive) and structural in INTEGERS:
        return _integers(structural)
    slices = compile_(element)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if type(value) is not list:
            raise mismatch("list", value)
        inner = bytearray(len(value) * native.VAL_SIZE)
        try:
            found = 0
            for place, item in enumerate(value):
                found += 1 + (yield from slices(item, inner, place * native.VAL_SIZE, context))
                if found > LONG:
                    found = 0
                    yield
        except BaseException:
            release(inner)
            raise
        return (yield from _stored(image, at, native.LIST, native.list_new, len(value), inner))

    return apply


def _octets(value: JsonValue, image: bytearray, at: int, _context: int) -> Lowering:
    if type(value) is not str:
        raise mismatch("base64 string", value)
    inner = bytearray()
    for begin in range(0, len(value), _DIGITS):
        try:
            data = base64.b64decode(value[begin : begin + _DIGITS], validate=True)
        except (binascii.Error, ValueError):
            raise mismatch("base64 string", value) from None
        if len(data) % 3 and begin + _DIGITS < len(value):  # padding in the middle
            raise mismatch("base64 string", value)
        inner += octet_cells(data)
        yield
    return (yield from _stored(image, at, native.LIST, native.list_new, len(inner) // native.VAL_SIZE, inner))


def _integers(element: Primitive) -> Slices:
    cells = integer_cells(element)

    def apply(value: JsonValue, image: bytearray, at: int, _context: int) -> Lowering:
        if type(value) is not list:
            raise mismatch(f"list<{element.value}>", value)
        inner = bytearray()
        for begin in range(0, len(value), _INTEGERS):
            inner += cells(value[begin : begin + _INTEGERS])
            yield
        return (yield from _stored(image, at, native.LIST, native.list_new, len(value), inner))

    return apply


def _map(type_: MapType, compile_: LowerSliceCompiler) -> Slices:
    key, value_of = compile_.lowers(type_.key), compile_(type_.value)
    as_object = json_form.is_text_map(type_)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        pairs = pairs_of(value, as_object)
        inner = bytearray(len(pairs) * native.ENTRY_SIZE)
        try:
            found = 0
            for place, (left, right) in enumerate(pairs):
                key(left, inner, place * native.ENTRY_SIZE, context)
                found += 2 + (yield from value_of(right, inner, place * native.ENTRY_SIZE + native.VAL_SIZE, context))
                if found > LONG:
                    found = 0
                    yield
        except BaseException:
            release(inner)
            raise
        return (yield from _stored(image, at, native.MAP, native.map_new, len(pairs), inner))

    return apply


def _tuple(items: list[Slices]) -> Slices:
    count = len(items)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if type(value) is not list or len(value) != count:
            raise mismatch(f"tuple of {count}", value)
        inner = bytearray(count * native.VAL_SIZE)
        try:
            for place, (slices, item) in enumerate(zip(items, value, strict=True)):
                yield from slices(item, inner, place * native.VAL_SIZE, context)
        except BaseException:
            release(inner)
            raise
        return (yield from _stored(image, at, native.TUPLE, native.tuple_new, count, inner))

    return apply


# --- records, variants and their like --------------------------------------------------------------------------------
def _record(type_: RecordType, compile_: LowerSliceCompiler) -> Slices:
    template = Template([field.name.encode() for field in type_.fields])
    fields = [(json_form.json_name(field.name), compile_(field.type)) for field in type_.fields]
    names = frozenset(name for name, _ in fields)
    required = frozenset(json_form.json_name(f.name) for f in type_.fields if not json_form.is_nullable(f.type))
    total = len(fields) * native.FIELD_SIZE

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if type(value) is not dict or not required <= value.keys() <= names:
            raise mismatch("record with " + ", ".join(name for name, _ in fields), value)
        pair = native.Pair()
        native.record_copy(pair, template.pair)
        inner = bytearray(native.bytes_at(pair[1], total))
        try:
            for index, (name, slices) in enumerate(fields):
                place = index * native.FIELD_SIZE + native.NAME_SIZE
                yield from slices(value.get(name), inner, place, context)
        except BaseException:
            native.move(pair[1], bytes(inner), total)
            native.record_delete(pair)
            raise
        native.move(pair[1], bytes(inner), total)
        PAIR(image, at, native.RECORD, pair[0], pair[1])
        return 0

    return apply


def _boxed(slices: Slices, value: JsonValue, context: int) -> Generator[None, None, int]:
    inner = bytearray(native.VAL_SIZE)
    yield from slices(value, inner, 0, context)
    return native.value_box(bytes(inner))


def _variant(type_: VariantType, compile_: LowerSliceCompiler) -> Slices:
    loaded = {
        json_form.json_name(case.name): (case.name.encode(), compile_(case.payload))
        for case in type_.cases
        if case.payload is not None
    }

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if type(value) is not dict or len(value) != 1 or (name := next(iter(value))) not in loaded:
            raise mismatch("variant of " + ", ".join(json_form.json_name(case.name) for case in type_.cases), value)
        label, slices = loaded[name]
        box = yield from _boxed(slices, value[name], context)
        pair = native.Pair()
        native.name_new(pair, len(label), label)
        TRIPLE(image, at, native.VARIANT, pair[0], pair[1], box)
        return 0

    return apply


def _option(slices: Slices, *, wrapped: bool) -> Slices:
    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if wrapped:
            if type(value) is not dict or value.keys() != {"some"}:
                raise mismatch('null or {"some": …}', value)
            value = value["some"]
        WORD(image, at, native.OPTION, (yield from _boxed(slices, value, context)))
        return 0

    return apply


def _result(ok: Slices | None, err: Slices | None) -> Slices:
    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> Lowering:
        if type(value) is not dict or len(value) != 1 or (name := next(iter(value))) not in ("ok", "err"):
            raise mismatch('{"ok": …} or {"err": …}', value)
        slices = ok if name == "ok" else err
        if slices is None:
            raise mismatch(f'{{"{name}": null}}', value)
        box = yield from _boxed(slices, value[name], context)
        PAIR(image, at, native.RESULT, name == "ok", box)
        return 0

    return apply
