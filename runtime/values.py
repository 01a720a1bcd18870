"""What generated code needs at import time; with `runtime.resources` all that it imports besides the standard library.

`Ok`, `Err` and `Some` are values that WIT has and Python has not; use them in ``match``. `Caller` and `Handler` are the
seam of generated bindings. The rest serves generated validators: see `codegen.model.checks`. Everything here is pure.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, Self, TypeAlias, TypeVar, cast

from obelisk.codegen.model.checks import (
    MISSING,
    NO_NAMES,
    SIDES,
    CheckedParams,
    CheckedValue,
    Keys,
    Names,
    ParamsValidator,
    Path,
    Problems,
    TooManyProblems,
    ValueValidator,
    identity,
    is_text,
    name_set,
    number,
    octets,
    refuse,
    refuse_case,
    refuse_duplicate,
    refuse_keys,
    refuse_length,
    refuse_name,
    refuse_option,
    refuse_params,
    wide_integer,
)
from obelisk.codegen.model.json_value import JsonValue
from obelisk.codegen.model.problems import Problem

__all__ = [
    "MISSING",
    "NO_NAMES",
    "SIDES",
    "Caller",
    "Case",
    "CaseOf",
    "CheckedParams",
    "CheckedValue",
    "Err",
    "Handler",
    "JsonValue",
    "Keys",
    "Names",
    "Ok",
    "ParamsValidator",
    "Path",
    "Problem",
    "Problems",
    "Result",
    "Some",
    "TooManyProblems",
    "ValueValidator",
    "bytes_from_json",
    "bytes_to_json",
    "case_of",
    "float_from_json",
    "float_to_json",
    "identity",
    "is_text",
    "name_set",
    "number",
    "octets",
    "refuse",
    "refuse_case",
    "refuse_duplicate",
    "refuse_keys",
    "refuse_length",
    "refuse_name",
    "refuse_option",
    "refuse_params",
    "wide_integer",
]

T_co = TypeVar("T_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)


# Not dataclasses, since making one takes a hundred times as long as making a class, and importing generated code makes
# a class for each case.
class Case:
    """Base of the classes that generated code has for the cases of variants; this one's carry nothing."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Carrying(Case, Generic[T_co]):
    """What `CaseOf` and `Err` share. Their layouts differ, as an exception has one of its own: each has the slot."""

    __match_args__ = ("value",)

    if TYPE_CHECKING:

        def __init__(self, value: T_co) -> None:
            self.value: Final[T_co] = value

    else:
        __slots__ = ()

        def __init__(self, value: object) -> None:
            object.__setattr__(self, "value", value)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _OF_EXCEPTIONS or not isinstance(self, BaseException):
            raise AttributeError(f"{name} of a {type(self).__name__} cannot be set: values are immutable")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be deleted: values are immutable")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.value == cast("CaseOf[object]", other).value

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(value={self.value!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[T_co]]:
        return type(self), (self.value,)


_OF_EXCEPTIONS: Final = frozenset({"__traceback__", "__cause__", "__context__", "__suppress_context__", "__notes__"})
"""What Python's own machinery sets while an exception travels."""


class CaseOf(_Carrying[T_co]):
    """A case that carries `value`. Immutable; equal to one of the same class with an equal value."""

    if not TYPE_CHECKING:
        __slots__ = ("value",)


class Ok(CaseOf[T_co]):
    """The good side of a WIT ``result``; `value` is None when it carries nothing."""

    __slots__ = ()


class Err(_Carrying[T_co], Exception):
    """The bad side of a WIT ``result``; `value` is None when it carries nothing.

    It is a value to return and to match. It is an exception besides: what implements a function may raise it instead.
    """

    if not TYPE_CHECKING:
        __slots__ = ("value",)

    def __str__(self) -> str:
        return repr(self)


class Some(CaseOf[T_co]):
    """A present value of an option whose payload can itself be None: tells ``Some(None)`` from None."""

    __slots__ = ()


Result: TypeAlias = Ok[T_co] | Err[E_co]

Handler: TypeAlias = Callable[[list[Any]], JsonValue]
"""Serves one imported function: parameters in canonical JSON form in, the result's out (None without a result)."""


class Caller(Protocol):
    """Calls a component's exports: what a host provides for generated bindings."""

    def call(self, interface: str, function: str, params: list[JsonValue], /) -> Any:
        """Call ``ns:pkg/ifc[@version]`` (``""``: the world itself) and its function, in canonical JSON form."""
        ...


def float_to_json(value: float) -> JsonValue:
    """The JSON form of a float: a number, or ``"NaN"``, ``"Infinity"``, ``"-Infinity"``."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def float_from_json(data: Any) -> float:
    """The float of a JSON form."""
    return float(data)


def bytes_to_json(value: bytes) -> JsonValue:
    """The JSON form of ``list<u8>``: base64."""
    return base64.b64encode(value).decode("ascii")


def bytes_from_json(data: Any) -> bytes:
    """The bytes of a base64 string."""
    return base64.b64decode(data, validate=True)


def case_of(data: Any) -> tuple[str, Any]:
    """Name and payload (None without one) of a variant's JSON form."""
    if isinstance(data, str):
        return data, None
    [(name, payload)] = cast(dict[str, Any], data).items()
    return name, payload
