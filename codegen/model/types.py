"""The resolved type algebra: what a WIT type means once every name is looked up.

WIT types are never recursive, so a type is a finite tree of frozen values; a named type is a `TypeDef` that carries the
name of its owner and is shared by reference wherever it is used. `use` and `type a = b` both give a TypeDef whose body
is another TypeDef: `unalias` follows such chains. Source: WIT.md "Types", Explainer.md "Type definitions".
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from obelisk.codegen.model.names import InterfaceName


class Primitive(enum.Enum):
    """Types without parts; the value is the WIT keyword."""

    BOOL = "bool"
    S8 = "s8"
    S16 = "s16"
    S32 = "s32"
    S64 = "s64"
    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    U64 = "u64"
    F32 = "f32"
    F64 = "f64"
    CHAR = "char"
    STRING = "string"
    ERROR_CONTEXT = "error-context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stability:
    """A feature gate: ``@since``/``@unstable``, each perhaps with ``@deprecated``. All empty means ungated."""

    since: str = ""
    feature: str = ""
    deprecated: str = ""


UNGATED = Stability()


@dataclass(frozen=True, slots=True)
class ListType:
    """``list<T>``."""

    element: Type


@dataclass(frozen=True, slots=True)
class FixedListType:
    """``list<T, N>``."""

    element: Type
    length: int


@dataclass(frozen=True, slots=True)
class MapType:
    """``map<K, V>``."""

    key: Type
    value: Type


@dataclass(frozen=True, slots=True)
class TupleType:
    """``tuple<A, B, …>``."""

    items: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class OptionType:
    """``option<T>``."""

    payload: Type


@dataclass(frozen=True, slots=True)
class ResultType:
    """``result<T, E>``; a missing side is None (``_`` or omitted)."""

    ok: Type | None
    err: Type | None


@dataclass(frozen=True, slots=True)
class StreamType:
    """``stream<T>`` or ``stream``."""

    payload: Type | None


@dataclass(frozen=True, slots=True)
class FutureType:
    """``future<T>`` or ``future``."""

    payload: Type | None


@dataclass(frozen=True, slots=True)
class OwnType:
    """``own<R>`` (in WIT text a bare resource name); `resource` unaliases to a TypeDef with a ResourceType body."""

    resource: TypeDef


@dataclass(frozen=True, slots=True)
class BorrowType:
    """``borrow<R>``; `resource` unaliases to a TypeDef with a ResourceType body."""

    resource: TypeDef


@dataclass(frozen=True, slots=True)
class Field:
    """A record's field; `name` is kebab-case."""

    name: str
    type: Type
    docs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Case:
    """A variant's case; `payload` None when it carries nothing."""

    name: str
    payload: Type | None
    docs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Label:
    """An enum's case or one flag."""

    name: str
    docs: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RecordType:
    """``record``."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class VariantType:
    """``variant``."""

    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class EnumType:
    """``enum``."""

    cases: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class FlagsType:
    """``flags``."""

    flags: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class ResourceType:
    """``resource``; its methods are functions of the owning interface (see `items.FunctionKind`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeDef:
    """A named type. `owner` is the interface or world that declares it; an inline interface's owner is its world.

    `owner_item` names the inline interface inside that world, else ``""``. Two TypeDefs are equal when name, owner and
    body are: documentation and gates do not take part.
    """

    name: str
    owner: InterfaceName
    owner_item: str = ""
    body: Type
    external_id: str = ""
    docs: str = field(default="", compare=False)
    stability: Stability = field(default=UNGATED, compare=False)


Anonymous: TypeAlias = (
    ListType
    | FixedListType
    | MapType
    | TupleType
    | OptionType
    | ResultType
    | StreamType
    | FutureType
    | OwnType
    | BorrowType
)
Body: TypeAlias = RecordType | VariantType | EnumType | FlagsType | ResourceType
Type: TypeAlias = Primitive | Anonymous | Body | TypeDef


def unalias(type_: Type) -> Type:
    """The structural type behind a chain of TypeDefs: never itself a TypeDef."""
    while isinstance(type_, TypeDef):
        type_ = type_.body
    return type_


def definition(typedef: TypeDef) -> TypeDef:
    """The TypeDef that declares what `typedef` names: the end of its alias chain."""
    while isinstance(typedef.body, TypeDef):
        typedef = typedef.body
    return typedef


def parts(type_: Type) -> tuple[Type, ...]:
    """The types directly inside `type_`, in declaration order; a resource handle and a primitive have none."""
    match type_:
        case TypeDef(body=body):
            return (body,)
        case ListType(element) | FixedListType(element, _):
            return (element,)
        case MapType(key, value):
            return (key, value)
        case TupleType(items):
            return items
        case OptionType(payload):
            return (payload,)
        case ResultType(ok, err):
            return tuple(t for t in (ok, err) if t is not None)
        case RecordType(fields):
            return tuple(f.type for f in fields)
        case VariantType(cases):
            return tuple(c.payload for c in cases if c.payload is not None)
        case StreamType(item) | FutureType(item):
            return () if item is None else (item,)
        case _:
            return ()


def resources(*types: Type | None) -> tuple[TypeDef, ...]:
    """The resources, as declared, whose handles are anywhere in these types, in the order in which they are met."""
    found: dict[int, TypeDef] = {}
    seen: set[int] = set()
    waiting = [type_ for type_ in reversed(types) if type_ is not None]
    while waiting:
        type_ = waiting.pop()
        if id(type_) not in seen:
            seen.add(id(type_))
            waiting += reversed(parts(type_))
            if isinstance(type_, OwnType | BorrowType):
                declared = definition(type_.resource)
                found.setdefault(id(declared), declared)
    return tuple(found.values())


def has_json_form(type_: Type) -> bool:
    """Whether values of `type_` have a JSON form: no handle, stream, future or error-context anywhere inside."""
    if isinstance(type_, OwnType | BorrowType | StreamType | FutureType | ResourceType):
        return False
    return type_ is not Primitive.ERROR_CONTEXT and all(has_json_form(part) for part in parts(type_))
