"""The benchmark's activities as native Python: `obelisk server run`, and one worker process that it supervises.

Work comes in over HTTP, as it does to Restate; the worker asks over HTTP too.
"""

from __future__ import annotations

import json
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

import http_load
from stage import CACHE, HERE, ROOT, stop

SOURCES: Final = HERE / "guests/native"
_READY_S: Final = 60.0
_ASKED: Final = re.compile(r'^obelisk_http_requests_total\{[^}]*operation="exchange-with-worker"[^}]*\} (\S+)$', re.M)
_ASYNC: Final = {"Prefer": "respond-async"}


class NativeSide:
    """See the module's text; `calls` is named as in `peers/dbos_side.py`. `folder` gets all that is made."""

    def __init__(self, folder: Path, log: Path) -> None:
        folder = folder.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        obelisk = [sys.executable, "-m", "obelisk"]
        wit = [str(SOURCES / f"{name}.wit") for name in ("fibo", "native")]
        subprocess.run(
            [*obelisk, "gen", *wit, "--out", "made", "--only", "worker"], cwd=folder, check=True, capture_output=True
        )
        (folder / "bench_worker.py").write_text((SOURCES / "bench_worker.py").read_text())
        with socket.create_server(("127.0.0.1", 0)) as bound:
            self._port: int = bound.getsockname()[1]
        config = folder / "obelisk.toml"
        config.write_text(_config(self._port))
        command = [*obelisk, "server", "run", "--config", str(config), "--log-level", "warning"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=600)
        try:
            self._until_served(log)
        except BaseException:
            self.close()
            raise

    def _until_served(self, log: Path) -> None:
        end = time.perf_counter() + _READY_S
        while not self._serves():
            assert time.perf_counter() < end, f"the worker does not serve; see {log}"
            time.sleep(0.05)

    def _serves(self) -> bool:
        try:
            return bool(self._http.get("/v1/workers").json()["items"])
        except httpx.TransportError:
            return False

    def do(self, work: str, **sizes: object) -> dict[str, float]:
        """See `stage.Side`."""
        table: dict[str, Callable[..., dict[str, float]]] = {
            "calls": self._calls,
            "latency": self._latency,
            "naps": self._naps,
            "idle": self._idle,
        }
        return table[work](**sizes)

    def _calls(self, count: Any, calls: Any) -> dict[str, float]:
        """`count` workflows at once, which call the activity `calls` times each."""
        body = json.dumps({"n": 10, "iterations": calls}).encode()
        path = "/v1/functions/demo:fibo/workflow/fiboa"
        post, before_s = http_load.Post(port=self._port, path=path, body=body, expect=b"55"), self._processor_s()
        seconds = http_load.once(post, count)
        return {"seconds": seconds, "processor_s": self._processor_s() - before_s}

    def _processor_s(self) -> float:
        """Processor time that the threads of server and worker have taken so far."""
        folders = [Path(f"/proc/{self._process.pid}/task")]
        for thread in sorted(folders[0].iterdir()):
            folders += [Path(f"/proc/{child}/task") for child in (thread / "children").read_text().split()]
        runs = ((thread / "schedstat").read_text().split()[0] for folder in folders for thread in folder.iterdir())
        return sum(map(int, runs)) / 1e9

    def _latency(self, count: Any) -> dict[str, float]:
        """Calls in turn: milliseconds from the lock, its commit included, until the code of the attempt runs."""
        took_ms: list[float] = []
        before_s, before = self._commits()
        for _ in range(count):
            execution = self._submitted("began", {})
            began_us: int = self._http.get(f"/v1/executions/{execution}/result", params={"wait": 60}).json()
            events = self._http.get(f"/v1/executions/{execution}/events").json()["items"]
            (locked,) = [event for event in events if event["event"]["type"] == "locked"]
            took_ms.append((began_us - _us(locked["at"])) / 1000)
        hundredths = statistics.quantiles(took_ms, n=100)
        seconds, commits = self._commits()
        commit_ms = (seconds - before_s) / (commits - before) * 1000
        return {"p50 ms": hundredths[49], "p99 ms": hundredths[98], "ms a commit": commit_ms}

    def _commits(self) -> tuple[float, float]:
        """Seconds of all commits, and their number."""
        text = self._http.get("/metrics").text
        total, count = (re.findall(rf"^obelisk_commit_seconds_{part} (\S+)$", text, re.M) for part in ("sum", "count"))
        return float(total[0]), float(count[0])

    def _naps(self, count: Any) -> dict[str, float]:
        """So many attempts, none of which ends before all run: how many that were, and the seconds it took."""
        start = time.perf_counter()
        executions = [self._submitted("nap", {"together": count}) for _ in range(count)]
        results = [
            self._http.get(f"/v1/executions/{execution}/result", params={"wait": 600}).json()
            for execution in executions
        ]
        return {"attempts": min(results), "seconds": time.perf_counter() - start}

    def _idle(self, seconds: Any) -> dict[str, float]:
        """The requests of a worker without work."""
        time.sleep(1.0)
        before = self._asked()
        time.sleep(seconds)
        return {"requests": self._asked() - before}

    def _asked(self) -> float:
        return sum(map(float, _ASKED.findall(self._http.get("/metrics").text)))

    def _submitted(self, function: str, params: object) -> str:
        answer = self._http.post(f"/v1/functions/bench:native/work/{function}", json=params, headers=_ASYNC)
        assert answer.status_code == 202, answer.text
        execution: str = answer.json()["execution_id"]
        return execution

    def close(self) -> None:
        """See `stage.Side`."""
        self._http.close()
        stop(self._process)


def _us(instant: str) -> int:
    """Microseconds since 1970 of an instant of the API."""
    return round(datetime.fromisoformat(instant).timestamp() * 1e6)


def _config(port: int) -> str:
    return f"""[server]
listen = "127.0.0.1:{port}"
[store]
path = "obelisk.sqlite"
[cache]
path = "{CACHE}/compiled"
[component.fibo]
kind = "external"
wit = "{SOURCES}/fibo.wit"
[component.native]
kind = "external"
wit = "{SOURCES}/native.wit"
[component.workflow]
path = "{ROOT}/examples/fibo/workflow.wat"
[worker.bench]
command = ["{sys.executable}", "bench_worker.py", "http://127.0.0.1:{port}"]
"""
