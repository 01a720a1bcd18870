"""The JSON form of WIT types (ARCHITECTURE §6): which types have one, under which names, and where null is taken.

Validators, schemas, bindings and the host's ABI all read these few rules from here, so that they cannot drift apart.
The *canonical* JSON form of a value is one Python object: every record key present and in declaration order, an absent
option as None, an f32 rounded to its value, a finite float as float, an integer as int (also one that was given as a
decimal string), flags in declaration order.
"""

from __future__ import annotations

from typing import Final

from obelisk.codegen.model.json_value import NON_FINITE, RANGES, WIDE, JsonValue
from obelisk.codegen.model.types import (
    BorrowType,
    EnumType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    Primitive,
    RecordType,
    ResourceType,
    ResultType,
    StreamType,
    Type,
    TypeDef,
    VariantType,
    definition,
    parts,
    unalias,
)

__all__ = [
    "INTEGER_RANGES",
    "MAX_DEPTH",
    "MAX_NODES",
    "NON_FINITE",
    "WIDE_INTEGERS",
    "JsonValue",
    "UnsupportedType",
    "is_bytes",
    "is_nullable",
    "is_text_map",
    "json_name",
    "require_json_form",
    "wit_text",
]

INTEGER_RANGES: Final = {Primitive(name): bounds for name, bounds in RANGES.items()}
"""The least and the greatest value of every integer type."""

WIDE_INTEGERS: Final = tuple(map(Primitive, WIDE))
"""The integer types whose values may be given as decimal strings, too."""

MAX_DEPTH: Final = 100
"""Levels of nesting that a type may have: a value is never nested deeper than its type."""

MAX_NODES: Final = 100_000
"""Types inside one type, each counted as often as it is reached."""

_HANDLES: Final = (OwnType, BorrowType, ResourceType, StreamType, FutureType)
_SHOWN_ITEMS: Final = 8


class UnsupportedType(Exception):
    """A type whose values cannot be checked as JSON.

    `code` is ``no-json-form`` (a handle, stream, future or error-context inside), ``type-too-deep`` or
    ``type-too-large``; `type_text` names the offending type; `reason` is the sentence for a diagnostic.
    """

    def __init__(self, code: str, type_text: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.type_text = type_text
        self.reason = reason


def json_name(label: str) -> str:
    """The JSON name of a kebab-case label: snake_case, for parameters, fields, cases, enum cases and flags alike."""
    return label.replace("-", "_")


def is_bytes(type_: Type) -> bool:
    """Whether `type_` is ``list<u8>``, whose JSON form is a base64 string."""
    type_ = unalias(type_)
    return isinstance(type_, ListType) and unalias(type_.element) is Primitive.U8


def is_nullable(type_: Type) -> bool:
    """Whether null is a JSON form of a value of `type_`: of options alone. An option of such a type is wrapped."""
    return isinstance(unalias(type_), OptionType)


def is_text_map(type_: MapType) -> bool:
    """Whether the JSON form of this map is an object: when its keys are strings."""
    return unalias(type_.key) is Primitive.STRING


def require_json_form(*types: Type | None) -> None:
    """Raise `UnsupportedType` unless each type has a JSON form and a size within `MAX_DEPTH` and `MAX_NODES`."""
    known: dict[int, tuple[int, int]] = {}
    for type_ in types:
        if type_ is not None:
            _measure(type_, known, 1)


def _measure(type_: Type, known: dict[int, tuple[int, int]], level: int) -> tuple[int, int]:
    """Levels and nodes of a type. A shared part is measured once: linear time, even where the node count is not."""
    while isinstance(type_, TypeDef):
        type_ = type_.body
    if isinstance(type_, Primitive) and type_ is not Primitive.ERROR_CONTEXT and level <= MAX_DEPTH:
        return 1, 1
    depth, nodes = known.get(id(type_), (0, 1))
    if depth == 0:
        if isinstance(type_, _HANDLES) or type_ is Primitive.ERROR_CONTEXT:
            text = wit_text(type_)
            raise UnsupportedType("no-json-form", text, f"values of {text} cannot leave their component as JSON")
        for part in parts(type_) if level <= MAX_DEPTH else ():
            part_depth, part_nodes = _measure(part, known, level + 1)
            depth, nodes = max(depth, part_depth), nodes + part_nodes
        depth += 1
        known[id(type_)] = (depth, nodes)
    if level + depth - 1 > MAX_DEPTH:
        raise UnsupportedType("type-too-deep", wit_text(type_), f"the type nests more than {MAX_DEPTH} levels")
    if nodes > MAX_NODES:
        raise UnsupportedType("type-too-large", wit_text(type_), f"the type has more than {MAX_NODES} parts")
    return depth, nodes


def wit_text(type_: Type | None, levels: int = 4) -> str:
    """A type as WIT writes it, short: named types by name (an alias by what it stands for), deep parts as ``…``."""
    if type_ is None:
        return "_"
    named = type_ if isinstance(type_, TypeDef) else None
    type_ = unalias(type_)
    match type_:
        case Primitive():
            return type_.value
        case RecordType() | VariantType() | EnumType() | FlagsType() | ResourceType():
            return definition(named).name if named else type(type_).__name__.removesuffix("Type").lower()
        case OwnType(resource):
            return definition(resource).name
        case BorrowType(resource):
            return f"borrow<{definition(resource).name}>"
        case _:
            return _composite_text(type_, levels - 1)


def _composite_text(type_: Type, levels: int) -> str:
    if levels == 0:
        return "…"
    match type_:
        case ResultType(None, None):
            return "result"
        case ResultType(ok, None):
            return f"result<{wit_text(ok, levels)}>"
        case ResultType(ok, err):
            return f"result<{wit_text(ok, levels)}, {wit_text(err, levels)}>"
        case FixedListType(element, length):
            return f"list<{wit_text(element, levels)}, {length}>"
        case StreamType(None) | FutureType(None):
            inner: list[str] = []
        case _:
            inner = [wit_text(part, levels) for part in parts(type_)[:_SHOWN_ITEMS]]
    if len(parts(type_)) > _SHOWN_ITEMS:
        inner.append("…")
    word = type(type_).__name__.removesuffix("Type").lower()
    return f"{word}<{', '.join(inner)}>" if inner else word
