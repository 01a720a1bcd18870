"""Lifting: component values (`wasmtime_component_val_t`) to their canonical JSON form, one function per WIT type.

A lifter is called as ``lift(image, at, crossing)``: `image` is a copy of the memory that holds the value, `at` its
offset in there, `crossing` what may be built of it. It reads and never frees, except that a handle is taken out of the
store's table: that releases a borrow, exactly once. A value of another kind than the type says raises `AbiError`
instead of being read, one that is too large `TooLarge` before it is copied, one that is long `Lengthy`: then it is
lifted in slices (`slicing`). The JSON form is the one of `codegen.model.json_form`; a handle is its `rep`, an integer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from obelisk.codegen.model import json_form
from obelisk.codegen.model.checks import identity
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
from obelisk.runtime.host.abi.crossing import Crossing
from obelisk.runtime.host.abi.handles import Resources
from obelisk.runtime.host.abi.images import (
    NAME,
    PAIR,
    SCALARS,
    WORD,
    case_of,
    cells_of,
    finite,
    tuple_image,
    vector,
    wrong,
)
from obelisk.runtime.host.abi.weights import Weights, octets
from obelisk.runtime.host.wasmtime import native

Lift: TypeAlias = Callable[[bytes, int, Crossing], JsonValue]


class LiftCompiler:
    """Gives the lifter of a type; each part of a type is compiled once, however often it is reached."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.weights = Weights()
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
            case Primitive() if type_ in SCALARS:
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
            case OptionType():
                return _option(type_, self)
            case ResultType():
                return _result(type_, self)
            case OwnType(resource) | BorrowType(resource):
                return _handle(resource, self._resources)
            case FixedListType() | StreamType() | FutureType() | ResourceType() | Primitive():
                raise Unsupported(f"values of type {json_form.wit_text(type_)} cannot pass between host and guest")


def _scalar(type_: Primitive) -> Lift:
    kind, letter = SCALARS[type_]
    unpack = struct.Struct(f"={native.PAYLOAD}x{letter}").unpack_from
    convert: Callable[..., JsonValue] | None = None
    if type_ is Primitive.CHAR:
        convert = chr
    elif type_ in (Primitive.F32, Primitive.F64):
        convert = finite

    def plain(image: bytes, at: int, _crossing: Crossing) -> JsonValue:
        if image[at] != kind:
            raise wrong(image, at, type_.value)
        (value,) = unpack(image, at)
        return value  # type: ignore[no-any-return]

    def converted(image: bytes, at: int, _crossing: Crossing) -> JsonValue:
        if image[at] != kind:
            raise wrong(image, at, type_.value)
        assert convert is not None
        return convert(*unpack(image, at))

    return plain if convert is None else converted


def _string(image: bytes, at: int, crossing: Crossing) -> JsonValue:
    if image[at] != native.STRING:
        raise wrong(image, at, "string")
    size, address = PAIR(image, at)
    if not size:
        return ""
    crossing.left -= size
    if crossing.left < 0:
        raise crossing.refusal()
    return native.text_at(address, size, None)


def _list(element: Type, compile_: LiftCompiler) -> Lift:
    structural = unalias(element)
    if isinstance(structural, Primitive) and structural in SCALARS:
        return _scalar_list(structural, compile_.weights)
    lift, entry = compile_(element), compile_.weights.entry(element)

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.LIST:
            raise wrong(image, at, "list")
        size, address = PAIR(image, at)
        if not size:
            return []
        crossing.left -= size * entry - 1
        if crossing.left < 0:
            raise crossing.refusal()
        inner = native.bytes_at(address, size * native.VAL_SIZE)
        return [lift(inner, place, crossing) for place in range(0, len(inner), native.VAL_SIZE)]

    return apply


def _scalar_list(element: Primitive, weights: Weights) -> Lift:
    cells, entry = cells_of(element), weights.entry(element)

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.LIST:
            raise wrong(image, at, "list")
        size, address = PAIR(image, at)
        crossing.left -= octets(size) if element is Primitive.U8 else size * entry - 1 if size else 0
        if crossing.left < 0:
            raise crossing.refusal()
        return cells(native.bytes_at(address, size * native.VAL_SIZE) if size else b"")

    return apply


def _map(type_: MapType, compile_: LiftCompiler) -> Lift:
    key, value, entry = compile_(type_.key), compile_(type_.value), compile_.weights.map_entry(type_)
    as_object = json_form.is_text_map(type_)

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        size, address = vector(image, at, native.MAP, "map")
        crossing.left -= size * entry - 1 if size else 0
        if crossing.left < 0:
            raise crossing.refusal()
        inner = native.bytes_at(address, size * native.ENTRY_SIZE) if size else b""
        # Of entries with one key the last counts, as in the maps of most languages: the JSON form has no key twice.
        entries: dict[object, tuple[JsonValue, JsonValue]] = {}
        for place in range(0, len(inner), native.ENTRY_SIZE):
            lifted = key(inner, place, crossing)
            entries[identity(lifted)] = lifted, value(inner, place + native.VAL_SIZE, crossing)
        if as_object:
            return dict(entries.values())  # type: ignore[arg-type]
        return [list(pair) for pair in entries.values()]

    return apply


def _tuple(items: list[Lift]) -> Lift:
    lifts = [(lift, index * native.VAL_SIZE) for index, lift in enumerate(items)]
    total = len(items) * native.VAL_SIZE

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        inner = tuple_image(image, at, total)
        return [lift(inner, place, crossing) for lift, place in lifts]

    return apply


def _record(type_: RecordType, compile_: LiftCompiler) -> Lift:
    fields = [
        (json_form.json_name(field.name), compile_(field.type), index * native.FIELD_SIZE + native.NAME_SIZE)
        for index, field in enumerate(type_.fields)
    ]
    count, total = len(fields), len(fields) * native.FIELD_SIZE

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.RECORD:
            raise wrong(image, at, "record")
        size, address = PAIR(image, at)
        if size != count:
            raise wrong(image, at, f"record of {count} fields")
        inner = native.bytes_at(address, total)
        return {name: lift(inner, place, crossing) for name, lift, place in fields}

    return apply


def _variant(type_: VariantType, compile_: LiftCompiler) -> Lift:
    least = compile_.weights(type_).least
    cases = {
        case.name.encode(): (
            json_form.json_name(case.name),
            None if case.payload is None else compile_(case.payload),
            compile_.weights.case(case.name, case.payload) - least,
        )
        for case in type_.cases
    }

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        label, payload = case_of(image, at)
        case = cases.get(label)
        if case is None:
            raise wrong(image, at, "variant of other cases")
        name, lift, more = case
        if lift is None:
            return name
        if not payload:
            raise wrong(image, at, f"variant case {name} with a payload")
        crossing.left -= more
        if crossing.left < 0:
            raise crossing.refusal()
        return {name: lift(native.bytes_at(payload, native.VAL_SIZE), 0, crossing)}

    return apply


def _enum(cases: tuple[Label, ...]) -> Lift:
    names = {case.name.encode(): json_form.json_name(case.name) for case in cases}

    def apply(image: bytes, at: int, _crossing: Crossing) -> JsonValue:
        if image[at] != native.ENUM:
            raise wrong(image, at, "enum")
        size, address = PAIR(image, at)
        name = names.get(native.bytes_at(address, size))
        if name is None:
            raise wrong(image, at, "enum of other cases")
        return name

    return apply


def _flags(flags: tuple[Label, ...]) -> Lift:
    names = {flag.name.encode(): json_form.json_name(flag.name) for flag in flags}

    def apply(image: bytes, at: int, _crossing: Crossing) -> JsonValue:
        if image[at] != native.FLAGS:
            raise wrong(image, at, "flags")
        size, address = PAIR(image, at)
        inner = native.bytes_at(address, size * native.NAME_SIZE) if size else b""
        found: set[bytes] = set()
        for place in range(0, len(inner), native.NAME_SIZE):
            length, start = NAME(inner, place)
            found.add(native.bytes_at(start, length))
        if not found <= names.keys():
            raise wrong(image, at, "other flags")
        return [name for label, name in names.items() if label in found]

    return apply


def _option(type_: OptionType, compile_: LiftCompiler) -> Lift:
    lift, wrapped = compile_(type_.payload), json_form.is_nullable(type_.payload)
    more = compile_.weights.some(type_) - compile_.weights(type_).least

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.OPTION:
            raise wrong(image, at, "option")
        (address,) = WORD(image, at)
        if not address:
            return None
        crossing.left -= more
        if crossing.left < 0:
            raise crossing.refusal()
        value = lift(native.bytes_at(address, native.VAL_SIZE), 0, crossing)
        return {"some": value} if wrapped else value

    return apply


def _result(type_: ResultType, compile_: LiftCompiler) -> Lift:
    least = compile_.weights(type_).least
    sides = [
        (name, None if side is None else compile_(side), compile_.weights.named(name, side) - least)
        for name, side in (("err", type_.err), ("ok", type_.ok))
    ]

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.RESULT:
            raise wrong(image, at, "result")
        (_, address) = PAIR(image, at)
        name, lift, more = sides[image[at + native.PAYLOAD] != 0]
        if lift is None:
            return {name: None}
        if not address:
            raise wrong(image, at, f"result with a payload of {name}")
        crossing.left -= more
        if crossing.left < 0:
            raise crossing.refusal()
        return {name: lift(native.bytes_at(address, native.VAL_SIZE), 0, crossing)}

    return apply


def _handle(resource: TypeDef, resources: Resources) -> Lift:
    holder = resources.holder(resource)
    type_id = resources.type_id(resource) if holder is None else 0

    def apply(image: bytes, at: int, crossing: Crossing) -> JsonValue:
        if image[at] != native.RESOURCE:
            raise wrong(image, at, f"handle of {resource.name}")
        (handle,) = WORD(image, at)
        if holder is not None:
            return holder(crossing.context).adopt(handle, resource)
        return resources.take(crossing.context, handle, type_id)

    return apply
