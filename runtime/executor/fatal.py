"""Callbacks of the executor that must not fail.

An exception in one of them is a bug, and what it was about to do is not done: children that are on record would never
run, places never be free. The event loop would only log it. The executor must not limp: it ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar


class Breakable(Protocol):
    """Hears of the exception."""

    def broke(self, where: str, error: Exception) -> None:
        """The end of it."""
        ...


S = TypeVar("S", bound=Breakable)
P = ParamSpec("P")


def fatal(method: Callable[Concatenate[S, P], None]) -> Callable[Concatenate[S, P], None]:
    """The method; what it raises ends the executor."""

    @functools.wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.broke(method.__name__, error)

    return guarded
