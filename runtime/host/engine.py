"""Engines: what compiles and runs components, by purpose, and the ticker that keeps their guests from hogging a thread.

Code compiled for one engine fits another of equal `fingerprint`; both purposes share one by default. All engines run
deterministically (canonical NaNs, deterministic relaxed SIMD) and interrupt guests by epoch: every tick a running guest
yields.

Memories and stacks of guests come from a `Pool` of slots that are mapped once, which makes a start three times quicker.
A guest that finds no slot free, or needs more than one holds, gets its own from the system: the pool refuses nobody.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import platform
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Final, Self

import wasmtime

from obelisk.runtime.host import native
from obelisk.runtime.host.errors import Stopped

_log = logging.getLogger(__name__)
_KIB: Final = 1024
_QUIET_TICKS: Final = 50
"""After so many ticks without a running guest the ticker sleeps: guests that run for microseconds, many times a second,
are seldom met, and waking a thread each time costs them more than they take."""
_SPARE_SLOTS: Final = 64
"""Slots beyond those given out: as many threads may take the last one at the same time."""
_SLOT_BYTES: Final = (4 << 30) + (128 << 20)
"""Address space of a slot, generously: a memory with its guard pages, tables, a stack."""
_TABLES: Final = 16
"""Tables that a component may have in a slot; those of a CPython guest's modules fit."""


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
    return EngineSettings(pool_slots=1000)


def activity_settings() -> EngineSettings:
    """How activities run: as workflows do, so that both share compiled code."""
    return EngineSettings(pool_slots=1000)


class Ticker:
    """Advances an engine's epoch every tick while any guest runs; sleeps when none does, for no idle wake-ups."""

    def __init__(self, engines: Sequence[wasmtime.Engine], tick_us: int) -> None:
        self.ticks = 0
        self._engines, self._tick_s = engines, tick_us / 1e6
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
        quiet = 0
        while not self._stop.wait(self._tick_s):
            if self._running:
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
            if not self._running and not self._stopped:
                self._wake.wait()
            self._idle = False


class Pool:
    """A wasmtime engine whose guests live in slots; whoever starts one takes a slot first. Safe from any thread."""

    def __init__(self, settings: EngineSettings) -> None:
        self.raw = wasmtime.Engine(_pooled(_config(settings), settings.pool_slots + _SPARE_SLOTS))
        self._slots = settings.pool_slots
        self._taken: set[int] = set()

    @property
    def taken(self) -> int:
        """How many slots are in use."""
        return len(self._taken)

    def take(self, token: int) -> bool:
        """A slot for the guest `token`, unless all are taken."""
        if len(self._taken) >= self._slots:
            return False
        self._taken.add(token)
        return True

    def give_back(self, token: int) -> None:
        """The guest's store is deleted."""
        self._taken.discard(token)


class Engine:
    """A wasmtime engine, its pool if there is one, and their ticker. Close it when its fibers are closed."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.raw = wasmtime.Engine(_config(settings))
        self.pool = _open_pool(settings)
        self.ticker = Ticker((self.raw, self.pool.raw) if self.pool is not None else (self.raw,), settings.tick_us)
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


def _open_pool(settings: EngineSettings) -> Pool | None:
    if not settings.pool_slots:
        return None
    size = (settings.pool_slots + _SPARE_SLOTS) * _SLOT_BYTES
    try:
        # wasmtime ends the process when it cannot map its pool, so it is tried here first.
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=0).close()
    except OSError as error:
        _log.warning("no pool of memory for guests (%s of address space: %s): they start more slowly", size, error)
        return None
    return Pool(settings)


def _pooled(config: wasmtime.Config, slots: int) -> wasmtime.Config:
    native.config_pool(
        config.ptr(),
        total_stacks=slots,
        total_memories=slots,
        max_memories_per_component=1,
        total_tables=slots * _TABLES,
        max_tables_per_component=_TABLES,
        max_tables_per_module=_TABLES,
        table_elements=32 * _KIB,
        total_core_instances=slots * 64,
        max_core_instances_per_component=64,
        total_component_instances=slots,
        # What a small guest touched is cleared in place, which costs less than to give it back and fault it in again.
        linear_memory_keep_resident=64 * _KIB,
        table_keep_resident=4 * _KIB,
    )
    return config


def _fingerprint(settings: EngineSettings) -> str:
    fixed = "epoch nan simd map -concurrency"
    parts = (metadata.version("wasmtime"), platform.system(), platform.machine(), fixed, settings.fuel)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
