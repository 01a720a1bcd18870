"""W7: replay of a log of 10,000 events: read from the store, and gone through by the guest and the replay machine."""

from __future__ import annotations

from typing import Final

from figures import OBELISK, Figures, Target, Workload
from stage import Stage

UNIT: Final = "events/s"
CALLS: Final = 5_000
"""Each call leaves two events in its workflow's log."""


def _obelisk(stage: Stage) -> Figures:
    done = stage.obelisk().do("replay", calls=CALLS)
    return {UNIT: done["events"] / done["seconds"]}


WORKLOAD: Final = Workload(
    name="W7",
    work="replay of 10,000 events",
    arms={OBELISK: _obelisk},
    targets=(Target(text="≥ 20,000 events/s", of=lambda figures: figures[OBELISK][UNIT], at_least=20_000),),
)
