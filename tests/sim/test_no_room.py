"""A disk that is full for a while, and else a kind world: nothing is done twice, and the store is left in peace."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from auditor import audit
from obelisk.runtime.log.events import Finished, TemporarilyFailed, TemporarilyTimedOut
from obelisk.runtime.store.memory.store import MemoryStore
from sim_faults import Faults
from sim_store import FaultyStore
from sim_time import START_US
from sim_world import World, simulate

ENDS = Finished | TemporarilyFailed | TemporarilyTimedOut
FULL_AT_S = 1.5
LEASE_S = 3


def filled(seed: int, *, processes: int, seconds: float) -> World:
    """A world with room but for so many seconds, audited."""
    faults = Faults(
        slow_commit=0,
        stalled_commit=0,
        failing_commit=0,
        dying_commit=0,
        lost_claim=0,
        duplicate_claim=0,
        crash_every_s=0,
        crashing_turn=0,
        meddle_every_s=0,
        jump_every_s=0,
        damage_every_s=0,
        processes=processes,
        labelled=1,
        lost_exchange=0,
        silent_worker=0,
        dying_worker=0,
        cut_network=0,
        leaving_worker=0,
        typed_worker=0,
        skewed_worker=0,
        full_at_s=FULL_AT_S,
        full_for_s=seconds,
    )
    world = simulate(seed, faults=faults)
    assert audit(world) == []
    return world


def written_s(world: World) -> list[float]:
    """When something was written, in seconds of the world."""
    everything = world.database.everything().values()
    return sorted((e.at_us - START_US) / 1e6 for execution in everything for e in execution.events)


def noting(call: Callable[..., Awaitable[Any]], called_s: list[float]) -> Callable[..., Awaitable[Any]]:
    """The same, but it notes when it is called."""

    async def noted(*args: Any, **kwargs: Any) -> Any:
        called_s.append(asyncio.get_running_loop().time())
        return await call(*args, **kwargs)

    return noted


@pytest.mark.parametrize(("processes", "seconds"), [(1, 4), (2, 2 * LEASE_S), (3, 5 * LEASE_S)])
def test_no_activity_runs_twice(processes: int, seconds: float) -> None:
    """What ended while nothing could be written is recorded later, not done again, though all leases have run out."""
    recorded_late = 0
    for seed in range(8):
        world = filled(seed, processes=processes, seconds=seconds)
        assert len(world.processes) == len(world.database.labels), "a process has lost its lease"
        ends = Counter(e.execution_id for e in world.database.order if isinstance(e.event, ENDS))
        began = Counter(attempt.execution_id for attempt in world.attempts)
        assert [e for e in began if began[e] > ends[e]] == []
        recorded_late += sum(
            e.at_us - START_US > (FULL_AT_S + seconds) * 1e6
            for execution in world.database.everything().values()
            for e in execution.events
            if isinstance(e.event, ENDS)
        )
    assert recorded_late > 0


def test_it_is_tried_less_and_less_and_goes_on_once_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    tried_s: list[float] = []
    for name in ("renew_lease", "claim", "release", "prune"):
        monkeypatch.setattr(FaultyStore, name, noting(getattr(FaultyStore, name), tried_s))
    world = filled(5, processes=1, seconds=100)
    tries = [at_s for at_s in tried_s if FULL_AT_S + 10 < at_s < FULL_AT_S + 100]
    assert 90 / 5 - 1 <= len(tries) <= 90 / 5 + 1
    assert min(later - one for one, later in itertools.pairwise(tries)) > 4.5
    first = next(at_s for at_s in written_s(world) if at_s >= FULL_AT_S + 100)
    assert first < FULL_AT_S + 100 + 0.3


def test_room_that_nobody_can_see_is_found_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaultyStore, "room", MemoryStore.room)
    world = filled(5, processes=1, seconds=100)
    first = next(at_s for at_s in written_s(world) if at_s >= FULL_AT_S + 100)
    assert first < FULL_AT_S + 100 + 5.1
