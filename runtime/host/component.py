"""From the bytes of a component, binary or text, to one that wasmtime can start; compiled once, then from the cache."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import wasmtime
from wasmtime.component import Component

from obelisk.runtime.errors import ComponentError
from obelisk.runtime.host.wasmtime import cache
from obelisk.runtime.host.wasmtime.engine import Engine
from obelisk.runtime.host.wasmtime.natives import Natives

_log = logging.getLogger(__name__)
_MAGIC: Final = b"\0asm"
_CORE_LAYER: Final = b"\x01\x00\x00\x00"
_HEADER_SIZE: Final = 8
_SLOW_S: Final = 0.5


def to_binary(source: bytes) -> bytes:
    """A component's binary from its binary or its text form; `ComponentError` when it is neither, or a core module."""
    if source.startswith(_MAGIC):
        _require_component(source)
        return source
    if not source.strip():
        raise ComponentError("the file is empty: expected a component, binary or text")
    try:
        binary = bytes(wasmtime.wat2wasm(source.decode()))
    except UnicodeDecodeError:
        raise ComponentError("the file is neither a WebAssembly binary nor text") from None
    except wasmtime.WasmtimeError as error:
        raise ComponentError(
            f"the file is no WebAssembly binary and does not parse as component text: {error}"
        ) from None
    _require_component(binary)
    return binary


def digest_of(binary: bytes) -> str:
    """``sha256:<hex>`` of a component's binary."""
    return f"sha256:{hashlib.sha256(binary).hexdigest()}"


def _require_component(binary: bytes) -> None:
    if not binary.startswith(_MAGIC):
        raise ComponentError("the file is no WebAssembly binary")
    if binary[len(_MAGIC) : _HEADER_SIZE] == _CORE_LAYER:
        raise ComponentError(
            "the file is a core WebAssembly module, not a component; make one of it with `wasm-tools component new`"
        )
    if len(binary) < _HEADER_SIZE:
        raise ComponentError("the file ends within the WebAssembly header")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Compiled:
    """A compiled component: its digest, what it was compiled for, and the names of the instances it imports.

    `pooled`: the same for the engine's pool, None when the component needs more than a slot of it holds. `natives` own
    both.
    """

    digest: str
    engine: Engine
    raw: Component
    pooled: Component | None
    imports: tuple[str, ...]
    natives: Natives

    def close(self) -> None:
        """Delete it when all that was prepared from it is deleted; idempotent."""
        self.natives.close()


class ComponentCache:
    """Compiles for one engine; `folder` None keeps nothing on disk. Safe from any thread."""

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        self._engine, self._folder = engine, cache.usable(folder)

    def compile(self, binary: bytes) -> Compiled:
        """The compiled form of a component's binary; `ComponentError` when it is none. Takes seconds for a large one
        that is not in the cache, milliseconds otherwise. Stopped when the engine is closed."""
        _require_component(binary)
        with self._engine.natives.used():
            return self._compile(binary)

    def _compile(self, binary: bytes) -> Compiled:
        digest = digest_of(binary)
        file = None if self._folder is None else self._file(self._folder, digest)
        component = None if file is None else file.load(self._engine.raw, quietly=True)
        if component is None and file is not None:
            with file.alone():
                component = file.load(self._engine.raw)
                if component is None:
                    component = self._build(binary, digest)
                    file = file if file.save(bytes(component.serialize())) else None
        if component is None:
            component = self._build(binary, digest)
        imports = tuple(component.type.imports(self._engine.raw))
        pooled = self._pooled(component, file, digest)
        natives = Natives("component", *filter(None, (component, pooled)), parent=self._engine.natives)
        compiled = Compiled(
            digest=digest, engine=self._engine, raw=component, pooled=pooled, imports=imports, natives=natives
        )
        self._engine.own(compiled)
        return compiled

    def _build(self, binary: bytes, digest: str) -> Component:
        begin_s = time.perf_counter()
        try:
            component = Component(self._engine.raw, binary)
        except wasmtime.WasmtimeError as error:
            raise ComponentError(f"the file is no valid component: {_one_line(error)}", digest=digest) from None
        if (took_s := time.perf_counter() - begin_s) >= _SLOW_S:
            _log.info("compiled %s (%d KiB) in %.1f s", digest, len(binary) // 1024, took_s)
        return component

    def _pooled(self, component: Component, file: cache.CompiledFile | None, digest: str) -> Component | None:
        pool = self._engine.pool
        if pool is None:
            return None
        try:
            if file is not None:
                with contextlib.suppress(OSError):  # another process empties the cache at this very moment
                    return file.map(pool.raw)
            return Component.deserialize(pool.raw, component.serialize())
        except wasmtime.WasmtimeError as error:
            _log.info("%s runs outside the pool of memory for guests: %s", digest, _one_line(error))
            return None

    def _file(self, folder: Path, digest: str) -> cache.CompiledFile:
        return cache.CompiledFile(folder / f"{digest.removeprefix('sha256:')}-{self._engine.fingerprint}{cache.SUFFIX}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
