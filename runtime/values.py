"""What generated code needs at import time; with `runtime.resources` all that it imports besides the standard library.

`Ok`, `Err` and `Some` are values that WIT has and Python has not; use them in ``match``. `Caller` and `Handler` are the
seam of generated bindings; `WitValue` gives generated classes their JSON form (`runtime.forms`). The rest serves
generated validators: see `codegen.model.checks`. Everything here is pure.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, Self, TypeAlias, TypeVar, cast, get_args

from obelisk.codegen.model.checks import (
    MISSING,
    NO_NAMES,
    SIDES,
    Check,
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
from obelisk.runtime.forms import InvalidValue, WitForm, as_found, form_of, other_case

__all__ = [
    "MISSING",
    "NO_NAMES",
    "SIDES",
    "Caller",
    "Case",
    "CaseOf",
    "Check",
    "CheckedParams",
    "CheckedValue",
    "Err",
    "Handler",
    "InvalidValue",
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
    "WitForm",
    "WitValue",
    "as_found",
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


class WitValue:
    """Base of generated records, enums, flags and cases: values that have a JSON form."""

    __slots__ = ()

    def to_json(self) -> JsonValue:
        """The JSON form, as the HTTP interface has it. InvalidValue when a field holds what WIT does not allow."""
        return form_of(type(self)).to_json(self)

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The value of a JSON form, as `json.loads` gives it. InvalidValue names every fault by its JSON pointer."""
        form = form_of(cls)
        value = form.from_json(data)
        if not isinstance(value, cls):
            found = data if isinstance(data, str) else next(iter(cast("dict[str, object]", data)))
            raise InvalidValue(form.name, (other_case(form.cases[cls], found),))
        return value

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        from obelisk.runtime import pydantic_schema  # here: Pydantic calls this, and nothing else needs it

        return pydantic_schema.of_value(cls)

    def __as_found__(self, pairs: bool) -> object:
        name = form_of(type(self)).cases.get(type(self))
        if name is not None:
            return {name: as_found(cast(Any, self).value, pairs=pairs)} if hasattr(self, "value") else name
        if isinstance(self, enum.Flag):
            return form_of(type(self)).encode(self)
        if isinstance(self, enum.Enum):
            return self.value
        fields = dataclasses.fields(cast(Any, self))
        return {field.name.rstrip("_"): as_found(getattr(self, field.name), pairs=pairs) for field in fields}


# Not dataclasses, since making one takes a hundred times as long as making a class, and importing generated code makes
# a class for each case.
class _Bare:
    """Equal to another of the same class."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class _Carrying(_Bare, Generic[T_co]):
    """Carries `value`. Layouts differ, as an exception has one of its own: each class has the slot."""

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
        return type(self) is type(other) and self.value == cast("_Carrying[object]", other).value

    def __hash__(self) -> int:
        return hash((type(self), self.value))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(value={self.value!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[T_co]]:
        return type(self), (self.value,)


_OF_EXCEPTIONS: Final = frozenset({"__traceback__", "__cause__", "__context__", "__suppress_context__", "__notes__"})
"""What Python's own machinery sets while an exception travels."""


class Case(_Bare, WitValue):
    """Base of the classes that generated code has for the cases of variants; this one's carry nothing."""

    __slots__ = ()


class CaseOf(_Carrying[T_co], Case):
    """A case that carries `value`. Immutable; equal to one of the same class with an equal value."""

    if not TYPE_CHECKING:
        __slots__ = ("value",)


class _Side(_Carrying[T_co]):
    """What stands in JSON as an object of one key, which is the class's name in lower case."""

    if not TYPE_CHECKING:
        __slots__ = ()

    def __as_found__(self, pairs: bool) -> object:
        return {type(self).__name__.lower(): as_found(self.value, pairs=pairs)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any:
        from obelisk.runtime import pydantic_schema  # here: Pydantic calls this, and nothing else needs it

        return pydantic_schema.of_side(cls, cls.__name__.lower(), handler.generate_schema(*get_args(source) or (Any,)))


class Ok(_Side[T_co]):
    """The good side of a WIT ``result``; `value` is None when it carries nothing."""

    if not TYPE_CHECKING:
        __slots__ = ("value",)


class Err(_Side[T_co], Exception):
    """The bad side of a WIT ``result``; `value` is None when it carries nothing.

    It is a value to return and to match. It is an exception besides: what implements a function may raise it instead.
    """

    if not TYPE_CHECKING:
        __slots__ = ("value",)

    def __str__(self) -> str:
        return repr(self)


class Some(_Side[T_co]):
    """A present value of an option whose payload can itself be None: tells ``Some(None)`` from None."""

    if not TYPE_CHECKING:
        __slots__ = ("value",)


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
