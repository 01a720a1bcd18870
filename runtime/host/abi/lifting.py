"""Lifting: component values (`wasmtime_component_val_t`) to their canonical JSON form, one function per WIT type.

A lifter is called as ``lift(image, at, context)``: `image` is a copy of the memory that holds the value, `at` its
offset in there, `context` the wasmtime store's context (only handles need it). It reads and never frees, except that a
handle is taken out of the store's table: that releases a borrow, exactly once. A value of another kind than the type
says raises `AbiError` instead of being read. The JSON form is the one of `codegen.model.json_form`; a handle is its
`rep`, an integer.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable
from typing import Final, TypeAlias

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
from obelisk.runtime.host.errors import AbiError
from obelisk.runtime.host.wasmtime import native

Lift: TypeAlias = Callable[[bytes, int, int], JsonValue]

_PAIR: Final = struct.Struct(f"={native.PAYLOAD}xQQ").unpack_from
"""Size and address of a vector or name; for a result, its flag's word and its payload's address."""
_TRIPLE: Final = struct.Struct(f"={native.PAYLOAD}xQQQ").unpack_from
_WORD: Final = struct.Struct(f"={native.PAYLOAD}xQ").unpack_from
_NAME: Final = struct.Struct("=QQ").unpack_from

_SCALARS: Final[dict[Primitive, tuple[int, str]]] = {
    Primitive.BOOL: (native.BOOL, "?"),
    Primitive.S8: (native.S8, "b"),
    Primitive.U8: (native.U8, "B"),
    Primitive.S16: (native.S16, "h"),
    Primitive.U16: (native.U16, "H"),
    Primitive.S32: (native.S32, "i"),
    Primitive.U32: (native.U32, "I"),
    Primitive.S64: (native.S64, "q"),
    Primitive.U64: (native.U64, "Q"),
    Primitive.F32: (native.F32, "f"),
    Primitive.F64: (native.F64, "d"),
    Primitive.CHAR: (native.CHAR, "I"),
}


class LiftCompiler:
    """Gives the lifter of a type; each part of a type is compiled once, however often it is reached."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._known: dict[int, tuple[Type, Lift]] = {}  # the type is kept so that its id stays its own

    def __call__(self, type_: Type) -> Lift:
        """The lifter; `Unsupported` for types this engine has no values of, or resources the host does not define."""
        known = self._known.get(id(type_))
        if known is None:
            known = self._known[id(type_)] = type_, self._compile(type_)
        return known[1]

    def _compile(self, type_: Type) -> Lift:
        match type_:
            case TypeDef(body=body):
                return self(body)
            case Primitive.STRING:
                return _string
            case Primitive() if type_ in _SCALARS:
                return _scalar(type_)
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
            case OwnType(resource) | BorrowType(resource):
                return _handle(resource, self._resources)
            case FixedListType() | StreamType() | FutureType() | ResourceType() | Primitive():
                raise Unsupported(f"values of type {json_form.wit_text(type_)} cannot pass between host and guest")


def _wrong(image: bytes, at: int, expected: str) -> AbiError:
    return AbiError(f"the component gave a value of kind {image[at]} where {expected} was declared", expected=expected)


def _finite(value: float) -> JsonValue:
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _scalar(type_: Primitive) -> Lift:
    kind, letter = _SCALARS[type_]
    unpack = struct.Struct(f"={native.PAYLOAD}x{letter}").unpack_from
    convert: Callable[..., JsonValue] | None = None
    if type_ is Primitive.CHAR:
        convert = chr
    elif type_ in (Primitive.F32, Primitive.F64):
        convert = _finite

    def plain(image: bytes, at: int, _context: int) -> JsonValue:
        if image[at] != kind:
            raise _wrong(image, at, type_.value)
        (value,) = unpack(image, at)
        return value  # type: ignore[no-any-return]

    def converted(image: bytes, at: int, _context: int) -> JsonValue:
        if image[at] != kind:
            raise _wrong(image, at, type_.value)
        assert convert is not None
        return convert(*unpack(image, at))

    return plain if convert is None else converted


def _string(image: bytes, at: int, _context: int) -> JsonValue:
    if image[at] != native.STRING:
        raise _wrong(image, at, "string")
    size, address = _PAIR(image, at)
    return native.text_at(address, size, None) if size else ""


def _values(image: bytes, at: int, kind: int, expected: str) -> bytes:
    """The memory of the values that a list or tuple holds."""
    if image[at] != kind:
        raise _wrong(image, at, expected)
    size, address = _PAIR(image, at)
    return native.bytes_at(address, size * native.VAL_SIZE) if size else b""


def _list(element: Type, compile_: LiftCompiler) -> Lift:
    structural = unalias(element)
    if isinstance(structural, Primitive) and structural in _SCALARS:
        return _scalar_list(structural)
    lift = compile_(element)

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        inner = _values(image, at, native.LIST, "list")
        return [lift(inner, place, context) for place in range(0, len(inner), native.VAL_SIZE)]

    return apply


def _scalar_list(element: Primitive) -> Lift:
    """Lists of scalars come off with strided slices: no Python work per element."""
    kind, letter = _SCALARS[element]
    width = struct.calcsize(f"={letter}")
    first, step = native.PAYLOAD // width, native.VAL_SIZE // width
    kinds = bytes([kind])

    def apply(image: bytes, at: int, _context: int) -> JsonValue:
        inner = _values(image, at, native.LIST, "list")
        if inner[:: native.VAL_SIZE].strip(kinds):
            raise _wrong(inner, 0, f"list<{element.value}>")
        if element is Primitive.U8:
            return base64.b64encode(inner[first::step]).decode()
        values = native.read_cells(inner, letter, first, step)
        if element is Primitive.CHAR:
            return [chr(value) for value in values]
        if letter in "fd" and not math.isfinite(sum(values)):
            return [_finite(value) for value in values]
        return values

    return apply


def _map(type_: MapType, compile_: LiftCompiler) -> Lift:
    key, value = compile_(type_.key), compile_(type_.value)
    as_object = json_form.is_text_map(type_)

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.MAP:
            raise _wrong(image, at, "map")
        size, address = _PAIR(image, at)
        inner = native.bytes_at(address, size * native.ENTRY_SIZE) if size else b""
        pairs: list[JsonValue] = []
        for place in range(0, len(inner), native.ENTRY_SIZE):
            pairs.append([key(inner, place, context), value(inner, place + native.VAL_SIZE, context)])
        return dict(pairs) if as_object else pairs  # type: ignore[arg-type]

    return apply


def _tuple(items: list[Lift]) -> Lift:
    lifts = [(lift, index * native.VAL_SIZE) for index, lift in enumerate(items)]
    total = len(items) * native.VAL_SIZE

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        inner = _values(image, at, native.TUPLE, "tuple")
        if len(inner) != total:
            raise _wrong(image, at, f"tuple of {len(items)}")
        return [lift(inner, place, context) for lift, place in lifts]

    return apply


def _record(type_: RecordType, compile_: LiftCompiler) -> Lift:
    fields = [
        (json_form.json_name(field.name), compile_(field.type), index * native.FIELD_SIZE + native.NAME_SIZE)
        for index, field in enumerate(type_.fields)
    ]
    count, total = len(fields), len(fields) * native.FIELD_SIZE

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.RECORD:
            raise _wrong(image, at, "record")
        size, address = _PAIR(image, at)
        if size != count:
            raise _wrong(image, at, f"record of {count} fields")
        inner = native.bytes_at(address, total)
        return {name: lift(inner, place, context) for name, lift, place in fields}

    return apply


def _variant(type_: VariantType, compile_: LiftCompiler) -> Lift:
    cases = {
        case.name.encode(): (
            json_form.json_name(case.name),
            None if case.payload is None else compile_(case.payload),
        )
        for case in type_.cases
    }

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.VARIANT:
            raise _wrong(image, at, "variant")
        size, address, payload = _TRIPLE(image, at)
        case = cases.get(native.bytes_at(address, size))
        if case is None:
            raise _wrong(image, at, "variant of other cases")
        name, lift = case
        if lift is None:
            return name
        if not payload:
            raise _wrong(image, at, f"variant case {name} with a payload")
        return {name: lift(native.bytes_at(payload, native.VAL_SIZE), 0, context)}

    return apply


def _enum(cases: tuple[Label, ...]) -> Lift:
    names = {case.name.encode(): json_form.json_name(case.name) for case in cases}

    def apply(image: bytes, at: int, _context: int) -> JsonValue:
        if image[at] != native.ENUM:
            raise _wrong(image, at, "enum")
        size, address = _PAIR(image, at)
        name = names.get(native.bytes_at(address, size))
        if name is None:
            raise _wrong(image, at, "enum of other cases")
        return name

    return apply


def _flags(flags: tuple[Label, ...]) -> Lift:
    names = {flag.name.encode(): json_form.json_name(flag.name) for flag in flags}

    def apply(image: bytes, at: int, _context: int) -> JsonValue:
        if image[at] != native.FLAGS:
            raise _wrong(image, at, "flags")
        size, address = _PAIR(image, at)
        inner = native.bytes_at(address, size * native.NAME_SIZE) if size else b""
        found: set[bytes] = set()
        for place in range(0, len(inner), native.NAME_SIZE):
            length, start = _NAME(inner, place)
            found.add(native.bytes_at(start, length))
        if not found <= names.keys():
            raise _wrong(image, at, "other flags")
        return [name for label, name in names.items() if label in found]

    return apply


def _option(lift: Lift, *, wrapped: bool) -> Lift:
    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.OPTION:
            raise _wrong(image, at, "option")
        (address,) = _WORD(image, at)
        if not address:
            return None
        value = lift(native.bytes_at(address, native.VAL_SIZE), 0, context)
        return {"some": value} if wrapped else value

    return apply


def _result(lift_ok: Lift | None, lift_err: Lift | None) -> Lift:
    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.RESULT:
            raise _wrong(image, at, "result")
        (_, address) = _PAIR(image, at)
        name, lift = ("ok", lift_ok) if image[at + native.PAYLOAD] else ("err", lift_err)
        if lift is None:
            return {name: None}
        if not address:
            raise _wrong(image, at, f"result with a payload of {name}")
        return {name: lift(native.bytes_at(address, native.VAL_SIZE), 0, context)}

    return apply


def _handle(resource: TypeDef, resources: Resources) -> Lift:
    holder = resources.holder(resource)
    type_id = resources.type_id(resource) if holder is None else 0

    def apply(image: bytes, at: int, context: int) -> JsonValue:
        if image[at] != native.RESOURCE:
            raise _wrong(image, at, f"handle of {resource.name}")
        (handle,) = _WORD(image, at)
        if holder is not None:
            return holder(context).adopt(handle, resource)
        return resources.take(context, handle, type_id)

    return apply
