"""What generated clients hold as data: a function's name and the conversions of its parameters and its result.

Named tuples, not dataclasses: whoever imports a client waits for these classes to be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from obelisk.runtime.values import JsonValue

P = ParamSpec("P")
R = TypeVar("R")


class Operation(NamedTuple, Generic[P, R]):
    """A function of a deployed component.

    `encode` has the function's typed parameters and gives the JSON object of the named ones; `decode` gives the typed
    result of the canonical JSON form. `is_fallible` says whether the result is a WIT ``result``.
    """

    interface: str
    name: str
    encode: Callable[P, dict[str, JsonValue]]
    decode: Callable[[Any], R]
    is_fallible: bool = False


class Options(NamedTuple):
    """How to call. Without `timeout_s` a call waits as long as it takes; without a key each call is one of its own.
    `tags` are given to new executions, to find them by."""

    timeout_s: float | None = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})


class LogEntry(NamedTuple):
    """An event of an execution's log: its index, when it was recorded, and what it says (its ``type`` names it)."""

    version: int
    at: datetime
    event: Mapping[str, Any]
