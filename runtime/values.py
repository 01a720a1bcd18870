"""What generated code needs at import time; with `runtime.resources` all that it imports besides the standard library.

`Ok`, `Err` and `Some` are values that WIT has and Python has not; use them in ``match``. `Caller` and `Handler` are the
seam of generated bindings. The rest serves generated validators: see `codegen.model.checks`. Everything here is pure.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
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
