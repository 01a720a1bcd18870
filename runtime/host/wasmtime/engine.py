"""Engines: what compiles and runs components.

Code compiled for one engine fits another of equal `fingerprint`; workflows and activities share one by default. All
engines run deterministically (canonical NaNs, deterministic relaxed SIMD) and interrupt guests by epoch: every tick a
running guest yields.

Engines of equal settings share one core in this process: wasmtime's engine, its ticker and its pool, of which one takes
terabytes of address space. It goes when the last of them is closed and their last guest has ended. Memories and stacks
of guests come from the pool, which makes a start three times quicker. A guest that finds no slot free, or needs more
than one holds, gets its own from the system: the pool refuses no guest, the process may (`room`).
"""

from __future__ import annotations

import hashlib
import platform
import threading
import weakref
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import wasmtime

from obelisk.runtime.host.wasmtime import native, pooling, room
from obelisk.runtime.host.wasmtime.natives import Closable, Natives
from obelisk.runtime.host.wasmtime.pooling import Pool
from obelisk.runtime.host.wasmtime.ticker import Ticker

_KIB: Final = 1024
POOL_SLOTS: int = 1000
"""Slots of the pool of workflows and activities. Tests have fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How an engine runs guests. Sizes in bytes.

    `async_stack_bytes` is the native stack of one call: the guest may use `wasm_stack_bytes` of it, host functions the
    rest. Only touched pages cost memory, so room is cheap: it costs address space. CPython guests need 2 MiB to reach
    their own recursion limit through C code instead of trapping. `tick_us` is how long a guest runs before it yields.
    `fuel` makes guests count instructions (twice the run time); `start` then takes the amount. `pool_slots` guests at
    once find their memory and stack mapped (0: none): a slot takes 4 GiB of address space, and keeps the pages its last
    guest touched up to some hundred KiB.
    """

    async_stack_bytes: int = 3072 * _KIB
    wasm_stack_bytes: int = 2048 * _KIB
    tick_us: int = 10_000
    fuel: bool = False
    pool_slots: int = 0


def workflow_settings() -> EngineSettings:
    """How workflows run."""
    return EngineSettings(pool_slots=POOL_SLOTS)


def activity_settings() -> EngineSettings:
    """How activities run: as workflows do, so that both share compiled code."""
    return EngineSettings(pool_slots=POOL_SLOTS)


class _Core:
    """What engines of equal settings share."""

    def __init__(self, settings: EngineSettings) -> None:
        self.raw = wasmtime.Engine(engine_config(settings))
        self.pool: Pool | None = None
        if settings.pool_slots:
            self.pool = pooling.open_pool(
                settings.pool_slots, settings.async_stack_bytes, lambda: engine_config(settings), room.PROCESS
            )
        self.ticker = Ticker((self.raw, self.pool.raw) if self.pool is not None else (self.raw,), settings.tick_us)
        self.engines = 0

    def close(self) -> None:
        self.ticker.stop()
        if self.pool is not None:
            self.pool.raw.close()
        self.raw.close()


class _Lease:
    """One engine's share in a core."""

    _cores: Final[dict[EngineSettings, _Core]] = {}
    _lock: Final = threading.RLock()
    """Held while a core is made, so that no two pools are reserved at once. (The collector may close one meanwhile.)"""

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        with self._lock:
            core = self._cores.get(settings)
            if core is None:
                core = self._cores[settings] = _Core(settings)
            core.engines += 1
        self.core = core

    def close(self) -> None:
        """Give it back; once."""
        with self._lock:
            self.core.engines -= 1
            if self.core.engines == 0:
                del self._cores[self._settings]
                self.core.close()


class Engine:
    """Compiles and runs components; owns what it has compiled and prepared. Close it when its guests have ended."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings, self.room = settings, room.PROCESS
        lease = _Lease(settings)
        self.raw, self.pool, self.ticker = lease.core.raw, lease.core.pool, lease.core.ticker
        self.natives = Natives("engine", lease)
        self._made: weakref.WeakSet[Closable] = weakref.WeakSet()
        self._lock = threading.Lock()
        self.fingerprint = _fingerprint(settings)
        """What compiled code depends on; part of the name of a cached one."""

    def own(self, made: Closable) -> None:
        """Close `made` together with the engine, if it still exists then."""
        with self._lock:
            self._made.add(made)
        if self.natives.is_closed:
            made.close()

    def close(self) -> None:
        """Delete all that was made from it, each when the last guest that needs it has ended; idempotent.

        Guests must not be started or polled any more.
        """
        self.natives.close()
        with self._lock:
            made = list(self._made)
        for one in made:
            one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def engine_config(settings: EngineSettings) -> wasmtime.Config:
    """wasmtime's configuration for them, without a pool."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_component_model_map = True
    config.consume_fuel = settings.fuel
    config.max_wasm_stack = settings.wasm_stack_bytes
    native.config_async_stack(config.ptr(), settings.async_stack_bytes)
    native.config_memory(config.ptr(), reservation=pooling.MEMORY_BYTES, guard=pooling.GUARD_BYTES)
    # Component-model async: nothing here uses it, and with it wasmtime 50 fails host calls that take two borrows.
    native.config_concurrency(config.ptr(), False)
    return config


def _fingerprint(settings: EngineSettings) -> str:
    fixed = "epoch nan simd map -concurrency"
    parts = (metadata.version("wasmtime"), platform.system(), platform.machine(), fixed, settings.fuel)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
