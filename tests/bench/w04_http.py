"""W4: short durable invocations over HTTP, 50 connections that send the next as soon as the last is answered.

Obelisk: `obelisk executor serve`, POST of an activity. Restate: its own HTTP ingress. DBOS has none; it gets an equal
front (Starlette on uvicorn, as Obelisk's gateway) whose handler starts a workflow and awaits its result. The load comes
from this process, on the same machine, for all alike.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import http_load
from figures import DBOS, OBELISK, RESTATE, Figures, Round, Target, Workload, times
from stage import CACHE, ROOT, Stage, importing, stop

UNIT: Final = "requests/s"
CONNECTIONS: Final = 50
PATH: Final = "/v1/functions/demo:fibo/fibo/fibo"
READY_S: Final = 30.0
LOAD_S: Final = 3.0


class Server:
    """`obelisk executor serve` with the fibo example; started when made, `ready_s` from then until it answered."""

    def __init__(self, folder: Path, log: Path, tree: Path = ROOT) -> None:
        """`tree`: whose engine and example it is."""
        folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self.port: int = bound.getsockname()[1]
        config = folder / "obelisk.toml"
        example = tree / "examples" / "fibo"
        config.write_text(
            f'[server]\nlisten = "127.0.0.1:{self.port}"\n[store]\npath = "obelisk.sqlite"\n'
            f'[cache]\npath = "{CACHE}/compiled"\n'
            f'[component.activity]\npath = "{example}/activity.wat"\n'
            f'[component.workflow]\npath = "{example}/workflow.wat"\n'
        )
        command = [sys.executable, "-m", "obelisk", "executor", "serve", "--config", str(config)]
        start = time.perf_counter()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--log-level", "warning"], stdout=output, stderr=output, cwd=folder, env=importing(tree)
            )
        while not self._answers():
            assert time.perf_counter() - start < READY_S, f"the server does not answer; see {log}"
            time.sleep(0.005)
        self.ready_s = time.perf_counter() - start

    def _answers(self) -> bool:
        try:
            http_load.once(self.post, 1)
        except (OSError, EOFError):
            return False
        return True

    @property
    def post(self) -> http_load.Post:
        """The invocation that is measured."""
        return http_load.Post(port=self.port, path=PATH, body=b'{"n":10}', expect=b"55")

    def processor_s(self) -> float:
        """Processor time that its process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def do(self, work: str, **sizes: object) -> dict[str, float]:
        """See `stage.Side`: it is given work over HTTP alone."""
        raise AssertionError(f"{work} {sizes}: this side is asked over HTTP alone")

    def close(self) -> None:
        """See `stage.Side`."""
        stop(self.process)


def measure(stage: Stage, post: http_load.Post) -> Figures:
    """Warm connections' worth of requests, then the load."""
    http_load.once(post, CONNECTIONS)
    return http_load.load(post, connections=CONNECTIONS, seconds=1.0 if stage.quick else LOAD_S)


def _obelisk(stage: Stage) -> Figures:
    server = stage.side("server", lambda: Server(stage.folder / "server", stage.log("server")))
    assert isinstance(server, Server)
    before_s = server.processor_s()
    figures = measure(stage, server.post)
    seconds = 1.0 if stage.quick else LOAD_S
    each_s = (server.processor_s() - before_s) / (figures[UNIT] * seconds)
    return {**figures, "µs of processor time each": each_s * 1e6}


def _dbos(stage: Stage) -> Figures:
    port = int(stage.dbos().do("serve")["port"])
    return measure(stage, http_load.Post(port=port, path="/fibo", body=b'{"n":10}', expect=b'{"ok":55}'))


def _restate(stage: Stage) -> Figures:
    return measure(stage, stage.restate().request("fibo", 10))


def _tail(figures: Round) -> float:
    return figures[OBELISK]["p99 ms"] / figures[OBELISK]["p50 ms"]


WORKLOAD: Final = Workload(
    name="W4",
    work=f"short invocations over HTTP, {CONNECTIONS} connections",
    arms={OBELISK: _obelisk, DBOS: _dbos, RESTATE: _restate},
    targets=(
        times(UNIT, 10, RESTATE),
        times(UNIT, 10, DBOS),
        Target(text="p99 < 10 × p50", of=_tail, at_most=10),
    ),
)
