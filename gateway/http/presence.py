"""Work for a client that may leave: then it is cancelled, for nothing is kept waiting for a client that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.types import Receive

T = TypeVar("T")
LOOK_AFTER_S: Final = 0.05
"""So long an answer may take before its client is looked for: most are there sooner, and to look costs more than all
else that an exchange takes of the loop."""


async def while_present(work: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """What `work` returns; None when the client, whose request was read whole, left before."""
    watch = _Watch(receive)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.has_cancelled_alone():
            raise
        return None
    finally:
        watch.end()


class _Watch:
    """Cancels the task in which it is made once the client has left."""

    def __init__(self, receive: Receive) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._receive, self._working = receive, task
        self._timer = asyncio.get_running_loop().call_later(LOOK_AFTER_S, self._begin)
        self._looking: asyncio.Task[None] | None = None
        self._has_cancelled = False

    def _begin(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._has_cancelled = True
        self._working.cancel()

    def has_cancelled_alone(self) -> bool:
        """Whether it has cancelled the task, and none else wants that."""
        return self._has_cancelled and not self._working.uncancel()

    def end(self) -> None:
        """Look no more."""
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
