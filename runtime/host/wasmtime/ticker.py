"""The clock of running guests: an engine's epoch advances every tick, so that none of them hogs a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

import wasmtime

from obelisk.runtime.host.errors import Stopped

_QUIET_TICKS: Final = 50
"""After so many ticks without a running guest the ticker sleeps: guests that run for microseconds, many times a second,
are seldom met, and waking a thread each time costs them more than they take."""


class Ticker:
    """Advances the epoch of engines every tick while any guest runs; sleeps when none does, for no idle wake-ups."""

    def __init__(self, engines: Sequence[wasmtime.Engine], tick_us: int) -> None:
        self.ticks = 0
        self._engines, self._tick_s = engines, tick_us / 1e6
        self.running: set[int] = set()
        """The guests that run: each takes itself out when it stops, which is no call on the path of every call."""
        self._idle, self._stopped = False, False
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="obelisk-ticker", daemon=True)
        self._thread.start()

    def enter(self, token: int) -> None:
        """The guest `token` starts to run."""
        if self._stopped:
            raise Stopped("the engine was closed")
        self.running.add(token)
        if self._idle:  # seen by one side at least: the ticker says so before it looks whether any guest runs
            self._wake.set()

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopped = True
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        quiet = 0
        while not self._stop.wait(self._tick_s):
            if self.running:
                quiet = 0
                self.ticks += 1
                for engine in self._engines:
                    engine.increment_epoch()
                continue
            quiet += 1
            if quiet < _QUIET_TICKS:
                continue
            self._wake.clear()
            self._idle = True
            if not self.running and not self._stopped:
                self._wake.wait()
            self._idle = False
