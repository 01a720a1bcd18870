"""A request as the gateway reads it: headers by name, and a body in chunks.

Starlette's `Request` is one. `Call` is another, for what is asked for most: it makes only what is asked for.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from typing import Any, Protocol, TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

T = TypeVar("T")


class Incoming(Protocol):
    """See the module's text."""

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...

    def stream(self) -> AsyncGenerator[bytes, None]:
        """The chunks of the body, once. ClientDisconnect."""
        ...


class CallHeaders(Headers):
    """Starlette's headers, where one that is missing, as most are, is found missing without a look at the others."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        super().__init__(raw=list(raw))
        self._names = {name for name, _ in raw}

    def __contains__(self, key: Any) -> bool:
        return key.lower().encode("latin-1") in self._names

    def __getitem__(self, key: str) -> str:
        if key not in self:
            raise KeyError(key)
        return super().__getitem__(key)

    def getlist(self, key: str) -> list[str]:
        """See Starlette."""
        return super().getlist(key) if key in self else []


class Call:
    """One request that calls a function."""

    __slots__ = ("_receive", "_whole", "headers", "method", "path")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.headers: Headers = CallHeaders(scope["headers"])
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._receive = receive
        self._whole = False

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """See `Incoming`; what was read is not given again."""
        while not self._whole:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self._whole = not message.get("more_body", False)
            yield message.get("body", b"")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; TimeoutError when it takes longer.

    A body has come with its head as a rule: what need not be waited for takes no timer, which would cost more than to
    read it.
    """
    try:
        wait = work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    async with asyncio.timeout(seconds):
        return await _go_on(work, wait)


@types.coroutine
def _go_on(work: Coroutine[Any, Any, T], wait: Any) -> Generator[Any, None, T]:
    """Await a coroutine that has run up to its first wait."""
    while True:
        thrown: BaseException | None = None
        try:
            yield wait
        except BaseException as error:
            thrown = error
        try:
            wait = work.send(None) if thrown is None else work.throw(thrown)
        except StopIteration as done:
            value: T = done.value
            return value
