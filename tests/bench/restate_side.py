"""The side of Restate: its server as it comes (one node, its own durable log), and a service with the Python SDK.

The service runs under Hypercorn, as the SDK's documentation has it. Work comes in through the server's HTTP ingress.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

import http_load
import installing

_READY_S: Final = 60.0


class RestateSide:
    """See the module's text; the work has the names of `peers/dbos_side.py`."""

    def __init__(self, cache: Path, sources: Path, data: Path, log: Path) -> None:
        ingress, admin, node, service = (_free_port() for _ in range(4))
        environment = {
            **os.environ,
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        }
        hypercorn = str(installing.RESTATE_SDK.python(cache).with_name("hypercorn"))
        server = [str(installing.restate_server(cache)), "--base-dir", str(data)]
        commands = (server, [hypercorn, "--bind", f"127.0.0.1:{service}", "restate_service:app"])
        start = time.perf_counter()
        with log.open("ab") as output:
            # Groups of their own: npm's executable is a script that starts the server.
            self._processes = [
                subprocess.Popen(
                    command, cwd=sources, env=environment, stdout=output, stderr=output, start_new_session=True
                )
                for command in commands
            ]
        self._ingress = ingress
        _until_served(ingress, "/restate/health", None)
        _until_served(admin, "/health", None)
        _until_served(admin, "/deployments", {"uri": f"http://127.0.0.1:{service}"})
        self.post("fibo", 10)
        self.ready_s = time.perf_counter() - start
        """From the start of the processes to the first durable answer."""

    def request(self, handler: str, argument: object) -> http_load.Post:
        """The POST that calls a handler and gives 55."""
        body = json.dumps(argument).encode()
        return http_load.Post(port=self._ingress, path=f"/bench/{handler}", body=body, expect=b"55")

    def post(self, handler: str, argument: object, count: int = 1) -> float:
        """Call a handler so many times at the same time: seconds until all have answered 55."""
        return http_load.once(self.request(handler, argument), count)

    def do(self, work: str, **sizes: object) -> dict[str, float]:
        """See `stage.Side`."""
        match work:
            case "calls":
                count = sizes["count"]
                assert isinstance(count, int)
                return {"seconds": self.post("fiboa", {"n": 10, "size": sizes["calls"]}, count)}
            case "children":
                return {"seconds": self.post("parent", {"n": 10, "size": sizes["calls"]})}
            case "fan_out":
                return {"seconds": self.post("fan_out", {"n": 10, "size": sizes["children"]})}
            case _:
                raise ValueError(work)

    def close(self) -> None:
        """End both processes and what they started."""
        for process in self._processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _until_served(port: int, path: str, body: object) -> None:
    """GET or POST until the answer is a success; TimeoutError."""
    end = time.perf_counter() + _READY_S
    while not _served(port, path, body):
        if time.perf_counter() > end:
            raise TimeoutError(f"127.0.0.1:{port}{path} gave no success in {_READY_S:.0f} s")
        time.sleep(0.02)


def _served(port: int, path: str, body: object) -> bool:
    content = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_READY_S) as connection:
            connection.sendall(head.encode() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            status = connection.recv(16)
    except OSError:
        return False
    return status.startswith(b"HTTP/1.1 2")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port: int = bound.getsockname()[1]
        return port
