"""The clock and the dice of a workflow, over a run that is played by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import msgspec
import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import ExecutionState, PendingAt
from obelisk.runtime.ports.guest import PENDING, GuestTrap, JsonValue, Pending
from obelisk.runtime.ports.store import Stored
from obelisk.runtime.replay.commands import Answer, Command, Sleep
from obelisk.runtime.workers import recorded
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.recorded import RecordedClock, RecordedRandomness

START_US = 1_700_000_000_000_000
CREATED = log.Created(ffqn="a:b/c.d", params=msgspec.Raw(b"[1]"), scheduled_at_us=START_US)


@dataclass
class Place:
    position: int = 0

    @property
    def facts(self) -> Place:
        return self


@dataclass
class Played:
    """What clock and dice need of a run."""

    stored: Stored
    machine: Place = field(default_factory=Place)
    last_us: int = 0
    seeds: list[JsonValue] = field(default_factory=list[JsonValue])
    asked: list[Sleep] = field(default_factory=list[Sleep])
    over: Callable[[Answer], JsonValue] | None = None

    @property
    def context(self) -> Played:
        return self

    def bits(self, count: int) -> int:
        return (1 << count) - 3

    def record(self, request: JsonValue, proposed: JsonValue) -> JsonValue:
        assert request == "wasi-random-seed"
        self.seeds.append(proposed)
        return self.seeds[0]

    def ask(self, command: Command, convert: Callable[[Answer], JsonValue]) -> JsonValue | Pending:
        assert isinstance(command, Sleep)
        self.asked.append(command)
        self.over = convert
        return PENDING


def played(*history: int, created: log.Created = CREATED) -> Played:
    """A run with history events at these microseconds after the start, among others that are none."""
    persist = log.Persist(request=msgspec.Raw(b"1"), value=msgspec.Raw(b"2"))
    unlocked = log.Unlocked(reason="", pending_at_us=0)
    events: list[log.Event] = [created]
    times = [START_US + 5]
    for at_us in history:
        events += [unlocked, persist]
        times += [START_US + 10**9, START_US + at_us]
    state = ExecutionState(ffqn=created.ffqn, parent=None, status=PendingAt(START_US), version=len(events), attempts=0)
    return Played(Stored(execution_id="E_1", state=state, events=tuple(events), responses=(), times=tuple(times)))


def clock_of(run: Played) -> RecordedClock:
    return RecordedClock(cast("HostCalls", run))


def dice_of(run: Played) -> RecordedRandomness:
    return RecordedRandomness(cast("HostCalls", run))


def test_the_clock_shows_the_newest_history_that_was_asked_for() -> None:
    run = played(100, 300)
    clock = clock_of(run)
    shown: list[int] = []
    for run.machine.facts.position in (0, 1, 2):
        shown.append(clock.monotonic_ns())
        assert clock.wall_ns() == START_US * 1000 + shown[-1]
    run.last_us = START_US + 700
    assert [*shown, clock.monotonic_ns()] == [0, 100_000, 300_000, 700_000]
    assert {clock.monotonic_ns() for _ in range(1000)} == {700_000}


def test_it_never_goes_back() -> None:
    run = played(300, 100, -50)
    clock = clock_of(run)
    for run.machine.facts.position in (1, 2, 3):
        assert clock.monotonic_ns() == 300_000
    run.last_us = START_US + 200
    assert clock.monotonic_ns() == 300_000


def test_a_sleep_is_durable_and_ends_at_its_end() -> None:
    run = played()
    clock = clock_of(run)
    assert clock.sleep_until(1_000_001, lambda: "awake") is PENDING
    (asked,) = run.asked
    assert asked.expires_at_us == START_US + 1_001, "a part of a microsecond is slept whole"
    assert msgspec.json.decode(asked.schedule) == {"at": {"seconds": 1_700_000_000, "nanoseconds": 1_001_000}}
    assert clock.monotonic_ns() == 0
    assert run.over is not None
    assert run.over(None) == "awake"
    assert clock.monotonic_ns() == 1_001_000
    run = played()
    clock = clock_of(run)
    clock.sleep_until((1 << 64) - 1, lambda: None)
    assert run.over is not None
    run.over(None)
    assert clock.monotonic_ns() == (1 << 64) - 1, "no more than a guest's u64 can say"
    run = played(created=log.Created(ffqn="a:b/c.d", params=CREATED.params, scheduled_at_us=253_402_000_000_000_000))
    clock_of(run).sleep_until((1 << 64) - 1, lambda: None)
    assert run.asked[0].expires_at_us == 253_402_300_799_999_999, "the end of the year 9999"


def test_who_waits_for_it_to_move_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "MAX_LOOKS", 10)
    run = played()
    clock = clock_of(run)
    for run.last_us in (START_US + 1, START_US + 2):
        for _ in range(11):
            clock.wall_ns()
    with pytest.raises(GuestTrap, match="between recorded events: sleep"):
        clock.wall_ns()


def test_numbers_come_from_one_recorded_seed() -> None:
    run = played()
    first = [dice_of(run).random_bytes(8), dice_of(run).random_bytes(8)]
    assert first[0] == first[1], "every run begins with the recorded seed"
    assert run.seeds[0] == "f" * 63 + "d"
    dice = dice_of(run)
    again = [dice.random_bytes(count) for count in (8, 8, 0, 40)]
    assert (again[0], len(set(again)), len(run.seeds)) == (first[0], 4, 3)
    other = played()
    other.seeds.append("0" * 64)
    assert dice_of(other).random_bytes(8) != first[0]


def test_what_may_be_foreseen_leaves_no_event() -> None:
    run = played()
    dice = dice_of(run)
    values = [dice.insecure_bytes(16), dice.insecure_bytes(16)]
    assert values[0] != values[1]
    again = dice_of(played())
    assert [again.insecure_bytes(16), again.insecure_bytes(16)] == values
    changed = log.Created(ffqn=CREATED.ffqn, params=msgspec.Raw(b"[2]"), scheduled_at_us=START_US)
    assert dice_of(played(created=changed)).insecure_bytes(16) != values[0]
    assert run.seeds == []
