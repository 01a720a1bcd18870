"""Compiling components, with a cache on disk that several processes may share.

A cache entry is ``<digest>-<fingerprint>.cwasm``: wasmtime's compiled code followed by a seal (magic and SHA-256 of the
code), since wasmtime maps it as executable code and checks only its headers. Entries are written beside and renamed, so
that none is seen half; one that does not verify is built again. A cache that cannot be written costs time, never the
result.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import wasmtime
from wasmtime.component import Component

from obelisk.runtime.errors import ComponentError
from obelisk.runtime.host.engine import Engine

_log = logging.getLogger(__name__)
_MAGIC: Final = b"\0asm"
_CORE_LAYER: Final = b"\x01\x00\x00\x00"
_HEADER_SIZE: Final = 8
_SEAL: Final = b"obelisk1"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A compiled component: its digest, what it was compiled for, and the names of the instances it imports.

    `pooled`: the same for the engine's pool, None when the component needs more than a slot of it holds.
    """

    digest: str
    engine: Engine
    raw: Component
    pooled: Component | None
    imports: tuple[str, ...]


class ComponentCache:
    """Compiles for one engine; `folder` None keeps nothing on disk. Safe from any thread; compiling is not shared."""

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        self._engine, self._folder = engine, folder

    def compile(self, binary: bytes) -> Compiled:
        """The compiled form of a component's binary; `ComponentError` when it is none. Takes seconds for a large one
        that is not in the cache, milliseconds otherwise."""
        _require_component(binary)
        digest = digest_of(binary)
        entry = None if self._folder is None else self._entry(self._folder, digest)
        component = None if entry is None else self._load(entry)
        if component is None:
            try:
                component = Component(self._engine.raw, binary)
            except wasmtime.WasmtimeError as error:
                raise ComponentError(f"the file is no valid component: {_one_line(error)}", digest=digest) from None
            if entry is not None:
                _save(entry, bytes(component.serialize()))
        imports = tuple(component.type.imports(self._engine.raw))
        pooled = self._pooled(component, digest)
        return Compiled(digest=digest, engine=self._engine, raw=component, pooled=pooled, imports=imports)

    def _pooled(self, component: Component, digest: str) -> Component | None:
        pool = self._engine.pool
        if pool is None:
            return None
        try:
            return Component.deserialize(pool.raw, component.serialize())
        except wasmtime.WasmtimeError as error:
            _log.info("%s runs outside the pool of memory for guests: %s", digest, _one_line(error))
            return None

    def _entry(self, folder: Path, digest: str) -> Path:
        return folder / f"{digest.removeprefix('sha256:')}-{self._engine.fingerprint}.cwasm"

    def _load(self, entry: Path) -> Component | None:
        try:
            if not _is_sealed(entry.read_bytes()):
                _log.warning("compiled component %s is damaged; building it again", entry.name)
                return None
            return Component.deserialize_file(self._engine.raw, str(entry))
        except FileNotFoundError:
            return None
        except (OSError, wasmtime.WasmtimeError) as error:
            _log.warning("compiled component %s cannot be used (%s); building it again", entry.name, _one_line(error))
            return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _is_sealed(data: bytes) -> bool:
    seal_size = len(_SEAL) + hashlib.sha256().digest_size
    code, seal = memoryview(data)[:-seal_size], data[-seal_size:]
    return seal == _SEAL + hashlib.sha256(code).digest()


def _save(entry: Path, code: bytes) -> None:
    """Write an entry whole or not at all; a failure is logged."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=entry.name, dir=entry.parent)
    except OSError as error:
        _log.warning("the component cache cannot be written: %s", error)
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(code + _SEAL + hashlib.sha256(code).digest())
        os.replace(name, entry)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        _log.warning("the component cache cannot be written: %s", error)
