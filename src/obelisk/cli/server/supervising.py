"""The workers of ``[worker.NAME]``: processes that live as long as the server, started again when they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from obelisk.runtime.wiring.config import WorkerConfig

logger = logging.getLogger("obelisk.server.worker")
SUPERVISED_VARIABLE: Final = "OBELISK_SUPERVISED"
"""Set for supervised workers: the end of their standard input says that the server is gone."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
_STEADY_S: Final = 60.0
"""One that has run that long begins again with the shortest pause."""
END_WITHIN_S: Final = 35.0
"""How long workers get to drain; those that are left then are killed."""
_LAST_WORDS_S: Final = 1.0
"""How long output is read after the end, which what a worker has started may hold open."""
_LINE_BYTES: Final = 64 * 1024


class Supervised:
    """Runs the workers of a configuration as children of this process. `url` and `token` are told to each."""

    def __init__(self, workers: Mapping[str, WorkerConfig], folder: Path, *, url: str, token: str) -> None:
        self._workers = workers
        self._folder = folder
        more = {"OBELISK_URL": url, **({"OBELISK_TOKEN": token} if token else {})}
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", SUPERVISED_VARIABLE: "1", **more}
        self._tasks: list[asyncio.Task[None]] = []
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._readings: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start all of them."""
        self._tasks = [asyncio.create_task(self._keep(name, worker)) for name, worker in self._workers.items()]

    async def stop(self) -> None:
        """Tell all to drain, wait, and kill those that do not end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for child in self._children.values():
            _tell(child, signal.SIGTERM)
        ends = [asyncio.create_task(child.wait()) for child in self._children.values()]
        if ends:
            await asyncio.wait(ends, timeout=END_WITHIN_S)
        self.kill()
        await asyncio.gather(*ends)
        if self._readings:
            await asyncio.wait(self._readings, timeout=_LAST_WORDS_S)
        for reading in list(self._readings):
            reading.cancel()
        self._children.clear()

    def kill(self) -> None:
        """End those that still run, at once."""
        for name, child in self._children.items():
            if child.returncode is None:
                logger.warning("%s: killed", name)
                _tell(child, signal.SIGKILL)

    async def _keep(self, name: str, worker: WorkerConfig) -> None:
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            begun_s = loop.time()
            how = await self._once(name, command_of(worker))
            if loop.time() - begun_s >= _STEADY_S:
                pause_s = FIRST_PAUSE_S
            logger.warning("%s: %s; it is started again in %g s", name, how, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    async def _once(self, name: str, command: Sequence[str]) -> str:
        """Run it until it ends; how it ended."""
        try:
            child = await asyncio.create_subprocess_exec(
                *command,
                cwd=self._folder,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,  # it ends with this process, however that ends
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LINE_BYTES,
                start_new_session=True,  # a Ctrl-C reaches it once, through this process
            )
        except OSError as error:
            return f"cannot be started: {command[0]}: {error.strerror}"
        self._children[name] = child
        logger.info("%s: started as process %d", name, child.pid)
        reading = asyncio.create_task(_read(name, child))
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)
        status = await child.wait()
        await asyncio.wait((reading,), timeout=_LAST_WORDS_S)
        reading.cancel()
        del self._children[name]
        return f"has ended with status {status}" if status >= 0 else f"was ended by signal {-status}"


def command_of(worker: WorkerConfig) -> list[str]:
    """What is started. A module is run as `obelisk worker run` does, with this Python."""
    return list(worker.command) or [sys.executable, "-m", "obelisk", "worker", "run", worker.module]


async def _read(name: str, child: asyncio.subprocess.Process) -> None:
    """Its output, a line of the server's log each; what is longer than a line may be comes in pieces."""
    stream = child.stdout
    assert stream is not None
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            line = await stream.read(max(1, error.consumed))
        except asyncio.IncompleteReadError as error:
            line = error.partial
            if not line:
                return
        logger.info("%s: %s", name, line.decode("utf-8", "replace").rstrip())


def _tell(child: asyncio.subprocess.Process, number: int) -> None:
    """A signal to it and to what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)
