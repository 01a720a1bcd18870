"""Where workloads are measured: a folder on the disk that is measured, and the processes of the sides.

A *side* is a process, kept for all rounds, that does the work it is told: a line of JSON in, a line of JSON out. One
side works at a time; the others wait for a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import installing
from restate_side import RestateSide

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
CACHE: Final = ROOT / ".cache" / "bench"
MARK: Final = "@"
"""What a side's answers begin with; all else that it prints is noise of libraries."""


class Side(Protocol):
    """Something that does work."""

    def do(self, work: str, **sizes: object) -> dict[str, float]:
        """Do it; what was measured, as the side names it."""
        ...

    def close(self) -> None:
        """End its processes."""
        ...


class SideFailed(Exception):
    """A side ended or answered nonsense; the message names its log."""


class Driven:
    """A side that is one process with lines on its standard input and output. Its standard error is a log file. It
    imports the engine of `tree`."""

    def __init__(self, command: Sequence[str], log: Path, tree: Path = ROOT) -> None:
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=importing(tree)
            )

    def do(self, work: str, **sizes: object) -> dict[str, float]:
        """See `Side`. SideFailed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": work, **sizes}).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise SideFailed(f"{work}: the process has ended; see {self._log}") from None
        for line in self.process.stdout:
            text = line.decode(errors="replace")
            if text.startswith(MARK):
                answer: dict[str, float] = json.loads(text.removeprefix(MARK))
                return answer
        raise SideFailed(f"{work}: the process has ended; see {self._log}")

    def close(self) -> None:
        """See `Side`."""
        stop(self.process)


def importing(tree: Path) -> dict[str, str]:
    """The environment of a process that imports the engine of `tree`."""
    return {**os.environ, "PYTHONPATH": str(tree / "src")}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here: ask, then insist."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


class Stage:
    """Sides by name, started when first needed and kept until `close`; `peers` are those that take part."""

    def __init__(self, folder: Path, peers: Sequence[str], *, quick: bool) -> None:
        self.folder, self.peers, self.quick = folder, peers, quick
        self._sides: dict[str, Side] = {}
        self._logs = CACHE / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self._logs / f"{name}.log"

    def side(self, name: str, start: Callable[[], Side]) -> Side:
        """The side of that name."""
        found = self._sides.get(name)
        if found is None:
            found = self._sides[name] = start()
        return found

    def obelisk(self, name: str = "obelisk", **settings: object) -> Side:
        """The engine in a process of its own, on a database of its own. `settings`: those of `obelisk_side`."""

        def start() -> Side:
            options: Mapping[str, object] = {"database": str(self.folder / f"{name}.sqlite"), **settings}
            command = [sys.executable, str(HERE / "obelisk_side.py"), json.dumps(options)]
            side = Driven(command, self.log(name))
            side.do("run", ffqn="demo:fibo/workflow.fiboa", params=[10, 50], count=4, expect={"ok": 55})
            return side

        return self.side(name, start)

    def dbos(self) -> Side:
        """DBOS in a process of its own."""

        def start() -> Side:
            python = installing.DBOS.python(CACHE)
            side = Driven(
                [str(python), str(HERE / "peers/dbos_side.py"), str(self.folder / "dbos.sqlite")], self.log("dbos")
            )
            side.do("calls", count=4, calls=10)
            return side

        return self.side("dbos", start)

    def restate(self) -> RestateSide:
        """Restate's server and a service."""

        def start() -> Side:
            side = RestateSide(CACHE, HERE / "peers", self.folder / "restate", self.log("restate"))
            side.do("calls", count=4, calls=10)
            return side

        side = self.side("restate", start)
        assert isinstance(side, RestateSide)
        return side

    def drop(self, name: str) -> None:
        """End a side that is not needed any more."""
        side = self._sides.pop(name, None)
        if side is not None:
            side.close()

    def close(self) -> None:
        """End all sides."""
        for name in list(self._sides):
            self.drop(name)


def settle() -> None:
    """Let the disk finish what earlier work left to it."""
    os.sync()
    time.sleep(0.05)
