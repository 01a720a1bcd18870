"""W9: what a durable call costs with 10³, 10⁵ and 10⁶ executions stored: 1,000 calls in series on each, in turn.

250 calls go before and do not count: the write-ahead log of a database that was just opened still grows.
"""

from __future__ import annotations

from typing import Final

import growing
from figures import Arm, Figures, Target, Workload
from stage import Side, Stage

UNIT: Final = "µs per call"
CALLS: Final = 1_000
BEFORE: Final = 250
FEW, MORE, MANY = "10³ stored", "10⁵ stored", "10⁶ stored"


def _arm(executions: int) -> Arm:
    def measure(stage: Stage) -> Figures:
        stored = 100_000 if stage.quick and executions > 100_000 else executions
        side = stage.obelisk(f"stored-{stored}", database=str(growing.database(stage, stored)))
        _, seconds = (_calls(side, calls) for calls in (BEFORE, CALLS))
        return {UNIT: seconds / CALLS * 1e6}

    return measure


def _calls(side: Side, calls: int) -> float:
    return side.do("run", ffqn="demo:fibo/workflow.fiboa", params=[10, calls], count=1, expect={"ok": 55})["seconds"]


WORKLOAD: Final = Workload(
    name="W9",
    work=f"{CALLS:,} calls in series on a large database",
    arms={FEW: _arm(1_000), MORE: _arm(100_000), MANY: _arm(1_000_000)},
    targets=(
        Target(
            text="10⁶ stored ≤ 1.3 × 10³ stored",
            of=lambda figures: figures[MANY][UNIT] / figures[FEW][UNIT],
            at_most=1.3,
        ),
    ),
)
