"""W10: guests in Python: starts of workflows that end at once, and W1 and W2 with a workflow in Python.

The activity that is called is the small one; `all in Python` starts a Python guest for every call of the activity too.
"""

from __future__ import annotations

from typing import Final

from figures import OBELISK, Arm, Figures, Round, Target, Workload
from stage import Stage
from w01_series import obelisk

SERIES, CONCURRENT = "Obelisk, 500 calls", "Obelisk, 20 × 50 calls"
SMALL, ALL = "Obelisk, W1", "Obelisk, 100 calls, all in Python"
STARTS: Final = "starts/s"
CALLS: Final = "calls/s"


def _arm(count: int, calls: int, function: str = "fiboa") -> Arm:
    def measure(stage: Stage) -> Figures:
        side = stage.obelisk("obelisk-python", python=True)
        params, expect = [10, calls], {"ok": 55 if calls else 0}
        done = side.do("run", ffqn=f"bench:python/workflow.{function}", params=params, count=count, expect=expect)
        return {CALLS: count * calls / done["seconds"]} if calls else {STARTS: count / done["seconds"]}

    return measure


def _of_series(figures: Round) -> float:
    return figures[SERIES][CALLS] / figures[SMALL][CALLS]


WORKLOAD: Final = Workload(
    name="W10",
    work="workflows in Python",
    arms={
        OBELISK: _arm(300, 0),
        SERIES: _arm(1, 500),
        SMALL: obelisk(1, 500),
        CONCURRENT: _arm(20, 50),
        ALL: _arm(1, 100, "fiboa-python"),
    },
    targets=(
        Target(text="≥ 300 starts/s", of=lambda figures: figures[OBELISK][STARTS], at_least=300),
        Target(text="≥ 0.5 × W1 once started", of=_of_series, at_least=0.5),
    ),
)
