"""Calls of imported functions as values, and how such a call is started as a child.

The functions of an interface `stock` that a workflow calls are in `wit_world.imports.stock`. The functions that start
one as a child and read its result are in `wit_world.imports.stock_ext`, which the build puts into every component that
imports this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
S = TypeVar("S")
_IMPORTS: Final = "wit_world.imports."


@dataclass(frozen=True, kw_only=True)
class Call(Generic[R]):
    """A call that is not made yet: of `function` with these arguments. `call` makes one; calling it makes the call."""

    function: Callable[..., R]
    args: tuple[object, ...]
    kwargs: Mapping[str, object]

    def __call__(self) -> R:
        """Call the function and wait for its result, as a direct call does."""
        return self.function(*self.args, **self.kwargs)


def call(function: Callable[P, S], *args: P.args, **kwargs: P.kwargs) -> Call[S]:
    """A call of a function of `wit_world.imports`, to be given to `gather`, `race`, `join_set` or `retry`."""
    return Call(function=function, args=args, kwargs=kwargs)


@dataclass(frozen=True, kw_only=True)
class Starting:
    """The two functions of an extension: `submit` starts a child in a join set, `get` reads its result."""

    submit: Callable[..., Any]
    get: Callable[..., Any]


def starting(function: Callable[..., object]) -> Starting:
    """How a function is started as a child. TypeError for one that is not of `wit_world.imports`, or cannot be."""
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__name__", "")
    if not module.startswith(_IMPORTS):
        raise TypeError(
            f"a child is a function of `wit_world.imports`, as `stock.reserve`, with its arguments apart; "
            f"got {function!r}"
        )
    label = name.removesuffix("_")  # a name that is a keyword of Python has one at its end
    try:
        extension = __import__(f"{module}_ext", fromlist=["_"])
        return Starting(submit=getattr(extension, f"{label}_submit"), get=getattr(extension, f"{label}_get"))
    except (ImportError, AttributeError):
        raise TypeError(
            f"`{module.removeprefix(_IMPORTS)}.{name}` cannot be started as a child: its package has no extension "
            "with it (the engine's own interfaces and functions with resources have none)"
        ) from None
