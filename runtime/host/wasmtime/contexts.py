"""From a wasmtime Store to the guest that runs in it: of a callback's guest only the store's context is known."""

from __future__ import annotations

import itertools
from typing import Any, Final, Protocol

from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.ports.guest import Handler, JsonValue, Pending


class Guest(Protocol):
    """Whose host calls come in: a fiber, or an instance that lasts."""

    context: object
    """What the handlers get."""
    crossing: Any
    """What its values may weigh: an `abi.crossing.Crossing`."""

    def answer(self, handler: Handler, args: list[JsonValue], /) -> JsonValue | Pending:
        """Call a handler where it may be called; what it answers or raises."""
        ...

    def refuse(self, raised: BaseException, /) -> int:
        """Keep what a handler raised; the address of the error that unwinds the guest."""
        ...


tokens: Final = itertools.count(1)
"""Numbers of guests, which stand in their stores as data."""
guests: Final[dict[int, Guest]] = {}
"""The guests that have not ended, by number."""


def guest_of(context: int) -> Guest:
    """The guest whose wasmtime Store a callback was called from."""
    return guests[native.context_data(context) or 0]
