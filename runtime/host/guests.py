"""`WasmtimeHost`: the runtime's `guest.Host` over wasmtime: engines by what they are for, with compiled components.

Guests that import `wasi:*` get ours (`host.wasi`); who makes the WASI of a guest is handed in. wasmtime's native WASI
is nowhere used: it blocks its thread, knows no policy and nothing of replays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obelisk.codegen.model.items import Interface
from obelisk.runtime.host import component, instance
from obelisk.runtime.host.targets import Limits
from obelisk.runtime.host.wasi import driving
from obelisk.runtime.host.wasi.calls.http import WITH_HTTP
from obelisk.runtime.host.wasi.driving import NewGuest
from obelisk.runtime.host.wasi.guests import LoneGuest
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime import cache, room
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings, activity_settings, workflow_settings
from obelisk.runtime.ports import guest
from obelisk.runtime.ports.access import NO_ACCESS, Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasi:
    """Who makes the WASI of a component's guests, each at its start, for the context given to `Prepared.start`.

    Asked when a component is prepared, on that thread; ComponentError when it asks for what it cannot have. Workflows
    that need WASI are refused without `workflows`.
    """

    activities: Callable[[Access], NewGuest]
    workflows: Callable[[Access], NewGuest] | None = None


def _lone(context: object) -> LoneGuest:
    return LoneGuest(context, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0))


LONE: Final = Wasi(activities=lambda _: _lone)
"""For guests that no event loop drives: they sleep on their thread, and what they print is dropped."""


class WasmtimeHost:
    """See `guest.Host`. Engines start their ticker threads when they are first needed."""

    def __init__(self, folder: Path | None, wasi: Wasi = LONE) -> None:
        """Compiled components are kept in `folder`; None: nowhere."""
        self._folder, self._wasi = folder, wasi
        self.room: guest.Room = room.PROCESS
        self._lock = threading.Lock()
        self._caches: dict[tuple[bool, EngineSettings], component.ComponentCache] = {}
        self._engines: list[Engine] = []

    def to_binary(self, source: bytes) -> bytes:
        """A component binary from a binary or component text; ComponentError with the place."""
        return component.to_binary(source)

    def prepare(
        self,
        binary: bytes,
        *,
        workflow: bool,
        declared: Sequence[Interface],
        exports: Sequence[guest.ExportFunction],
        imports: Sequence[guest.ImportFunction],
        resources: Sequence[guest.ImportResource],
        access: Access = NO_ACCESS,
        limits: guest.Limits = guest.DEFAULT_LIMITS,
    ) -> guest.Prepared:
        """Compiled (or found in the cache) and linked, ready for many starts; ComponentError, ImportRefused."""
        compiled = self._cache(workflow, _settings(workflow, limits)).compile(binary)
        of_fiber = Limits(
            memory_bytes=limits.memory_bytes,
            table_elements=limits.table_elements,
            instances=limits.instances,
            fuel=limits.fuel,
        )
        make = self._wasi.workflows if workflow else self._wasi.activities
        if make is None or not any(name.startswith("wasi:") for name in compiled.imports):
            return instance.prepare(compiled, exports=exports, imports=imports, resources=resources, limits=of_fiber)
        return driving.prepare(
            compiled,
            declared=declared,
            new_guest=make(access),
            exports=exports,
            imports=imports,
            resources=resources,
            calls=WITH_HTTP,
            limits=of_fiber,
        )

    def prune_cache(self, *, max_bytes: int, unused_s: float) -> int:
        """Remove what the cache has beyond its bounds, as `cache.prune` has it; how many files. On any thread."""
        return 0 if self._folder is None else cache.prune(self._folder, max_bytes=max_bytes, unused_s=unused_s)

    def _cache(self, workflow: bool, settings: EngineSettings) -> component.ComponentCache:
        with self._lock:
            found = self._caches.get((workflow, settings))
            if found is None:
                engine = Engine(settings)
                self._engines.append(engine)
                found = self._caches[workflow, settings] = component.ComponentCache(engine, self._folder)
        return found

    def close(self) -> None:
        """Stop the engines; after the last fiber is closed."""
        for engine in self._engines:
            engine.close()
        self._engines.clear()
        self._caches.clear()


def _settings(workflow: bool, limits: guest.Limits) -> EngineSettings:
    """The engine of a component: the common one, unless it counts fuel or has a stack of its own size."""
    settings = workflow_settings() if workflow else activity_settings()
    if limits.fuel is None and limits.stack_bytes == settings.wasm_stack_bytes:
        return settings
    others = settings.async_stack_bytes - settings.wasm_stack_bytes
    return EngineSettings(
        wasm_stack_bytes=limits.stack_bytes,
        async_stack_bytes=limits.stack_bytes + others,
        tick_us=settings.tick_us,
        fuel=limits.fuel is not None,
    )
