"""W11: activities in plain Python, in one worker process outside the engine, where the peers run theirs natively too.

All of it over HTTP on loopback: the submission, and what server and worker say to each other. Besides: how soon an
attempt runs once it is locked (its commit is awaited in between, so a memory disk shows the rest), attempts that wait
at once in one worker, and what an idle one asks.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from figures import DBOS, OBELISK, RESTATE, Arm, Figures, Target, Workload, times
from native_side import NativeSide
from stage import Side, Stage
from w01_series import UNIT, dbos, restate

WAITING: Final = 1000
PER_S: Final = 20.0
LATENCY, ON_DISK = "Obelisk, from lock to code, memory disk", "Obelisk, from lock to code"
NAPS, IDLE = "Obelisk, attempts that wait at once", "Obelisk, an idle worker"
MEMORY: Final = Path("/dev/shm")


def _side(stage: Stage) -> Side:
    def start() -> Side:
        side = NativeSide(stage.folder / "workers", stage.log("workers"))
        side.do("calls", count=4, calls=50)
        return side

    return stage.side("workers", start)


def _calls(count: int, calls: int) -> Arm:
    def measure(stage: Stage) -> Figures:
        done, total = _side(stage).do("calls", count=count, calls=calls), count * calls
        return {UNIT: total / done["seconds"], "µs of processor time each": done["processor_s"] / total * 1e6}

    return measure


def _on_disk(stage: Stage) -> Figures:
    return _side(stage).do("latency", count=50 if stage.quick else 500)


def _latency(stage: Stage) -> Figures:
    place = MEMORY if MEMORY.is_dir() else stage.folder
    with tempfile.TemporaryDirectory(dir=place) as folder:
        side = NativeSide(Path(folder), stage.log("workers-memory"))
        try:
            side.do("calls", count=4, calls=50)
            return side.do("latency", count=50 if stage.quick else 500)
        finally:
            side.close()


def _naps(stage: Stage) -> Figures:
    done = _side(stage).do("naps", count=WAITING)
    return {"attempts": done["attempts"], "s": done["seconds"]}


def _idle(stage: Stage) -> Figures:
    seconds = 45.0 if stage.quick else 120.0
    return {f"requests in {PER_S:.0f} s": _side(stage).do("idle", seconds=seconds)["requests"] * PER_S / seconds}


SERIES: Final = Workload(
    name="W11-1",
    work="500 calls of an activity in native Python",
    arms={OBELISK: _calls(1, 500), DBOS: dbos(1, 500), RESTATE: restate(1, 500)},
    targets=(times(UNIT, 5, DBOS), times(UNIT, 1, RESTATE)),
)
TWENTY: Final = Workload(
    name="W11-20",
    work="20 × 50 calls of an activity in native Python",
    arms={OBELISK: _calls(20, 50), DBOS: dbos(20, 50), RESTATE: restate(20, 50)},
    targets=(times(UNIT, 10, DBOS), times(UNIT, 2, RESTATE)),
)
WORKER: Final = Workload(
    name="W11-worker",
    work="one worker process",
    arms={LATENCY: _latency, ON_DISK: _on_disk, NAPS: _naps, IDLE: _idle},
    targets=(
        Target(text="lock to code p50 ≤ 3 ms, memory disk", of=lambda figures: figures[LATENCY]["p50 ms"], at_most=3),
        Target(text=f"{WAITING:,} attempts wait at once", of=lambda f: f[NAPS]["attempts"], at_least=WAITING),
        Target(
            text="idle: < 1 request in 20 s",
            of=lambda figures: figures[IDLE][f"requests in {PER_S:.0f} s"],
            at_most=0.999,
        ),
    ),
    rounds=1,
)
