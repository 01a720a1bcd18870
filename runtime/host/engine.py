"""Engines: what compiles and runs components, by purpose, and the ticker that keeps their guests from hogging a thread.

Code compiled for one engine fits another of equal `fingerprint`; both purposes share one by default. All engines run
deterministically (canonical NaNs, deterministic relaxed SIMD) and interrupt guests by epoch: every tick a running guest
yields.
"""

from __future__ import annotations

import hashlib
import platform
import threading
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import wasmtime

from obelisk.runtime.host import native
from obelisk.runtime.host.errors import Stopped

_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How an engine runs guests. Sizes in bytes.

    `async_stack_bytes` is the native stack of one call: the guest may use `wasm_stack_bytes` of it, host functions the
    rest. Only touched pages cost memory, so room is cheap: it costs address space. CPython guests need 2 MiB to reach
    their own recursion limit through C code instead of trapping. `tick_us` is how long a guest runs before it yields.
    `fuel` makes guests count instructions (twice the run time); `start` then takes the amount.
    """

    async_stack_bytes: int = 3072 * _KIB
    wasm_stack_bytes: int = 2048 * _KIB
    tick_us: int = 10_000
    fuel: bool = False


def workflow_settings() -> EngineSettings:
    """How workflows run."""
    return EngineSettings()


def activity_settings() -> EngineSettings:
    """How activities run: as workflows do, so that both share compiled code."""
    return EngineSettings()


class Ticker:
    """Advances an engine's epoch every tick while any guest runs; sleeps when none does, for no idle wake-ups."""

    def __init__(self, engine: wasmtime.Engine, tick_us: int) -> None:
        self.ticks = 0
        self._engine, self._tick_s = engine, tick_us / 1e6
        self._running: set[int] = set()
        self._idle, self._stopped = False, False
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="obelisk-ticker", daemon=True)
        self._thread.start()

    def enter(self, token: int) -> None:
        """The guest `token` starts to run."""
        if self._stopped:
            raise Stopped("the engine was closed")
        self._running.add(token)
        if self._idle:  # seen by one side at least: the ticker says so before it looks whether any guest runs
            self._wake.set()

    def leave(self, token: int) -> None:
        """The guest `token` has stopped running."""
        self._running.discard(token)

    def stop(self) -> None:
        """End the thread; idempotent."""
        self._stopped = True
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._tick_s):
            if self._running:
                self.ticks += 1
                self._engine.increment_epoch()
                continue
            self._wake.clear()
            self._idle = True
            if not self._running and not self._stopped:
                self._wake.wait()
            self._idle = False


class Engine:
    """A wasmtime engine with its ticker. Close it when its fibers are closed."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.raw = wasmtime.Engine(_config(settings))
        self.ticker = Ticker(self.raw, settings.tick_us)
        self.fingerprint = _fingerprint(settings)
        """What compiled code depends on; part of the name of a cached one."""

    def close(self) -> None:
        """Stop the ticker; idempotent. Fibers must not be polled any more."""
        self.ticker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _config(settings: EngineSettings) -> wasmtime.Config:
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_component_model_map = True
    config.consume_fuel = settings.fuel
    config.max_wasm_stack = settings.wasm_stack_bytes
    native.config_async_stack(config.ptr(), settings.async_stack_bytes)
    # Component-model async: nothing here uses it, and with it wasmtime 50 fails host calls that take two borrows.
    native.config_concurrency(config.ptr(), False)
    return config


def _fingerprint(settings: EngineSettings) -> str:
    fixed = "epoch nan simd map -concurrency"
    parts = (metadata.version("wasmtime"), platform.system(), platform.machine(), fixed, settings.fuel)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
