"""Families of executions: what is scheduled belongs to the family of its scheduler, and each has a bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import msgspec
import pytest

from obelisk.runtime.catalog.registry import Registry
from obelisk.runtime.catalog.settings import ComponentSettings
from obelisk.runtime.log import events as log
from obelisk.runtime.ports.claims import LANES
from obelisk.runtime.ports.guest import GuestTrap
from obelisk.runtime.ports.store import Create
from obelisk.runtime.replay.machine import Machine
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.families import Families
from obelisk.runtime.workers.history_bound import HistoryBound
from obelisk.runtime.workers.pending_writes import PendingWrites

ARGS = msgspec.Raw(b"[]")
BOUND = HistoryBound(ComponentSettings(), (), ())


@dataclass
class Around:
    """What additions ask of their surroundings."""

    registry: Registry = field(default_factory=Registry)
    families: Families = field(default_factory=lambda: Families(3))

    def now_us(self) -> int:
        return 7


def created_by(execution_id: str, first: log.Created, context: Around) -> list[Create]:
    """What a run of an execution creates that asks for a child and schedules an execution."""
    machine = Machine(execution_id, (), ())
    added = PendingWrites(execution_id, machine, cast("RunContext", context), set(), first, BOUND)
    child = log.JoinSetRequest(join_set="o:1", child=f"{execution_id}.o:1_1", ffqn="a:b/c.d", params=ARGS)
    later = log.Schedule(execution_id="E_later", ffqn="a:b/c.d", params=ARGS, schedule=ARGS, scheduled_at_us=9)
    added.history([child, later])
    return list(added.drop())


@pytest.mark.parametrize(
    ("execution_id", "family", "of_child", "of_scheduled"),
    [
        ("E_root", "", "", "E_root"),
        ("E_root.n:a_1", "", "", "E_root"),
        ("E_later", "E_root", "E_root", "E_root"),
        ("E_later.n:a_1.o:1_1", "E_root", "E_root", "E_root"),
    ],
)
def test_what_is_scheduled_belongs_to_the_family(
    execution_id: str, family: str, of_child: str, of_scheduled: str
) -> None:
    context = Around()
    first = log.Created(ffqn="a:b/c.d", params=ARGS, scheduled_at_us=0, family=family)
    child, later = created_by(execution_id, first, context)
    assert (child.created.family, later.created.family) == (of_child, of_scheduled)
    assert context.families.count("E_root") == 2


def test_large_families_wait_in_other_lanes() -> None:
    """An execution waits for at most so many of another family, in proportion to its own: those of its lane."""
    families, lanes = Families(100_000), list[int]()
    for _ in range(20_000):
        lanes.append(families.lane("E_a"))
        families.grows("E_a")
    assert [lanes.index(lane) for lane in range(LANES)] == [0, 64, 1024, 16_384]
    assert lanes == sorted(lanes)
    assert families.lane("E_b") == 0


def test_what_is_created_stands_in_the_lane_of_its_family() -> None:
    around = Around(families=Families(10_000))
    around.families.had("E_root", 63)
    first = log.Created(ffqn="a:b/c.d", params=ARGS, scheduled_at_us=0)
    child, scheduled = created_by("E_root", first, around)
    assert (child.lane, scheduled.lane) == (0, 1)


def test_a_family_that_is_full_gets_no_more() -> None:
    families = Families(3)
    for _ in range(3):
        families.require_room("E_a")
        families.grows("E_a")
    with pytest.raises(GuestTrap, match="family limit: E_a, its descendants and what these scheduled have asked for 3"):
        families.require_room("E_a")
    families.require_room("E_b")


def test_what_a_history_has_asked_for_counts_after_a_restart() -> None:
    families = Families(3)
    families.had("E_a", 3)
    families.had("E_a", 1)
    with pytest.raises(GuestTrap):
        families.require_room("E_a")


def test_the_families_that_grew_last_are_kept() -> None:
    families = Families(3, kept=2)
    for family in ("E_a", "E_b", "E_a", "E_c"):
        families.grows(family)
    assert [families.count(family) for family in ("E_a", "E_b", "E_c")] == [2, 0, 1]
