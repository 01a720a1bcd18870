"""A server as a user starts it: a child process of its own, on a free port, killed without mercy."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx


def free_port() -> int:
    """A port of 127.0.0.1 that is free, and that the system gives to no other program that asks for any port."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = random.SystemRandom().randrange(20_000, 32_000)  # below the range of ephemeral ports
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """`obelisk executor serve` with a configuration text; its output goes to `log` in the folder."""

    def __init__(
        self, folder: Path, text: str, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> None:
        self.port = free_port()
        self.folder = folder
        self._options = options
        self.before: tuple[str, ...] = ()
        """What comes before the command, as a program that starts it in a namespace of its own."""
        self._environment = {**os.environ, **(environment or {})}
        self._config = folder / "obelisk.toml"
        self._config.write_text(f'[server]\nlisten = "127.0.0.1:{self.port}"\n{text}')
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=300)

    def start(self) -> float:
        """Start and wait until it answers; the seconds that took."""
        begin_s = time.monotonic()
        self.begin()
        self.wait_until_it_answers()
        return time.monotonic() - begin_s

    def begin(self) -> None:
        """Start, and wait for nothing."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.before,
                    sys.executable,
                    "-m",
                    "obelisk",
                    "executor",
                    "serve",
                    "--config",
                    str(self._config),
                    *self._options,
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
            )

    def wait_until_it_answers(self) -> None:
        """Until it is ready."""
        end_s = time.monotonic() + 300
        assert self._process is not None
        while time.monotonic() < end_s:
            if self._process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log()}")
            with contextlib.suppress(httpx.TransportError):
                if self.http.get("/readyz").status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer: {self.log()}")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process that serves."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """`kill -9`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(300)

    def stop(self) -> int:
        """SIGTERM and the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(300)

    def close(self) -> None:
        """Leave nothing behind."""
        self.http.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def log(self) -> str:
        """What it printed so far."""
        return (self.folder / "log").read_text(errors="replace")
