"""The seams of the memory store that the simulator uses: the commit gate and the database that outlives a store."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from obelisk.runtime.errors import ObeliskError, StoreError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Create
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.store import MemoryStore, Proceed

pytestmark = pytest.mark.anyio


def create(number: int) -> Create:
    created = Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[]"), scheduled_at_us=1)
    state = fold.start(created)
    return Create(execution_id=f"E_01J{number:023}", created=created, locked=None, state=state, at_us=1)


class Gate:
    """Holds every group until the test lets it go."""

    def __init__(self) -> None:
        self.held: list[Proceed] = []

    def __call__(self, proceed: Proceed) -> None:
        self.held.append(proceed)


def put(store: MemoryStore, number: int) -> list[ObeliskError | None]:
    told: list[ObeliskError | None] = []
    store.enqueue((create(number),), told.append)
    return told


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_slow_commit_holds_back_the_group_and_all_after_it() -> None:
    gate = Gate()
    store = MemoryStore(commit_gate=gate)
    one, two = put(store, 1), put(store, 2)
    await turns()
    three = put(store, 3)
    await turns()
    assert (one, two, three, len(gate.held)) == ([], [], [], 1)
    assert store.database.executions == {}
    gate.held[0](None)
    await turns()
    assert (one, two, three, len(gate.held)) == ([None], [None], [], 2)
    assert await store.load(create(2).execution_id) is not None
    gate.held[1](None)
    assert three == [None]


async def test_a_failing_commit_fails_the_group_whole() -> None:
    gate, full = Gate(), StoreError("full", reason="full")
    store = MemoryStore(commit_gate=gate)
    claim = asyncio.ensure_future(store.claim(Claim(executor="x", digests={}, limit=1, now_us=1, runs=("r",))))
    await asyncio.sleep(0)
    one = put(store, 1)
    await turns()
    gate.held[0](full)
    assert one == [full]
    with pytest.raises(StoreError):
        await claim
    assert store.database.executions == {}
    again = put(store, 1)
    await turns()
    gate.held[1](None)
    assert again == [None]


async def test_a_gate_proceeds_once() -> None:
    gate = Gate()
    store = MemoryStore(commit_gate=gate)
    put(store, 1)
    await turns()
    gate.held[0](None)
    with pytest.raises(AssertionError):
        gate.held[0](None)


async def test_a_crash_loses_what_was_not_committed_and_nothing_else() -> None:
    database, gate = MemoryDatabase(), Gate()
    first = MemoryStore(database)
    put(first, 1)
    await first.close()
    crashed = MemoryStore(database, commit_gate=gate)
    lost = put(crashed, 2)
    await turns()
    after = MemoryStore(database)
    assert put(after, 2) is not lost
    await after.close()
    assert lost == []
    assert list(database.executions) == [create(1).execution_id, create(2).execution_id]


async def test_closing_waits_for_the_gate() -> None:
    gate = Gate()
    store = MemoryStore(commit_gate=gate)
    told = put(store, 1)
    closing = asyncio.ensure_future(store.close())
    await turns()
    assert not closing.done()
    gate.held[0](None)
    await closing
    assert told == [None]
