"""`WasmtimeHost`: the runtime's `guest.Host` over wasmtime: two engines, one cache of compiled components.

Workflows run deterministically and without WASI; activities get wasmtime's native WASI without network when they import
any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from obelisk.runtime import guest
from obelisk.runtime.host import component, instance
from obelisk.runtime.host.engine import Engine, activity_settings, workflow_settings


class WasmtimeHost:
    """See `guest.Host`. Engines start their ticker threads when they are first needed."""

    def __init__(self, cache: Path | None) -> None:
        self._folder = cache
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
        return instance.prepare(
            compiled,
            exports=exports,
            imports=imports,
            resources=resources,
            wasi=not workflow and any(name.startswith("wasi:") for name in compiled.imports),
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
