"""Whether the writer's thread is of use to large groups: only where the loop works while they are committed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created
from obelisk.runtime.ports.store import Create
from obelisk.runtime.store.sqlite import schema as sqlite_schema
from obelisk.runtime.store.sqlite.overlap import LOOK_EVERY, Overlap
from obelisk.runtime.store.sqlite.writer import Writer

pytestmark = pytest.mark.anyio


class Loop:
    """A loop that works for `busy` of the time that passes."""

    def __init__(self, busy: float) -> None:
        self.busy, self.now_s, self.taken_s = busy, 0.0, 0.0
        self.overlap = Overlap(lambda: self.now_s, lambda: self.taken_s)

    def commit(self) -> bool:
        """One commit of a large group; whether it ran on the thread."""
        is_handed_over = self.overlap.is_of_use()
        if is_handed_over:
            self.overlap.begin()
        self.now_s += 0.001
        self.taken_s += 0.001 * self.busy
        self.overlap.end()
        return is_handed_over

    def commits(self, count: int) -> int:
        """So many; how many ran on the thread."""
        return sum(self.commit() for _ in range(count))


def test_a_loop_that_works_has_its_large_groups_committed_elsewhere() -> None:
    assert Loop(busy=0.9).commits(100) == 100


def test_a_loop_without_work_commits_by_itself_and_looks_now_and_then() -> None:
    loop = Loop(busy=0.02)
    assert 0 < loop.commits(10) < 10
    assert loop.commits(10 * LOOK_EVERY) == 10


def test_work_that_comes_back_is_noticed() -> None:
    loop = Loop(busy=0.0)
    loop.commits(100)
    loop.busy = 1.0
    loop.commits(10 * LOOK_EVERY)
    assert loop.commits(20) == 20


class Idle(Overlap):
    """As of a loop that never has anything to do. `handed_over`: how often a commit went to the thread."""

    def __init__(self) -> None:
        super().__init__()
        self.handed_over = 0

    def is_of_use(self) -> bool:
        return False

    def begin(self) -> None:
        self.handed_over += 1


@pytest.mark.parametrize(("inline_group", "handed_over"), [(8, 0), (0, 1)])
async def test_a_large_group_stays_on_a_loop_without_work_unless_none_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inline_group: int, handed_over: int
) -> None:
    path = tmp_path / "store.db"
    writer = Writer(path, sqlite_schema.open_writer(path, 1), busy_timeout_s=1, inline_group=inline_group)
    idle = Idle()
    monkeypatch.setattr(writer, "_overlap", idle)
    for number in range(20):
        created = Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[]"), scheduled_at_us=1)
        execution_id = f"E_01J{number:023}"
        create = Create(execution_id=execution_id, created=created, locked=None, state=fold.start(created), at_us=1)
        writer.push([create], lambda _: None)
    await writer.drain()
    await writer.close()
    assert idle.handed_over == handed_over
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from execution").fetchone() == (20,)
    connection.close()
