"""`WasmtimeHost`: the runtime's `guest.Host` over wasmtime: two engines, one cache of compiled components.

With a `Wasi`, guests that import `wasi:*` get ours (`host.wasi`), and an activity that waits says Waiting; see
`wasi.driving`. Without one, workflows get no WASI, and activities wasmtime's native one without network, which blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from obelisk.codegen.model.items import Interface
from obelisk.runtime import guest
from obelisk.runtime.host import component, instance
from obelisk.runtime.host.engine import Engine, activity_settings, workflow_settings
from obelisk.runtime.host.wasi import driving
from obelisk.runtime.host.wasi.driving import NewGuest
from obelisk.runtime.host.wasi.http_calls import WITH_HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Wasi:
    """Our WASI: how to read what a component imports, and who makes the WASI of a guest at its start, for the context
    given to `Prepared.start`. Workflows that need it are refused without `new_workflow`."""

    imports_of: Callable[[bytes], Sequence[Interface]]
    new_activity: NewGuest
    new_workflow: NewGuest | None = None


class WasmtimeHost:
    """See `guest.Host`. Engines start their ticker threads when they are first needed."""

    def __init__(self, cache: Path | None, wasi: Wasi | None = None) -> None:
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
        exports: Sequence[guest.ExportFunction],
        imports: Sequence[guest.ImportFunction],
        resources: Sequence[guest.ImportResource],
    ) -> guest.Prepared:
        """Compiled (or found in the cache) and linked, ready for many starts; ComponentError, ImportRefused."""
        compiled = self._cache(workflow).compile(binary)
        imports_wasi = any(name.startswith("wasi:") for name in compiled.imports)
        new_guest = None
        if self._wasi is not None and imports_wasi:
            new_guest = self._wasi.new_workflow if workflow else self._wasi.new_activity
        if self._wasi is not None and new_guest is not None:
            return driving.prepare(
                compiled,
                declared=self._wasi.imports_of(binary),
                new_guest=new_guest,
                exports=exports,
                imports=imports,
                resources=resources,
                calls=WITH_HTTP,
            )
        return instance.prepare(
            compiled,
            exports=exports,
            imports=imports,
            resources=resources,
            wasi=not workflow and imports_wasi,
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
