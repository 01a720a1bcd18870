"""What generated clients hold as data: a function's name, and the conversions and checks of what it takes and gives.

Named tuples, not dataclasses: a program that imports a client waits for these classes to be made.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, ParamSpec, Self, TypeAlias, TypeVar

from obelisk.runtime.values import JsonValue, ParamsValidator, ValueValidator

P = ParamSpec("P")
R = TypeVar("R")

WAIT_S: Final = 20
"""The longest wait that one request asks for; the server may cut it shorter."""

Checks: TypeAlias = Callable[[str], tuple[ParamsValidator, ValueValidator]]
"""The validators of a function's parameters and of its result, by its fully qualified name."""


class Operation(NamedTuple, Generic[P, R]):
    """A function of a deployed component.

    `encode` has the function's typed parameters and gives the JSON object of the named ones; `decode` gives the typed
    result of the canonical JSON form and `encode_result` this form. `is_fallible` says whether the result is a WIT
    ``result``. `params` are the names of the parameters in JSON. Without `checks` only the server checks.
    """

    interface: str
    name: str
    encode: Callable[P, dict[str, JsonValue]]
    decode: Callable[[Any], R]
    is_fallible: bool = False
    params: tuple[str, ...] = ()
    encode_result: Callable[[Any], JsonValue] | None = None
    checks: Checks | None = None

    @property
    def ffqn(self) -> str:
        """The fully qualified name: ``ns:pkg/ifc[@version].function``."""
        return f"{self.interface}.{self.name}"


class Options(NamedTuple):
    """How to call. Without `timeout_s` a call waits as long as it takes; without a key each call is one of its own.

    `tags` are given to new executions, to find them by. `wait_s` is how long one request asks the server to wait for
    the result, `retries` how often a request without an answer is repeated (None: as the client says).
    """

    timeout_s: float | None = None
    idempotency_key: str | None = None
    tags: Mapping[str, str] = MappingProxyType({})
    wait_s: int = WAIT_S
    retries: int | None = None


class Unset(Enum):
    """An option that was not given."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class Configured:
    """A function of a server with options of its own: what functions of both clients have in common."""

    _options: Options

    def options(
        self,
        *,
        timeout: float | Unset | None = UNSET,
        idempotency_key: str | Unset | None = UNSET,
        tags: Mapping[str, str] | Unset = UNSET,
        wait: int | Unset = UNSET,
        retries: int | Unset | None = UNSET,
    ) -> Self:
        """The same function with these options; those not given stay as they are.

        `timeout`: seconds after which a call raises NotFinished; the execution goes on. `idempotency_key`: calls of one
        key and the same parameters are one execution. `tags`: what the execution can be found by; ValueError for tags
        that are not of the form that ``docs/wit-to-http.md`` has. `wait`: seconds that one request asks the server to
        wait for the result. `retries`: how often a request without an answer is repeated.
        """
        given: dict[str, Any] = {
            "timeout_s": timeout,
            "idempotency_key": idempotency_key,
            "tags": tags,
            "wait_s": wait,
            "retries": retries,
        }
        other = copy.copy(self)
        other._options = self._options._replace(**{name: one for name, one in given.items() if one is not UNSET})
        return other


class LogEntry(NamedTuple):
    """An event of an execution's log: its index, when it was recorded, and what it says (its ``type`` names it)."""

    version: int
    at: datetime
    event: Mapping[str, Any]

    @classmethod
    def of(cls, item: Any) -> LogEntry:
        """The entry that a server shows so; KeyError, TypeError or ValueError for what is none."""
        return cls(version=item["version"], at=datetime.fromisoformat(item["at"]), event=item["event"])
