"""W2: many workflows at once, 50 durable calls each: how well commits are shared.

The yardsticks are `engine_limit.py` (the design on one thread without the product around it) and SQLite at 128 calls
per commit. With 100 workflows DBOS is given 10 calls each: 50 take minutes where the disk is slow, and its rate does
not depend on how many follow each other.
"""

from __future__ import annotations

from typing import Final

import engine_limit
from figures import CEILING_128, DBOS, OBELISK, RESTATE, Figures, Target, Workload, ratio, times
from stage import Stage
from w01_series import CEILINGS, UNIT, dbos, obelisk, restate

LIMIT: Final = "engine limit"
CALLS: Final = 50


def limit(stage: Stage) -> Figures:
    """The spike of the design, with as many workflows as W2 has at most."""
    return {UNIT: engine_limit.calls_per_second(stage.folder, workflows=100, calls=CALLS)}


def workload(count: int, *targets: Target) -> Workload:
    """`count` workflows at once."""
    return Workload(
        name=f"W2-{count}",
        work=f"{count} workflows at once, {CALLS} durable calls each",
        arms={
            CEILING_128: CEILINGS[CEILING_128],
            LIMIT: limit,
            OBELISK: obelisk(count, CALLS),
            DBOS: dbos(count, CALLS if count <= 20 else 10),
            RESTATE: restate(count, CALLS),
        },
        targets=targets,
    )


TWENTY: Final = workload(20)
HUNDRED: Final = workload(
    100,
    Target(text="≥ 1.0 × engine_limit.py", of=ratio(UNIT, OBELISK, LIMIT), at_least=1.0),
    times(UNIT, 15, DBOS),
    times(UNIT, 6, RESTATE),
)
