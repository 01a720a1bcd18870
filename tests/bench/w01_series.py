"""W1: one workflow, 500 durable calls one after another: what one step costs after the other.

Activities that only compute begin before they are on record, so that many calls share a commit; "a commit per call" is
what it costs where each has to wait, as one does that makes a request.

A step is an activity's child execution on Obelisk, `@DBOS.step` on DBOS, `ctx.run` on Restate. All give 55.
"""

from __future__ import annotations

from typing import Final

import ceiling
from figures import CEILING_1, CEILING_128, DBOS, OBELISK, RESTATE, Arm, Figures, Target, Workload, ratio, times
from stage import Stage

UNIT: Final = "calls/s"
SIZE: Final = 500
IN_TURN: Final = "Obelisk, a commit per call"


def obelisk(count: int, calls: int, *, early: bool = True) -> Arm:
    """`count` workflows at once with `calls` calls each; `early` false: each call waits for the commit before it."""

    def measure(stage: Stage) -> Figures:
        params: list[object] = [10, calls]
        side = stage.obelisk() if early else stage.obelisk("obelisk-in-turn", early=False)
        done = side.do("run", ffqn="demo:fibo/workflow.fiboa", params=params, count=count, expect={"ok": 55})
        return {UNIT: count * calls / done["seconds"]}

    return measure


def dbos(count: int, calls: int) -> Arm:
    """The same on DBOS."""

    def measure(stage: Stage) -> Figures:
        return {UNIT: count * calls / stage.dbos().do("calls", count=count, calls=calls)["seconds"]}

    return measure


def restate(count: int, calls: int) -> Arm:
    """The same on Restate."""

    def measure(stage: Stage) -> Figures:
        return {UNIT: count * calls / stage.restate().do("calls", count=count, calls=calls)["seconds"]}

    return measure


def ceiling_of(calls_per_commit: int) -> Arm:
    """What SQLite allows."""

    def measure(stage: Stage) -> Figures:
        seconds = 0.3 if stage.quick else 1.0
        return {UNIT: ceiling.calls_per_second(stage.folder, calls_per_commit=calls_per_commit, seconds=seconds)}

    return measure


CEILINGS: Final = {CEILING_1: ceiling_of(1), CEILING_128: ceiling_of(128)}

WORKLOAD: Final = Workload(
    name="W1",
    work=f"{SIZE} durable calls in series",
    arms={
        CEILING_1: CEILINGS[CEILING_1],
        OBELISK: obelisk(1, SIZE),
        IN_TURN: obelisk(1, SIZE, early=False),
        DBOS: dbos(1, SIZE),
        RESTATE: restate(1, SIZE),
    },
    targets=(
        Target(text="≥ 0.55 × SQLite at one call per commit", of=ratio(UNIT, OBELISK, CEILING_1), at_least=0.55),
        times(UNIT, 10, DBOS),
        times(UNIT, 5, RESTATE),
    ),
)
