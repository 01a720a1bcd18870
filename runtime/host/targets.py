"""What a fiber runs, where, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from obelisk.runtime.host.abi.function import Exported
from obelisk.runtime.host.wasmtime.natives import Closable

MEMORIES: Final = 8
TABLES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one fiber may use; None is no limit. `memory_bytes` is of each memory, `table_elements` of each table;
    with `instances` go at most `MEMORIES` memories and `TABLES` tables. `fuel` needs an engine with fuel and then
    defaults to none left."""

    memory_bytes: int | None = None
    table_elements: int | None = None
    instances: int | None = None
    fuel: int | None = None
    output_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a function is run: the addresses of wasmtime's engine, linker, component and export index, which the
    `Natives` that a fiber uses keep alive; the index itself; and the linker's callbacks, to be held as long."""

    engine: int
    linker: int
    component: int
    export: int
    index: Closable
    callbacks: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The function to call: its signature, where it can be run at any time, and where if a slot of the pool is free."""

    signature: Exported
    plain: Place
    pooled: Place | None
