"""What a record says of the types of a function: its *signature*, a short text. Pure.

    vf.Zk3aQw.9dKq1x      <shape of the result>.<hash of the result's type>.<hash of the parameters' types>

It is recorded with the request for a function, so that a reader of the record needs nothing else to know what the
function looked like then. The *shape* alone is enough to read a result (and stands with every result):

    -        the function has no result
    v        a value that is no `result`
    two      a `result<T, E>`; of T: `_` when it is absent, else `v`; of E: `_` when it is absent, `f` when it has room
             for the failure of an execution (see `room_for_failure`), else `v`

The hashes say whether two functions have the same types in the sense of `linking.same_signature`: names of type
definitions and of parameters don't matter, labels of parts do. ``""`` is the signature, and the shape, of a record that
was made before there were any.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.types import (
    BorrowType,
    Case,
    EnumType,
    Field,
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
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
    unalias,
)

UNKNOWN: Final = ""
NOTHING: Final = "-"
VALUE: Final = "v"
ABSENT: Final = "_"
FAILURE: Final = "f"
CASE: Final = "execution-failed"
"""The case of an error type that stands for a failed execution."""
_HASH_BYTES: Final = 4


def signature_of(function: Function) -> str:
    """The signature of a function whose types have a JSON form."""
    return signature([param.type for param in function.params], function.result)


def signature(params: Sequence[Type], result: Type | None) -> str:
    """The signature for these types."""
    hashed = _Hashing()
    return f"{shape_of(result)}.{hashed.text((result,))}.{hashed.text(params)}"


def shape_in(signature: str) -> str:
    """The shape of the result that a signature tells."""
    return signature.partition(".")[0]


def same_result(signature: str, other: str) -> bool:
    """Whether two signatures, neither of them UNKNOWN, have a result of the same type."""
    return signature.rpartition(".")[0] == other.rpartition(".")[0]


def same_params(signature: str, other: str) -> bool:
    """Whether two signatures have parameters of the same types; an UNKNOWN one is like no other."""
    return bool(signature) and signature.rpartition(".")[2] == other.rpartition(".")[2]


def is_result(shape: str) -> bool:
    """Whether a shape is that of a ``result``."""
    return len(shape) == 2


def shape_of(result: Type | None) -> str:
    """The shape of a result type; None is a function without result."""
    type_ = unalias(result) if result is not None else None
    if type_ is None:
        return NOTHING
    if not isinstance(type_, ResultType):
        return VALUE
    ok = ABSENT if type_.ok is None else VALUE
    if type_.err is None:
        return ok + ABSENT
    return ok + (FAILURE if room_for_failure(type_.err) else VALUE)


def room_for_failure(err: Type) -> bool:
    """Whether an error type can say that an execution failed: a string, or a variant or an enum with a case
    `execution-failed` that carries nothing."""
    match unalias(err):
        case Primitive.STRING:
            return True
        case VariantType(cases) | EnumType(cases):
            return any(map(_stands_for_failure, cases))
        case _:
            return False


def _stands_for_failure(case: Case | Label) -> bool:
    return case.name == CASE and (isinstance(case, Label) or case.payload is None)


class _Hashing:
    """Hashes of types by what they are made of; each type definition once, however often it is reached."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}

    def text(self, types: Sequence[Type | None]) -> str:
        """A hash of several types as text."""
        hashed = _hash(b"".join(map(self._optional, types)))
        return base64.urlsafe_b64encode(hashed[:_HASH_BYTES]).decode().rstrip("=")

    def _optional(self, type_: Type | None) -> bytes:
        return _hash(b"") if type_ is None else self._of(type_)

    def _of(self, type_: Type) -> bytes:
        found = self._known.get(id(type_))
        if found is None:
            found = self._known[id(type_)] = self._made(type_)
        return found

    def _made(self, type_: Type) -> bytes:
        match unalias(type_):
            case Primitive() as primitive:
                return _hash(primitive.value.encode())
            case RecordType(fields):
                return self._labelled(b"record", fields)
            case VariantType(cases):
                return self._labelled(b"variant", cases)
            case EnumType(labels) | FlagsType(labels) as body:
                kind = b"enum" if isinstance(body, EnumType) else b"flags"
                return self._labelled(kind, labels)
            case TupleType(items):
                return _hash(b"tuple", *map(self._of, items))
            case ListType(element):
                return _hash(b"list", self._of(element))
            case FixedListType(element, length):
                return _hash(b"list %d" % length, self._of(element))
            case MapType(key, value):
                return _hash(b"map", self._of(key), self._of(value))
            case OptionType(payload):
                return _hash(b"option", self._of(payload))
            case ResultType(ok, err):
                return _hash(b"result", self._optional(ok), self._optional(err))
            case StreamType(item) | FutureType(item) as body:
                return _hash(type(body).__name__.encode(), self._optional(item))
            case OwnType(resource) | BorrowType(resource) as body:
                return _hash(type(body).__name__.encode(), resource.name.encode())
            case body:
                return _hash(type(body).__name__.encode())

    def _labelled(self, kind: bytes, parts: Sequence[Field | Case | Label]) -> bytes:
        hashed: list[bytes] = []
        for part in parts:
            type_ = part.type if isinstance(part, Field) else part.payload if isinstance(part, Case) else None
            hashed += (_hash(part.name.encode()), self._optional(type_))
        return _hash(kind, *hashed)


def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()
