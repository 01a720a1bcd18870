"""`WasmtimeHost`: the runtime's `guest.Host` over wasmtime: two engines, one cache of compiled components.

Guests that import `wasi:*` get ours (`host.wasi`); who makes the WASI of a guest is handed in. wasmtime's native WASI
is nowhere used: it blocks its thread, knows no policy and nothing of replays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from obelisk.codegen.model.items import Interface
from obelisk.runtime import guest
from obelisk.runtime.access import NO_ACCESS, Access
from obelisk.runtime.host import component, instance
from obelisk.runtime.host.engine import Engine, activity_settings, workflow_settings
from obelisk.runtime.host.wasi import driving
from obelisk.runtime.host.wasi.driving import NewGuest
from obelisk.runtime.host.wasi.guests import LoneGuest
from obelisk.runtime.host.wasi.http_calls import WITH_HTTP
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness


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
"""For guests that nobody drives by an event loop: they sleep on their thread, and what they print is dropped."""


class WasmtimeHost:
    """See `guest.Host`. Engines start their ticker threads when they are first needed."""

    def __init__(self, cache: Path | None, wasi: Wasi = LONE) -> None:
        self._folder, self._wasi = cache, wasi
        self._caches: dict[bool, component.ComponentCache] = {}
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
    ) -> guest.Prepared:
        """Compiled (or found in the cache) and linked, ready for many starts; ComponentError, ImportRefused."""
        compiled = self._cache(workflow).compile(binary)
        make = self._wasi.workflows if workflow else self._wasi.activities
        if make is None or not any(name.startswith("wasi:") for name in compiled.imports):
            return instance.prepare(compiled, exports=exports, imports=imports, resources=resources)
        return driving.prepare(
            compiled,
            declared=declared,
            new_guest=make(access),
            exports=exports,
            imports=imports,
            resources=resources,
            calls=WITH_HTTP,
        )

    def _cache(self, workflow: bool) -> component.ComponentCache:
        cache = self._caches.get(workflow)
        if cache is None:
            engine = Engine(workflow_settings() if workflow else activity_settings())
            self._engines.append(engine)
            cache = self._caches[workflow] = component.ComponentCache(engine, self._folder)
        return cache

    def close(self) -> None:
        """Stop the engines; after the last fiber is closed."""
        for engine in self._engines:
            engine.close()
        self._engines.clear()
        self._caches.clear()
