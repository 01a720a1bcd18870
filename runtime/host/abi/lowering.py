"""Lowering: canonical JSON forms to component values (`wasmtime_component_val_t`), one function per WIT type.

A lowerer is called as ``lower(value, image, at, context)`` and writes the value's 32 bytes into the bytearray `image`
at `at`; what does not fit there it allocates with wasmtime's own allocators. The caller owns what was built: it passes
it on or frees it with `release`. A lowerer that raises `AbiError` leaves zeros (a plain false) in its place and has
freed whatever it had allocated, so an image under construction can always be released as it is.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Final

from obelisk.codegen.model import json_form
from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FixedListType,
    FlagsType,
    FutureType,
    Label,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeDef,
    VariantType,
    unalias,
)
from obelisk.runtime.errors import Unsupported
from obelisk.runtime.host.abi.handles import Resources
from obelisk.runtime.host.abi.scalars import (
    INTEGERS,
    PAD,
    PAIR,
    Lower,
    integer_list,
    lower_bytes,
    primitive,
    store_vector,
)
from obelisk.runtime.host.errors import mismatch
from obelisk.runtime.host.wasmtime import native

TRIPLE: Final = struct.Struct(f"{PAD}QQQ").pack_into
WORD: Final = struct.Struct(f"{PAD}Q").pack_into
_NAME: Final = struct.Struct("=QQ").pack_into
_ZEROS: Final = bytes(native.VAL_SIZE)


def release(image: bytearray) -> None:
    """Free the values in `image`, an array of them; its memory is not to be used again."""
    buffer = (ctypes.c_char * len(image)).from_buffer(image)
    release_at(ctypes.addressof(buffer), len(image))


def release_at(address: int, size: int) -> None:
    """Free the values in the `size` bytes at `address`."""
    for at in range(address, address + size, native.VAL_SIZE):
        native.value_delete(at)


class LowerCompiler:
    """Gives the lowerer of a type; each part of a type is compiled once, however often it is reached."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._known: dict[int, tuple[Type, Lower]] = {}  # the type is kept so that its id stays its own

    def __call__(self, type_: Type) -> Lower:
        """The lowerer; `Unsupported` for types this engine has no values of, or resources the host does not define."""
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = type_, self._compile(type_)
        return known[1]

    def _compile(self, type_: Type) -> Lower:
        match type_:
            case TypeDef(body=body):
                return self(body)
            case Primitive() if type_ is not Primitive.ERROR_CONTEXT:
                return primitive(type_)
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
            case EnumType(cases):
                return _enum(cases)
            case FlagsType(flags):
                return _flags(flags)
            case OptionType(payload):
                return _option(self(payload), wrapped=json_form.is_nullable(payload))
            case ResultType(ok, err):
                return _result(None if ok is None else self(ok), None if err is None else self(err))
            case OwnType(resource):
                return _handle(resource, self._resources, owned=True)
            case BorrowType(resource):
                return _handle(resource, self._resources, owned=False)
            case FixedListType() | StreamType() | FutureType() | ResourceType() | Primitive():
                raise Unsupported(f"values of type {json_form.wit_text(type_)} cannot pass between host and guest")


# --- lists, maps, tuples ---------------------------------------------------------------------------------------------
def _list(element: Type, compile_: LowerCompiler) -> Lower:
    structural = unalias(element)
    if structural is Primitive.U8:
        return lower_bytes
    if isinstance(structural, Primitive) and structural in INTEGERS:
        return integer_list(structural)
    lower = compile_(element)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if type(value) is not list:
            raise mismatch("list", value)
        inner = bytearray(len(value) * native.VAL_SIZE)
        try:
            for place, item in enumerate(value):
                lower(item, inner, place * native.VAL_SIZE, context)
        except BaseException:
            release(inner)
            raise
        store_vector(image, at, native.LIST, native.list_new, len(value), inner)

    return apply


def _map(type_: MapType, compile_: LowerCompiler) -> Lower:
    key, value_of = compile_(type_.key), compile_(type_.value)
    as_object = json_form.is_text_map(type_)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        pairs = pairs_of(value, as_object)
        inner = bytearray(len(pairs) * native.ENTRY_SIZE)
        try:
            for place, (left, right) in enumerate(pairs):
                key(left, inner, place * native.ENTRY_SIZE, context)
                value_of(right, inner, place * native.ENTRY_SIZE + native.VAL_SIZE, context)
        except BaseException:
            release(inner)
            raise
        store_vector(image, at, native.MAP, native.map_new, len(pairs), inner)

    return apply


def pairs_of(value: JsonValue, as_object: bool) -> list[tuple[JsonValue, JsonValue]]:
    """The entries of a map."""
    if as_object:
        if type(value) is not dict:
            raise mismatch("map (object)", value)
        return list(value.items())
    if type(value) is not list:
        raise mismatch("map (list of pairs)", value)
    pairs: list[tuple[JsonValue, JsonValue]] = []
    for item in value:
        if type(item) is not list or len(item) != 2:
            raise mismatch("pair of key and value", item)
        pairs.append((item[0], item[1]))
    return pairs


def _tuple(items: list[Lower]) -> Lower:
    places = [(lower, index * native.VAL_SIZE) for index, lower in enumerate(items)]
    count = len(items)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if type(value) is not list or len(value) != count:
            raise mismatch(f"tuple of {count}", value)
        inner = bytearray(count * native.VAL_SIZE)
        try:
            for (lower, place), item in zip(places, value, strict=True):
                lower(item, inner, place, context)
        except BaseException:
            release(inner)
            raise
        store_vector(image, at, native.TUPLE, native.tuple_new, count, inner)

    return apply


# --- records, variants and their like --------------------------------------------------------------------------------
class Template:
    """A record of zeros with its names, from which records are copied: one call however many fields."""

    def __init__(self, names: list[bytes]) -> None:
        self.pair = native.Pair()
        native.record_new(self.pair, len(names))
        for index, name in enumerate(names):
            pair = native.Pair()
            native.name_new(pair, len(name), name)
            entry = struct.pack("=QQ", pair[0], pair[1]) + _ZEROS
            native.move(self.pair[1] + index * native.FIELD_SIZE, entry, native.FIELD_SIZE)

    def __del__(self) -> None:
        native.record_delete(self.pair)


def _record(type_: RecordType, compile_: LowerCompiler) -> Lower:
    template = Template([field.name.encode() for field in type_.fields])
    fields = [
        (
            json_form.json_name(field.name),
            compile_(field.type),
            index * native.FIELD_SIZE + native.NAME_SIZE,
            json_form.is_nullable(field.type),
        )
        for index, field in enumerate(type_.fields)
    ]
    names = frozenset(name for name, *_ in fields)
    required = frozenset(name for name, _, _, nullable in fields if not nullable)
    total = len(fields) * native.FIELD_SIZE
    expected = "record with " + ", ".join(name for name, *_ in fields)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if type(value) is not dict or not required <= value.keys() <= names:
            raise mismatch(expected, value)
        pair = native.Pair()
        native.record_copy(pair, template.pair)
        inner = bytearray(native.bytes_at(pair[1], total))
        try:
            for name, lower, place, _ in fields:
                lower(value.get(name), inner, place, context)
        except BaseException:
            native.move(pair[1], bytes(inner), total)
            native.record_delete(pair)
            raise
        native.move(pair[1], bytes(inner), total)
        PAIR(image, at, native.RECORD, pair[0], pair[1])

    return apply


def _boxed(lower: Lower, value: JsonValue, context: int) -> int:
    inner = bytearray(native.VAL_SIZE)
    lower(value, inner, 0, context)
    return native.value_box(bytes(inner))


def _variant(type_: VariantType, compile_: LowerCompiler) -> Lower:
    plain: dict[str, bytes] = {}
    loaded: dict[str, tuple[bytes, Lower]] = {}
    for case in type_.cases:
        name, label = json_form.json_name(case.name), case.name.encode()
        if case.payload is None:
            plain[name] = label
        else:
            loaded[name] = label, compile_(case.payload)
    expected = "variant of " + ", ".join(json_form.json_name(case.name) for case in type_.cases)

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        box = 0
        if type(value) is str and value in plain:
            label = plain[value]
        elif type(value) is dict and len(value) == 1 and (name := next(iter(value))) in loaded:
            label, lower = loaded[name]
            box = _boxed(lower, value[name], context)
        else:
            raise mismatch(expected, value)
        pair = native.Pair()
        native.name_new(pair, len(label), label)
        TRIPLE(image, at, native.VARIANT, pair[0], pair[1], box)

    return apply


def _enum(cases: tuple[Label, ...]) -> Lower:
    labels = {json_form.json_name(case.name): case.name.encode() for case in cases}
    expected = "enum of " + ", ".join(labels)

    def apply(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
        if type(value) is not str or (label := labels.get(value)) is None:
            raise mismatch(expected, value)
        pair = native.Pair()
        native.name_new(pair, len(label), label)
        PAIR(image, at, native.ENUM, pair[0], pair[1])

    return apply


def _flags(flags: tuple[Label, ...]) -> Lower:
    labels = {json_form.json_name(flag.name): flag.name.encode() for flag in flags}
    expected = "distinct flags of " + ", ".join(labels)

    def apply(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
        if type(value) is not list or not all(type(item) is str and item in labels for item in value):
            raise mismatch(expected, value)
        if len(set(map(str, value))) != len(value):
            raise mismatch(expected, value)
        inner = bytearray(len(value) * native.NAME_SIZE)
        for place, name in enumerate(value):
            label, pair = labels[str(name)], native.Pair()
            native.name_new(pair, len(label), label)
            _NAME(inner, place * native.NAME_SIZE, pair[0], pair[1])
        store_vector(image, at, native.FLAGS, native.flags_new, len(value), inner)

    return apply


def _option(lower: Lower, *, wrapped: bool) -> Lower:
    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if value is None:
            WORD(image, at, native.OPTION, 0)
            return
        if wrapped:
            if type(value) is not dict or value.keys() != {"some"}:
                raise mismatch('null or {"some": …}', value)
            value = value["some"]
        WORD(image, at, native.OPTION, _boxed(lower, value, context))

    return apply


def _result(lower_ok: Lower | None, lower_err: Lower | None) -> Lower:
    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if type(value) is not dict or len(value) != 1 or (name := next(iter(value))) not in ("ok", "err"):
            raise mismatch('{"ok": …} or {"err": …}', value)
        lower, payload = (lower_ok if name == "ok" else lower_err), value[name]
        if lower is not None:
            box = _boxed(lower, payload, context)
        elif payload is None:
            box = 0
        else:
            raise mismatch(f'{{"{name}": null}}', value)
        PAIR(image, at, native.RESULT, name == "ok", box)

    return apply


def _handle(resource: TypeDef, resources: Resources, *, owned: bool) -> Lower:
    holder = resources.holder(resource)
    type_id = resources.type_id(resource) if holder is None else 0

    def apply(value: JsonValue, image: bytearray, at: int, context: int) -> None:
        if holder is not None:
            handle = holder(context).handle(value, resource, owned=owned)
        else:
            handle = resources.give(context, value, type_id, owned=owned)
        WORD(image, at, native.RESOURCE, handle)

    return apply
