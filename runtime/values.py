"""What generated code needs at import time, and the only module besides the standard library that it imports.

`Ok`, `Err` and `Some` are values that WIT has and Python has not; use them in ``match``. `Caller` and `Handler` are the
seam of generated bindings, `Handles` the resources that pass it. The rest serves generated validators: see
`codegen.model.checks`. Everything here is pure.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

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
)
from obelisk.codegen.model.json_value import JsonValue
from obelisk.codegen.model.problems import Problem

__all__ = [
    "MISSING",
    "NO_NAMES",
    "SIDES",
    "Caller",
    "CheckedParams",
    "CheckedValue",
    "Err",
    "Handler",
    "Handles",
    "HandlesOfCall",
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
]

T_co = TypeVar("T_co", covariant=True)
E_co = TypeVar("E_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The good side of a WIT ``result``; `value` is None when it carries nothing."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Err(Generic[E_co]):
    """The bad side of a WIT ``result``; `value` is None when it carries nothing."""

    value: E_co


@dataclass(frozen=True, slots=True)
class Some(Generic[T_co]):
    """A present value of an option whose payload can itself be None: tells ``Some(None)`` from None."""

    value: T_co


Result: TypeAlias = Ok[T_co] | Err[E_co]

Handler: TypeAlias = Callable[[list[Any]], JsonValue]
"""Serves one imported function: parameters in canonical JSON form in, the result's out (None without a result)."""


class Caller(Protocol):
    """Calls a component's exports: what a host provides for generated bindings."""

    def call(self, interface: str, function: str, params: list[JsonValue], /) -> Any:
        """Call ``ns:pkg/ifc[@version]`` (``""``: the world itself) and its function, in canonical JSON form."""
        ...


class Handles:
    """Resources that Python implements, by the numbers under which components hold them.

    Generated handlers and callers that share a component share this too. An object given away is kept until the
    component drops it, gives it back, or its call ends; the first and the last leave it as a ``with`` statement would,
    if it is a context manager. Safe from any thread.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._held: dict[int, tuple[Any, bool]] = {}
        self._given: ContextVar[list[int] | None] = ContextVar("given", default=None)

    def give(self, resource: Any) -> int:
        """The number of an object that a component will own."""
        return self._hold(resource, True)

    def lend(self, resource: Any) -> int:
        """The number of an object that a component may use for the call under way."""
        return self._hold(resource, False)

    def of(self, number: int) -> Any:
        """The object that a component lends; LookupError when it holds none of that number."""
        return self._held[number][0]

    def take(self, number: int) -> Any:
        """The object that a component gives back; LookupError when it holds none of that number."""
        return self._held.pop(number)[0]

    def drop(self, number: int) -> None:
        """A component has dropped what it owned."""
        resource, owned = self._held.pop(number, (None, False))
        leave: Any = getattr(resource, "__exit__", None) if owned else None
        if leave is not None:
            leave(None, None, None)

    def call(self) -> HandlesOfCall:
        """Around a call into a component: what it still holds at the end goes then. Inner calls end with the outer."""
        return HandlesOfCall(self, self._given)

    @property
    def held(self) -> int:
        """How many objects components hold."""
        return len(self._held)

    def _hold(self, resource: Any, owned: bool) -> int:
        number = next(self._numbers)
        self._held[number] = (resource, owned)
        given = self._given.get()
        if given is not None:
            given.append(number)
        return number


class HandlesOfCall:
    """See `Handles.call`."""

    def __init__(self, handles: Handles, given: ContextVar[list[int] | None]) -> None:
        self._handles, self._given = handles, given
        self._before: Token[list[int] | None] | None = None

    def __enter__(self) -> None:
        if self._given.get() is None:
            self._before = self._given.set([])

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            given = self._given.get() or ()
            self._given.reset(self._before)
            for held in given:
                self._handles.drop(held)


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
