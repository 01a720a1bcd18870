"""How long an execution waits until it is read again: longer each time that failed, not because others wrote to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from obelisk.runtime.errors import Conflict, ObeliskError
from obelisk.runtime.executor.reloading import FIRST_S, Reloading
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, Locked
from obelisk.runtime.ports.store import Stored

CREATED = Created(ffqn="a:b/c.d", params=cast("Any", b"[]"), scheduled_at_us=0)
LOCKED = Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
STORED = Stored(execution_id="E_1", events=(CREATED, LOCKED), responses=(), state=fold.start(CREATED, LOCKED))


class Around:
    """What `Reloading` is given: a store with one execution, that takes writes."""

    trouble = False

    def __init__(self) -> None:
        self.work: list[Coroutine[Any, Any, None]] = []
        self.adopted = 0

    async def load(self, execution_id: str) -> Stored:
        assert execution_id == "E_1"
        return STORED

    async def look(self, _: str) -> None:
        pass

    def add(self, _: str) -> None:
        pass

    def now_us(self) -> int:
        return 0

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.work.append(work)

    def adopt(self, _: Stored) -> None:
        self.adopted += 1


@pytest.mark.parametrize(("refused", "grows"), [(None, False), (Conflict("another was first"), True)])
def test_only_what_was_refused_waits_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, refused: ObeliskError | None, grows: bool
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    context = Around()
    this = cast("Any", context)
    read = Reloading(this, this, this, context.spawn, context.adopt, this, this)
    for _ in range(4):
        read.read("E_1", LOCKED, refused)
        asyncio.run(cast("Any", context.work.pop()))
    assert context.adopted == 4
    assert slept == ([FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S] if grows else [FIRST_S] * 4)
