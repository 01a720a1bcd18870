"""What generated ``worker.py`` modules consist of: functions as data, and the base of the classes to implement."""

from __future__ import annotations

from abc import ABC
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

from obelisk.runtime.values import Err, JsonValue, Ok, ValueValidator

T = TypeVar("T")
E = TypeVar("E")

Returned: TypeAlias = T | Awaitable[T]
"""What a function without a WIT ``result`` returns: ``def`` the value, ``async def`` an awaitable of it."""

Fallible: TypeAlias = T | Ok[T] | Err[E] | Awaitable[T | Ok[T] | Err[E]]
"""What a function with a WIT ``result`` returns. It may also raise an `Err` of the refusal."""

Wrapped: TypeAlias = Ok[T] | Err[E] | Awaitable[Ok[T] | Err[E]]
"""As `Fallible`, where the good value can be a result itself: only wrapped the two can be told apart."""


class Operation(NamedTuple):
    """A function that a worker implements.

    `method` is its name in Python, `signature` says what its types were when the code was generated. `decode` gives the
    typed arguments of the JSON object of named parameters; `encode` the JSON form of a typed result, which `check`
    checks. `is_fallible` says whether the result is a WIT ``result``.
    """

    interface: str
    name: str
    method: str
    signature: str
    decode: Callable[[Any], tuple[Any, ...]]
    encode: Callable[[Any], JsonValue]
    check: ValueValidator
    is_fallible: bool = False

    @property
    def ffqn(self) -> str:
        """``ns:pkg/ifc[@version].function``."""
        return f"{self.interface}.{self.name}"


class Served(ABC):  # noqa: B024 - the classes below have abstract methods
    """Base of the generated classes to implement. No function of WIT can have a name with two underscores in a row."""

    obelisk__operations: ClassVar[tuple[Operation, ...]] = ()
