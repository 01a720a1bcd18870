"""W8: cold start: from a new process to the first durable answer over HTTP, and the time of `obelisk --help`.

Compiled components are cached, the database is new. DBOS and Restate: to the first answer of a durable function; their
HTTP fronts as in W4, except that DBOS answers without one.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from typing import Final

import installing
from figures import DBOS, OBELISK, RESTATE, Figures, Target, Workload
from restate_side import RestateSide
from stage import CACHE, HERE, Driven, Stage
from w04_http import Server

UNIT: Final = "s to the first answer"
HELP: Final = "obelisk --help"


def _obelisk(stage: Stage) -> Figures:
    folder = stage.folder / "cold"
    server = Server(folder, stage.log("cold"))
    processor_s = server.processor_s()
    server.close()
    shutil.rmtree(folder)
    return {UNIT: server.ready_s, "s of processor time": processor_s}


def _help(stage: Stage) -> Figures:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "obelisk", "--help"], check=True, capture_output=True, cwd=stage.folder)
    return {"s": time.perf_counter() - start}


def _dbos(stage: Stage) -> Figures:
    database = stage.folder / "cold-dbos.sqlite"
    start = time.perf_counter()
    side = Driven(
        [str(installing.DBOS.python(CACHE)), str(HERE / "peers/dbos_side.py"), str(database)], stage.log("cold-dbos")
    )
    side.do("calls", count=1, calls=1)
    seconds = time.perf_counter() - start
    side.close()
    database.unlink()
    return {UNIT: seconds}


def _restate(stage: Stage) -> Figures:
    folder = stage.folder / "cold-restate"
    side = RestateSide(CACHE, HERE / "peers", folder, stage.log("cold-restate"))
    side.close()
    shutil.rmtree(folder)
    return {UNIT: side.ready_s}


WORKLOAD: Final = Workload(
    name="W8",
    work="cold start",
    arms={OBELISK: _obelisk, HELP: _help, DBOS: _dbos, RESTATE: _restate},
    targets=(
        Target(text="first answer < 1.5 s", of=lambda figures: figures[OBELISK][UNIT], at_most=1.5),
        Target(text="obelisk --help < 0.25 s", of=lambda figures: figures[HELP]["s"], at_most=0.25),
    ),
)
