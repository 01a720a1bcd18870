"""W3: one workflow that calls 500 child workflows one after another; each only answers.

A child is an execution with a log of its own everywhere: a workflow component on Obelisk, `@DBOS.workflow` called from
another on DBOS, `ctx.service_call` on Restate.
"""

from __future__ import annotations

from typing import Final

from figures import DBOS, OBELISK, RESTATE, Figures, Round, Target, Workload
from stage import Stage
from w01_series import SIZE, obelisk

UNIT: Final = "children/s"
SERIES: Final = "Obelisk, W1"


def _obelisk(stage: Stage) -> Figures:
    params: list[object] = [55, SIZE]
    done = stage.obelisk().do("run", ffqn="bench:guests/parent.series", params=params, count=1, expect=55)
    return {UNIT: SIZE / done["seconds"]}


def _dbos(stage: Stage) -> Figures:
    return {UNIT: SIZE / stage.dbos().do("children", calls=SIZE)["seconds"]}


def _restate(stage: Stage) -> Figures:
    return {UNIT: SIZE / stage.restate().do("children", calls=SIZE)["seconds"]}


def _of_series(figures: Round) -> float:
    return figures[OBELISK][UNIT] / figures[SERIES]["calls/s"]


WORKLOAD: Final = Workload(
    name="W3",
    work=f"{SIZE} child workflows in series",
    arms={OBELISK: _obelisk, SERIES: obelisk(1, SIZE), DBOS: _dbos, RESTATE: _restate},
    targets=(Target(text="≥ 0.5 × W1", of=_of_series, at_least=0.5),),
)
