"""W6: 10,000 workflows asleep at once, then all woken at one instant; each then calls an activity and ends.

Once with all of them hot, in a new process: what one takes holds a share of all that a process allocates once. Once
with room for 500: the others are unloaded, and come back by replay. What one more takes there is measured beside 10,000
that sleep already, so that neither those 500 nor what has a fixed size (pages of the database, slots of guests) is
part of it.
"""

from __future__ import annotations

from typing import Final

from figures import Arm, Figures, Target, Workload
from stage import Stage

HOT, UNLOADED = "Obelisk, all hot", "Obelisk, 500 hot"
ROOM: Final = 500
OTHERS: Final = 10_000


def _arm(name: str, *, hot: int, others: int) -> Arm:
    def measure(stage: Stage) -> Figures:
        count, sleep_s = (2_000, 8.0) if stage.quick else (10_000, 30.0)
        side = stage.obelisk(name, hot=hot)
        try:
            done = side.do("sleepers", count=count, sleep_s=sleep_s, others=others)
        finally:
            stage.drop(name)  # what is measured is the growth of a new process
        return {"KB each": done["bytes"] / 1000, "s": done["seconds"]}

    return measure


WORKLOAD: Final = Workload(
    name="W6",
    work="10,000 workflows asleep, then all woken",
    arms={
        HOT: _arm("sleepers-hot", hot=12_000, others=0),
        UNLOADED: _arm("sleepers-unloaded", hot=ROOM, others=OTHERS),
    },
    targets=(
        Target(text="≤ 60 KB per hot one", of=lambda figures: figures[HOT]["KB each"], at_most=60),
        Target(text="all finished < 8 s after waking", of=lambda figures: figures[HOT]["s"], at_most=8),
        Target(text="< 1 KB per unloaded one", of=lambda figures: figures[UNLOADED]["KB each"], at_most=1),
    ),
    rounds=1,
)
