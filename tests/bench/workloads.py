"""All workloads, in order."""

from __future__ import annotations

from typing import Final

import w01_series
import w02_concurrent
import w03_children
import w04_http
import w05_fan_out
import w06_sleepers
import w07_replay
import w08_cold_start
import w09_growth
import w10_python
import w11_workers
from figures import Workload

ALL: Final[tuple[Workload, ...]] = (
    w01_series.WORKLOAD,
    w02_concurrent.TWENTY,
    w02_concurrent.HUNDRED,
    w03_children.WORKLOAD,
    w04_http.WORKLOAD,
    w05_fan_out.WORKLOAD,
    w06_sleepers.WORKLOAD,
    w07_replay.WORKLOAD,
    w08_cold_start.WORKLOAD,
    w09_growth.WORKLOAD,
    w10_python.WORKLOAD,
    w11_workers.SERIES,
    w11_workers.TWENTY,
    w11_workers.WORKER,
)


def named(names: str) -> tuple[Workload, ...]:
    """Those of a list such as ``W1,W2-100``; ``W2`` is all whose name goes on behind a dash. ``none``. ValueError."""
    chosen: list[Workload] = []
    for name in names.split(",") if names != "none" else ():
        found = [w for w in ALL if w.name == name or w.name.startswith(f"{name}-")]
        if not found:
            raise ValueError(f"no workload {name}; there are {', '.join(w.name for w in ALL)}")
        chosen += found
    return tuple(chosen)
