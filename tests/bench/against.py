"""This tree against another commit: the same work on both in turn, and how many times as long it takes here.

Each tree has its own processes, from its own `obelisk_side.py` and its own sources, in the environment that is there
for this one. Processor time is the figure to trust: on a shared machine time on the clock drifts by more than trees
differ. Figures of different rounds are never compared: a ratio is one of a round, in which the trees do the same work
one right after the other, and which of them begins changes from round to round.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import http_load
import w04_http
from figures import Spread
from stage import CACHE, ROOT, Driven, settle

FIBOA: Final = "demo:fibo/workflow.fiboa"
REQUESTS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What both trees do: `do` with `sizes`, as `obelisk_side` knows it, on a side with `settings`."""

    name: str
    work: str
    do: str = "run"
    sizes: Mapping[str, object] = field(default_factory=dict[str, object])
    settings: Mapping[str, object] = field(default_factory=dict[str, object])


def _calls(name: str, count: int, calls: int, work: str, **settings: object) -> Job:
    sizes = {"ffqn": FIBOA, "params": [10, calls], "count": count, "expect": {"ok": 55}}
    return Job(name=name, work=work, sizes=sizes, settings=settings)


HTTP: Final = "W4"
JOBS: Final = (
    _calls("W1", 2, 500, "2 workflows, 500 calls each"),
    _calls("W1-in-turn", 1, 500, "500 calls, a commit each", early=False),
    _calls("W2-20", 20, 50, "20 workflows, 50 calls each"),
    _calls("W2-100", 100, 50, "100 workflows, 50 calls each"),
    _calls("short", 1000, 1, "1,000 workflows of one call"),
    Job(
        name="W3",
        work="500 child workflows in series",
        sizes={"ffqn": "bench:guests/parent.series", "params": [55, 500], "count": 1, "expect": 55},
    ),
    Job(name=HTTP, work=f"{REQUESTS * w04_http.CONNECTIONS:,} invocations over HTTP"),
    Job(
        name="W5",
        work="1,000 children in one join set",
        sizes={"ffqn": "demo:fibo/workflow.fiboa-concurrent", "params": [10, 1000], "count": 1, "expect": {"ok": 55}},
    ),
    Job(name="W7", work="replay of 10,000 events", do="replay", sizes={"calls": 5000}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What one job took one tree once, in seconds."""

    processor_s: float
    wall_s: float


class Tree:
    """The processes of one tree, started when they are first needed and kept: one for each kind of settings."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder = root, folder
        self._sides: dict[str, Driven] = {}
        self._server: w04_http.Server | None = None
        folder.mkdir()

    def measure(self, job: Job) -> Took:
        """Do a job once."""
        pid = self._http().process.pid if job.name == HTTP else self._side(job).process.pid
        processor_s, start = processor_time_s(pid), time.perf_counter()
        self.do(job)
        wall_s = time.perf_counter() - start
        return Took(processor_s=processor_time_s(pid) - processor_s, wall_s=wall_s)

    def do(self, job: Job) -> None:
        """The same, unmeasured."""
        if job.name != HTTP:
            self._side(job).do(job.do, **job.sizes)
            return
        for _ in range(REQUESTS):
            http_load.once(self._http().post, w04_http.CONNECTIONS)

    def _side(self, job: Job) -> Driven:
        key = json.dumps(job.settings, sort_keys=True)
        found = self._sides.get(key)
        if found is None:
            options = {"database": str(self._folder / f"{len(self._sides)}.sqlite"), **job.settings}
            command = [sys.executable, str(self._root / "tests/bench/obelisk_side.py"), json.dumps(options)]
            found = self._sides[key] = Driven(command, self._folder / "side.log", tree=self._root)
        return found

    def _http(self) -> w04_http.Server:
        if self._server is None:
            self._server = w04_http.Server(self._folder / "server", self._folder / "server.log", tree=self._root)
        return self._server

    def close(self) -> None:
        """End the processes."""
        for side in self._sides.values():
            side.close()
        if self._server is not None:
            self._server.close()


def processor_time_s(pid: int) -> float:
    """Processor time that a process has taken on all its threads, those that have ended too: Linux's clock of it."""
    return time.clock_gettime(~pid << 3 | 2)


def tree_of(commit: str) -> Path:
    """The files of a commit, in a folder that is kept; SystemExit for what git does not know."""
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, text=True
    )
    if found.returncode:
        sys.exit(f"git knows no commit {commit}")
    folder = CACHE / "trees" / found.stdout.strip()
    if not folder.exists():
        archive = subprocess.run(["git", "archive", folder.name], cwd=ROOT, capture_output=True, check=True).stdout
        beside = folder.with_suffix(".part")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(beside, filter="data")
        beside.rename(folder)
    return folder


def named(names: str) -> tuple[Job, ...]:
    """The jobs of a list such as ``W1,W2-100``. ValueError."""
    known = {job.name: job for job in JOBS}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ValueError(f"no job {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in names.split(","))


def compared(commit: str, jobs: Sequence[Job], rounds: int, folder: Path) -> str:
    """Do the jobs on both trees, in turn; the table, whose lines are printed to standard error as they come."""
    here, other = Tree(ROOT, folder / "here"), Tree(tree_of(commit), folder / "other")
    lines = [row("", f"processor time, {commit} = 1", "time on the clock")]
    try:
        for job in jobs:
            for tree in (here, other):
                tree.do(job)  # compiled code, caches and the database's first pages are there then
            took: dict[Tree, list[Took]] = {here: [], other: []}
            for number in range(rounds):
                for tree in (here, other) if number % 2 else (other, here):
                    settle()
                    took[tree].append(tree.measure(job))
            lines.append(row(f"{job.name}: {job.work}", *ratios(took[here], took[other])))
            print(lines[-1], file=sys.stderr, flush=True)
    finally:
        here.close()
        other.close()
    return "\n".join(lines)


def ratios(here: Sequence[Took], other: Sequence[Took]) -> tuple[str, str]:
    """Processor time and time on the clock, over those of the other tree in the same round: median and spread."""
    pairs = list(zip(here, other, strict=True))
    processor = Spread.of([one.processor_s / two.processor_s for one, two in pairs])
    wall = Spread.of([one.wall_s / two.wall_s for one, two in pairs])
    return str(processor), str(wall)


def row(*cells: str) -> str:
    """A line of the table."""
    return f"{cells[0]:44}" + "".join(f"{cell:32}" for cell in cells[1:]).rstrip()
