"""What generated code needs at import time, and the only module besides the standard library that it imports.

`Ok`, `Err` and `Some` are values that WIT has and Python has not; use them in ``match``. The rest serves generated
validators: see `codegen.model.checks`. Everything here is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from obelisk.codegen.model.checks import (
    MISSING,
    NO_NAMES,
    SIDES,
    Keys,
    Names,
    ParamsValidator,
    Path,
    Problems,
    TooManyProblems,
    ValueValidator,
    identity,
    is_text,
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
from obelisk.codegen.model.json_form import JsonValue
from obelisk.codegen.model.problems import Problem

__all__ = [
    "MISSING",
    "NO_NAMES",
    "SIDES",
    "Err",
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
    "identity",
    "is_text",
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
