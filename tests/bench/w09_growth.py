"""W9: what a durable call costs with 10³, 10⁵ and 10⁶ executions stored: 500 calls in series on each, in turn."""

from __future__ import annotations

from typing import Final

import growing
from figures import Arm, Figures, Target, Workload
from stage import Stage

UNIT: Final = "µs per call"
CALLS: Final = 500
FEW, MORE, MANY = "10³ stored", "10⁵ stored", "10⁶ stored"


def _arm(executions: int) -> Arm:
    def measure(stage: Stage) -> Figures:
        stored = 100_000 if stage.quick and executions > 100_000 else executions
        side = stage.obelisk(f"stored-{stored}", database=str(growing.database(stage, stored)))
        done = side.do("run", ffqn="demo:fibo/workflow.fiboa", params=[10, CALLS], count=1, expect={"ok": 55})
        return {UNIT: done["seconds"] / CALLS * 1e6}

    return measure


WORKLOAD: Final = Workload(
    name="W9",
    work="500 calls in series on a large database",
    arms={FEW: _arm(1_000), MORE: _arm(100_000), MANY: _arm(1_000_000)},
    targets=(
        Target(
            text="10⁶ stored ≤ 1.3 × 10³ stored",
            of=lambda figures: figures[MANY][UNIT] / figures[FEW][UNIT],
            at_most=1.3,
        ),
    ),
)
