"""Is the auditor awake? Deliberate bugs in the runtime, each of which some seed must bring to light.

The tests are in several files: tests of one file share a processor. Each takes a part of the bugs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from auditor import audit
from obelisk.runtime.catalog import eligibility
from obelisk.runtime.catalog.eligibility import Eligible
from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.executor import endings, serving
from obelisk.runtime.executor.delays import Delays
from obelisk.runtime.executor.executor import Executor
from obelisk.runtime.executor.overdue import Overdue
from obelisk.runtime.executor.places import Places
from obelisk.runtime.executor.taken import Taken
from obelisk.runtime.executor.watchers import Watchers
from obelisk.runtime.log.state import ExecutionState, PendingAt
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import AddDelay, Append, Store, Transaction
from obelisk.runtime.replay.commands import Command, Record, Replayed, Step
from obelisk.runtime.replay.facts import Facts
from obelisk.runtime.replay.machine import Machine
from obelisk.runtime.store.memory import store as memory
from obelisk.runtime.store.memory.database import MemoryDatabase
from obelisk.runtime.store.memory.store import MemoryStore
from obelisk.runtime.usecases import admission, api
from obelisk.runtime.workers import pending_writes
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.pending_writes import PendingWrites
from sim_faults import Faults
from sim_world import simulate

SEEDS = 100
PARTS = 5
Patch = pytest.MonkeyPatch


def nothing(*_: object) -> None:
    """Does nothing."""


def none(*_: object) -> tuple[str, ...]:
    """Finds nothing."""
    return ()


def no_children(*_: object) -> dict[str, str]:
    """Finds no children."""
    return {}


def never(*_: object) -> bool:
    return False


def zero(*_: object) -> int:
    """Does nothing, and says so."""
    return 0


class Silent:
    """Stands for `ids` where nobody has a parent."""

    @staticmethod
    def join_set_of(_: str) -> str | None:
        """None, whatever it is."""
        return None


def speculation_without_its_ground(patch: Patch) -> None:
    """Progress does not depend on the uncommitted responses it was built on."""
    patch.setattr(PendingWrites, "require", nothing)


def a_fence_of_versions_alone(patch: Patch) -> None:
    """A run that lost its lock may append where the version happens to fit."""

    def append(**fields: Any) -> Append:
        return replace(Append(**fields), run=None)

    patch.setattr(pending_writes, "Append", append)


def cancelled_parents_do_not_wait(patch: Patch) -> None:
    """A cancelled execution ends while its children run."""

    async def open_children(*_: object) -> tuple[()]:
        return ()

    patch.setattr(MemoryStore, "open_children", open_children)


def dead_guests_do_not_wait(patch: Patch) -> None:
    """A workflow that trapped ends while its children run: none are known."""
    patch.setattr(Facts, "submitted", no_children)


def closing_forgets_the_delays(patch: Patch) -> None:
    """Delays of a closed join set stay."""
    patch.setattr(Facts, "open_delays", none)


def failing_forgets_the_delays(patch: Patch) -> None:
    """Delays of a failed execution stay."""

    def give_up(added: PendingWrites) -> None:
        added.require(added.machine.facts.submitted())

    patch.setattr(PendingWrites, "give_up", give_up)


def cancelled_children_do_not_answer(patch: Patch) -> None:
    """The parent of a cancelled execution hears nothing."""
    patch.setattr(endings, "ids", Silent)


def a_lost_wake_up(patch: Patch) -> None:
    """A workflow is unloaded although an answer came that it has not seen."""
    patch.setattr(PendingWrites, "seen_on_record", 1_000_000)


def randomness_is_drawn_again(patch: Patch) -> None:
    """A replay does not get the recorded values."""
    right = Machine.step

    def step(machine: Machine, command: Command) -> Step:
        found = right(machine, command)
        drawn = isinstance(command, Record) and isinstance(found, Replayed)
        return Replayed(command.proposed) if isinstance(command, Record) and drawn else found

    patch.setattr(Machine, "step", step)


def answers_before_the_commit(patch: Patch) -> None:
    """A client hears of an execution, and the executor runs it, before it is on record."""

    async def commit(store: Store, transaction: Transaction) -> None:
        store.enqueue(transaction, nothing)

    patch.setattr(api, "commit", commit)


def effects_do_not_wait_for_the_commit(patch: Patch) -> None:
    """What is begun early has effects at once."""
    patch.setattr(ActivityAttempt, "covered", property(lambda _: True, nothing), raising=False)


def dead_executors_keep_their_locks(patch: Patch) -> None:
    """Nobody unlocks what a crashed process held."""
    patch.setattr(MemoryDatabase, "release", zero)


def delays_end_at_once(patch: Patch) -> None:
    """A sleep does not last."""

    def time(delays: Delays, delay: AddDelay) -> None:
        delays.expire(delay.execution_id, delay.join_set, delay.delay)

    patch.setattr(Delays, "time", time)


def limits_are_not_counted(patch: Patch) -> None:
    """A claim does not look how many are locked under a limit."""
    patch.setattr(MemoryDatabase, "_locked_within", zero)


def labels_do_not_matter(patch: Patch) -> None:
    """Every executor runs every component."""
    patch.setattr(eligibility, "_lacking", none)


def lost_claims_stay_lost(patch: Patch) -> None:
    """Nobody runs what was claimed when the answer was lost."""

    async def find_lost(_: Watchers) -> None:
        return

    patch.setattr(Watchers, "_find_lost", find_lost)


def limited_children_are_locked_at_once(patch: Patch) -> None:
    """What is under a limit may be locked by whoever creates it."""
    right = eligibility.eligible

    def eligible(registry: Registry, labels: frozenset[str], prepared: dict[str, Prepared]) -> Eligible:
        found = right(registry, labels, prepared)
        return dataclasses.replace(found, at_once=frozenset(prepared))

    patch.setattr(serving, "eligible", eligible)


def evictions_are_not_told(patch: Patch) -> None:
    """The parent of an evicted execution hears nothing."""
    patch.setattr(admission, "ids", Silent)


def begun_executions_are_evicted(patch: Patch) -> None:
    """Whatever waits may be evicted, though it has run before."""

    def is_pending(state: ExecutionState) -> bool:
        return isinstance(state.status, PendingAt)

    patch.setattr(memory, "is_unbegun", is_pending)
    patch.setattr(admission, "is_unbegun", is_pending)


def who_lost_a_claim_runs_on(patch: Patch) -> None:
    """A run whose lock another executor has keeps its place."""
    patch.setattr(Executor, "runs_here", no_children)


def what_cannot_be_read_is_not_set_aside(patch: Patch) -> None:
    """Damage to a log is an error of whoever comes upon it."""

    async def begin(watchers: Watchers, execution_id: str) -> None:
        stored = await watchers._store.load(execution_id)  # pyright: ignore[reportPrivateUsage]
        if stored is not None:
            watchers._executor.adopt(stored)  # pyright: ignore[reportPrivateUsage]

    patch.setattr(Watchers, "_begin", begin)


def places_stay_taken_when_the_lease_is_lost(patch: Patch) -> None:
    """An executor that joins anew keeps places for what it has dropped."""
    patch.setattr(Places, "clear", nothing)


def time_stands_still_without_a_run(patch: Patch) -> None:
    """What is paused or waits for an executor never times out."""

    async def poll(_: Overdue) -> None:
        return

    patch.setattr(Overdue, "poll", poll)


def what_exists_is_scheduled_for_ever(patch: Patch) -> None:
    """A workflow that schedules an execution which exists is refused and begun again without end."""
    patch.setattr(Taken, "has", never)


def who_finds_no_room_is_forgotten(patch: Patch) -> None:
    """A workflow whose guest does not fit into the process is neither started later nor unloaded."""
    patch.setattr(Executor, "_crowded_out", nothing)


BUGS = (
    speculation_without_its_ground,
    a_fence_of_versions_alone,
    cancelled_parents_do_not_wait,
    dead_guests_do_not_wait,
    closing_forgets_the_delays,
    failing_forgets_the_delays,
    cancelled_children_do_not_answer,
    a_lost_wake_up,
    randomness_is_drawn_again,
    answers_before_the_commit,
    effects_do_not_wait_for_the_commit,
    dead_executors_keep_their_locks,
    delays_end_at_once,
    limits_are_not_counted,
    labels_do_not_matter,
    lost_claims_stay_lost,
    limited_children_are_locked_at_once,
    evictions_are_not_told,
    begun_executions_are_evicted,
    who_lost_a_claim_runs_on,
    what_cannot_be_read_is_not_set_aside,
    places_stay_taken_when_the_lease_is_lost,
    time_stands_still_without_a_run,
    what_exists_is_scheduled_for_ever,
    who_finds_no_room_is_forgotten,
)
MORE_OF_ITS_FAULT: dict[Callable[[Patch], None], Faults] = {
    speculation_without_its_ground: Faults(
        slow_commit=0.6, hot_workflows=100, meddle_every_s=0.2, crash_every_s=10, crashing_turn=0
    ),
    who_lost_a_claim_runs_on: Faults(duplicate_claim=0.5, hot_workflows=100),
    begun_executions_are_evicted: Faults(deployments=(), slow_commit=0.6, hot_workflows=100),
}
"""For what too few seeds would bring to light."""


def part(number: int) -> list[Callable[[Patch], None]]:
    """The bugs of one of `PARTS` files."""
    return list(BUGS[number::PARTS])


def must_be_found(bug: Callable[[Patch], None], patch: Patch) -> None:
    """Some seed shows the bug."""
    bug(patch)
    faults = MORE_OF_ITS_FAULT.get(bug, Faults())
    assert any(is_caught(seed, faults) for seed in range(SEEDS)), bug.__doc__


def is_caught(seed: int, faults: Faults) -> bool:
    """Whether the world breaks a law, or breaks down."""
    try:
        return bool(audit(simulate(seed, faults=faults, patience_s=300)))
    except Exception:
        return True
