"""W5: fan-out and fan-in: one workflow submits 1,000 children to one join set, then takes all results.

The children are activities on Obelisk, workflows on DBOS (`start_workflow`), service calls on Restate (`gather`). DBOS
is given 200: 1,000 take minutes where the disk is slow.
"""

from __future__ import annotations

from typing import Final

from figures import DBOS, OBELISK, RESTATE, Figures, Target, Workload
from stage import Stage

UNIT: Final = "children/s"
CHILDREN: Final = 1_000
FEWER: Final = 200


def _obelisk(stage: Stage) -> Figures:
    ffqn, params = "demo:fibo/workflow.fiboa-concurrent", [10, CHILDREN]
    return {UNIT: CHILDREN / stage.obelisk().do("run", ffqn=ffqn, params=params, count=1, expect={"ok": 55})["seconds"]}


def _dbos(stage: Stage) -> Figures:
    return {UNIT: FEWER / stage.dbos().do("fan_out", children=FEWER)["seconds"]}


def _restate(stage: Stage) -> Figures:
    return {UNIT: CHILDREN / stage.restate().do("fan_out", children=CHILDREN)["seconds"]}


WORKLOAD: Final = Workload(
    name="W5",
    work=f"{CHILDREN:,} children in one join set",
    arms={OBELISK: _obelisk, DBOS: _dbos, RESTATE: _restate},
    targets=(Target(text="≥ 4,000 children/s", of=lambda figures: figures[OBELISK][UNIT], at_least=4_000),),
)
