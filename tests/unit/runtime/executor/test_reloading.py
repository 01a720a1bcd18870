"""How long an execution waits until it is read again: longer each time that failed, not because others wrote to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.executor.reloading import FIRST_S, Reloading
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, Locked, Outdated, Paused
from obelisk.runtime.ports.store import Committed, Stored

CREATED = Created(ffqn="a:b/c.d", params=cast("Any", b"[]"), scheduled_at_us=0)
LOCKED = Locked(executor="Exr_1", run="Run_1", digest="sha256:1")
STORED = Stored(execution_id="E_1", events=(CREATED, LOCKED), responses=(), state=fold.start(CREATED, LOCKED))

PAUSED = Paused(reason="outdated", cause=Outdated(digest="sha256:1", before="sha256:0"))


class Around:
    """What `Reloading` is given: a store with one execution, that takes writes."""

    trouble = False

    def __init__(self) -> None:
        self.work: list[Coroutine[Any, Any, None]] = []
        self.adopted = 0
        self.writes = 0
        self.stored = STORED
        self.answers: list[ObeliskError | None] = []
        self.pauses: list[tuple[str, Paused]] = []

    async def load(self, execution_id: str) -> Stored:
        assert execution_id == "E_1"
        return self.stored

    def enqueue(self, _: object, committed: Committed) -> None:
        self.writes += 1
        committed(self.answers.pop(0))

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

    def failed(self, _: StoreError) -> None:
        pass

    def paused(self, ffqn: str, event: Paused) -> None:
        self.pauses.append((ffqn, event))


def reloading(around: Around) -> Reloading:
    this = cast("Any", around)
    return Reloading(this, this, this, around.spawn, around.adopt, this, this, around.paused)


@pytest.mark.parametrize(("refused", "grows"), [(None, False), (Conflict("another was first"), True)])
def test_only_what_was_refused_waits_longer_each_time(
    monkeypatch: pytest.MonkeyPatch, refused: ObeliskError | None, grows: bool
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    context = Around()
    read = reloading(context)
    for _ in range(4):
        read.read("E_1", LOCKED, refused)
        asyncio.run(cast("Any", context.work.pop()))
    assert context.adopted == 4
    assert slept == ([FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S] if grows else [FIRST_S] * 4)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause lasts."""

    async def sleep(_: float) -> None:
        pass

    monkeypatch.setattr(asyncio, "sleep", sleep)


@pytest.mark.usefixtures("hurried")
def test_a_pause_whose_answer_was_lost_is_told_when_its_log_is_read() -> None:
    around = Around()
    events = (CREATED, LOCKED, PAUSED)
    around.stored = Stored(execution_id="E_1", events=events, responses=(), state=fold.fold(events))
    reloading(around).read("E_1", LOCKED, StoreError("the answer was lost"))
    asyncio.run(cast("Any", around.work.pop()))
    assert around.adopted == 0
    assert around.pauses == [("a:b/c.d", PAUSED)]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "answers", [[None], [StoreError("full"), None], [StoreError("the answer was lost"), Conflict("it is paused")]]
)
def test_a_pause_is_told_once_it_is_on_record(answers: list[ObeliskError | None]) -> None:
    around = Around()
    around.answers = list(answers)
    reloading(around).pause("E_1", PAUSED, "a:b/c.d")
    assert len(around.pauses) == (len(answers) == 1)
    for work in around.work:
        asyncio.run(cast("Any", work))
    assert around.writes == len(answers)
    assert around.pauses == [("a:b/c.d", PAUSED)]


@pytest.mark.usefixtures("hurried")
def test_a_pause_that_only_people_end_is_not_told() -> None:
    around = Around()
    around.answers = [None]
    reloading(around).set_aside("E_1", "damaged")
    assert around.writes == 1
    assert around.pauses == []
