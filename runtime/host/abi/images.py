"""Reading component values where they lie: an image is a copy of the memory of some, each `native.VAL_SIZE` long."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from typing import Final

from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.types import Primitive
from obelisk.runtime.host.abi.scalars import INTEGERS
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.wasmtime import native

PAIR: Final = struct.Struct(f"={native.PAYLOAD}xQQ").unpack_from
"""Size and address of a vector or name; for a result, its flag's word and its payload's address."""
_TRIPLE: Final = struct.Struct(f"={native.PAYLOAD}xQQQ").unpack_from
WORD: Final = struct.Struct(f"={native.PAYLOAD}xQ").unpack_from
NAME: Final = struct.Struct("=QQ").unpack_from


SCALARS: Final[dict[Primitive, tuple[int, str]]] = {
    Primitive.BOOL: (native.BOOL, "?"),
    **INTEGERS,
    Primitive.F32: (native.F32, "f"),
    Primitive.F64: (native.F64, "d"),
    Primitive.CHAR: (native.CHAR, "I"),
}


def wrong(image: bytes, at: int, expected: str) -> AbiError:
    """The error for a value of another kind than was declared."""
    return AbiError(f"the component gave a value of kind {image[at]} where {expected} was declared", expected=expected)


def finite(value: float) -> JsonValue:
    """The JSON form of a float."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def vector(image: bytes, at: int, kind: int, expected: str) -> tuple[int, int]:
    """Size and address of what a string, list, map, tuple or record holds."""
    if image[at] != kind:
        raise wrong(image, at, expected)
    return PAIR(image, at)


def tuple_image(image: bytes, at: int, total: int) -> bytes:
    """The memory of the values that a tuple holds, of `total` bytes."""
    size, address = vector(image, at, native.TUPLE, "tuple")
    if size * native.VAL_SIZE != total:
        raise wrong(image, at, f"tuple of {total // native.VAL_SIZE}")
    return native.bytes_at(address, total) if size else b""


def record_image(image: bytes, at: int, total: int) -> bytes:
    """The same of a record."""
    size, address = vector(image, at, native.RECORD, "record")
    if size * native.FIELD_SIZE != total:
        raise wrong(image, at, f"record of {total // native.FIELD_SIZE} fields")
    return native.bytes_at(address, total)


def case_of(image: bytes, at: int) -> tuple[bytes, int]:
    """The name of a variant's case, and the address of its payload or 0."""
    if image[at] != native.VARIANT:
        raise wrong(image, at, "variant")
    size, address, payload = _TRIPLE(image, at)
    return native.bytes_at(address, size), payload


def some_of(image: bytes, at: int) -> int:
    """The address of an option's value, 0 without one."""
    if image[at] != native.OPTION:
        raise wrong(image, at, "option")
    (address,) = WORD(image, at)
    return address  # type: ignore[no-any-return]


def side_of(image: bytes, at: int) -> tuple[bool, int]:
    """Whether a result is ok, and the address of its payload or 0."""
    if image[at] != native.RESULT:
        raise wrong(image, at, "result")
    (_, address) = PAIR(image, at)
    return image[at + native.PAYLOAD] != 0, address


def cells_of(element: Primitive) -> Callable[[bytes], list[JsonValue] | str]:
    """Lists of scalars come off with strided slices: no Python work per element. Bytes are base64."""
    kind, letter = SCALARS[element]
    width = struct.calcsize(f"={letter}")
    first, step = native.PAYLOAD // width, native.VAL_SIZE // width
    kinds = bytes([kind])

    def apply(inner: bytes) -> list[JsonValue] | str:
        if inner[:: native.VAL_SIZE].strip(kinds):
            raise wrong(inner, 0, f"list<{element.value}>")
        if element is Primitive.U8:
            return base64.b64encode(inner[first::step]).decode()
        values = native.read_cells(inner, letter, first, step)
        if element is Primitive.CHAR:
            return [chr(value) for value in values]
        if letter in "fd" and not math.isfinite(sum(values)):
            return [finite(value) for value in values]
        return values

    return apply
