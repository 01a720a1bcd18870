"""Lowering of scalars, strings and lists of integers: the leaves of `lowering`, with the same contract."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from obelisk.codegen.model import json_form
from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import Primitive
from obelisk.runtime.host.errors import mismatch
from obelisk.runtime.host.wasmtime import native

Lower: TypeAlias = Callable[[JsonValue, bytearray, int, int], None]
"""``lower(value, image, at, context)``; see `lowering`."""

PAD: Final = f"=B{native.PAYLOAD - 1}x"
"""The start of a value's struct format: its kind, then padding up to the payload."""
PAIR: Final = struct.Struct(f"{PAD}QQ").pack_into

INTEGERS: Final[dict[Primitive, tuple[int, str]]] = {
    Primitive.S8: (native.S8, "b"),
    Primitive.U8: (native.U8, "B"),
    Primitive.S16: (native.S16, "h"),
    Primitive.U16: (native.U16, "H"),
    Primitive.S32: (native.S32, "i"),
    Primitive.U32: (native.U32, "I"),
    Primitive.S64: (native.S64, "q"),
    Primitive.U64: (native.U64, "Q"),
}
_PAST_F32: Final = 2.0**128 - 2.0**103
"""From here on the nearest f32 is an infinity."""
_FLOATS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def store_vector(
    image: bytearray, at: int, kind: int, new: Callable[[Any, int], None], count: int, inner: bytearray
) -> None:
    """Move the finished parts in `inner` into a vector of the C side, made with `new`, and write that at `at`."""
    pair = native.Pair()
    new(pair, count)
    if count:
        native.move(pair[1], bytes(inner), len(inner))
    PAIR(image, at, kind, pair[0], pair[1])


def primitive(type_: Primitive) -> Lower:
    """The lowerer of a primitive type that has values (all but error-context)."""
    match type_:
        case Primitive.BOOL:
            return _bool
        case Primitive.CHAR:
            return _char
        case Primitive.STRING:
            return _string
        case Primitive.F32:
            return _f32
        case Primitive.F64:
            return _f64
        case _:
            return _integer(type_)


def _bool(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    if value is not True and value is not False:
        raise mismatch("bool", value)
    image[at] = native.BOOL
    image[at + native.PAYLOAD] = value


def _integer(type_: Primitive) -> Lower:
    kind, letter = INTEGERS[type_]
    pack = struct.Struct(f"{PAD}{letter}").pack_into
    low, high = json_form.INTEGER_RANGES[type_]
    expected = type_.value

    def apply(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
        if type(value) is not int or not low <= value <= high:
            raise mismatch(expected, value)
        pack(image, at, kind, value)

    return apply


def _number(value: JsonValue, expected: str) -> float:
    if type(value) is float:
        return value
    if type(value) is str and value in _FLOATS:
        return _FLOATS[value]
    if type(value) is not int:
        raise mismatch(expected, value)
    try:
        return float(value)
    except OverflowError:
        raise mismatch(expected, value) from None


_pack_f64 = struct.Struct(f"{PAD}d").pack_into
_pack_f32 = struct.Struct(f"{PAD}f").pack_into


def _f64(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    _pack_f64(image, at, native.F64, _number(value, "f64"))


def _f32(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    number = _number(value, "f32")
    if abs(number) >= _PAST_F32 and not math.isinf(number):
        raise mismatch("f32", value)
    _pack_f32(image, at, native.F32, number)  # rounds


_pack_char = struct.Struct(f"{PAD}I").pack_into


def _char(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    if type(value) is not str or len(value) != 1 or "\ud800" <= value <= "\udfff":
        raise mismatch("char", value)
    _pack_char(image, at, native.CHAR, ord(value))


def _string(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    if type(value) is not str:
        raise mismatch("string", value)
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise mismatch("string without lone surrogates", value) from None
    pair = native.Pair()
    native.name_new(pair, len(data), data)
    PAIR(image, at, native.STRING, pair[0], pair[1])


def lower_bytes(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
    """``list<u8>``: kinds and bytes are laid with strided slices."""
    if type(value) is not str:
        raise mismatch("base64 string", value)
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise mismatch("base64 string", value) from None
    store_vector(image, at, native.LIST, native.list_new, len(data), octet_cells(data))


def octet_cells(data: bytes) -> bytearray:
    """Component values of bytes."""
    inner = bytearray(len(data) * native.VAL_SIZE)
    inner[:: native.VAL_SIZE] = bytes([native.U8]) * len(data)
    inner[native.PAYLOAD :: native.VAL_SIZE] = data
    return inner


def integer_list(element: Primitive) -> Lower:
    """The lowerer of a list of integers: no Python work per element."""
    cells = integer_cells(element)

    def apply(value: JsonValue, image: bytearray, at: int, _context: int) -> None:
        inner = cells(value)
        store_vector(image, at, native.LIST, native.list_new, len(inner) // native.VAL_SIZE, inner)

    return apply


def integer_cells(element: Primitive) -> Callable[[JsonValue], bytearray]:
    """Makes component values of a list of integers."""
    kind, letter = INTEGERS[element]
    width = struct.calcsize(f"={letter}")
    first, step = native.PAYLOAD // width, native.VAL_SIZE // width
    expected = f"list<{element.value}>"

    def apply(value: JsonValue) -> bytearray:
        if type(value) is not list or not set(map(type, value)) <= {int}:
            raise mismatch(expected, value)
        inner = bytearray(len(value) * native.VAL_SIZE)
        inner[:: native.VAL_SIZE] = bytes([kind]) * len(value)
        try:
            native.write_cells(inner, letter, first, step, value)
        except OverflowError:
            raise mismatch(expected, value) from None
        return inner

    return apply
