"""Slots for guests, reserved at once: a memory, tables and a stack that are mapped when a guest needs them.

wasmtime ends the process when it cannot map its pool. So what it is about to map is computed here, mapped for trial and
given back, while no other pool of this process is made; where that fails, guests do without.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import wasmtime

from obelisk.runtime.host.wasmtime import native
from obelisk.runtime.host.wasmtime.room import Room

_log = logging.getLogger(__name__)
_KIB: Final = 1024
SPARE_SLOTS: Final = 64
"""Slots beyond those given out: as many threads may take the last one at the same time."""
TABLES: Final = 16
"""Tables that a component may have in a slot; those of a CPython guest's modules fit."""
_TABLE_ELEMENTS: Final = 32 * _KIB
_ELEMENT_BYTES: Final = 8
MEMORY_BYTES: Final = 4 << 30
"""Address space of a memory, all that 32 bits reach: it grows in place."""
GUARD_BYTES: Final = 32 << 20
"""What lies before and behind a memory, so that compiled code need not check small offsets."""
SLOT_MAPS: Final = 5
"""Memory maps of a slot in use: the stack and its guard page, the memory's image, what it has grown to, the rest."""
_MARGIN_BYTES: Final = 1 << 30
"""Address space that must be left next to the pool: other threads map something between the trial and the pool."""
_NO_RESERVE: Final = 0x4000
"""``MAP_NORESERVE`` of Linux, which wasmtime passes too."""


@dataclass(frozen=True, slots=True)
class PoolSize:
    """What wasmtime maps for a pool of `slots` whose stacks have `stack_bytes`."""

    slots: int
    stack_bytes: int

    @property
    def memories(self) -> int:
        """Bytes of the memories' mapping, none of which may be touched yet."""
        return GUARD_BYTES + self.slots * (MEMORY_BYTES + GUARD_BYTES)

    @property
    def tables(self) -> int:
        """Bytes of the tables' mapping."""
        return self.slots * TABLES * _pages(_TABLE_ELEMENTS * _ELEMENT_BYTES)

    @property
    def stacks(self) -> int:
        """Bytes of the stacks' mapping: each has a guard page."""
        return self.slots * (_pages(self.stack_bytes) + mmap.PAGESIZE)

    @property
    def total(self) -> int:
        """Bytes of all."""
        return self.memories + self.tables + self.stacks

    @property
    def maps(self) -> int:
        """Memory maps, once all slots are in use."""
        return self.slots * SLOT_MAPS + 3


def _pages(size: int) -> int:
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE


class Pool:
    """A wasmtime engine whose guests live in slots; starting one takes a slot first. Safe from any thread."""

    def __init__(self, raw: wasmtime.Engine, slots: int) -> None:
        self.raw = raw
        self._slots = slots
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


def open_pool(slots: int, stack_bytes: int, config: Callable[[], wasmtime.Config], room: Room) -> Pool | None:
    """A pool of `slots` for guests of engines with that `config`, None where there is no room, which is logged.

    Not while another pool is being made.
    """
    size = PoolSize(slots + SPARE_SLOTS, stack_bytes)
    lacking = _lacking(size, room)
    if lacking:
        _log.warning("no pool of memory for guests (%s): they start more slowly", lacking)
        return None
    pooled = config()
    _configure(pooled, size.slots)
    return Pool(wasmtime.Engine(pooled), slots)


def _lacking(size: PoolSize, room: Room) -> str:
    """What the process has not enough of, "" if the pool fits."""
    left = room.maps_left()
    if left < size.maps:
        return f"it takes {size.maps} memory maps, {max(left, 0)} are left of vm.max_map_count"
    private, usable = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE, mmap.PROT_READ | mmap.PROT_WRITE
    wanted = ((size.memories + _MARGIN_BYTES, 0), (size.tables, usable), (size.stacks, usable))
    try:
        with contextlib.ExitStack() as trial:
            for count, protection in wanted:
                trial.enter_context(mmap.mmap(-1, count, flags=private, prot=protection))
    except OSError as error:
        return f"{size.total} bytes of address space: {error}"
    return ""


def _configure(config: wasmtime.Config, slots: int) -> None:
    native.config_pool(
        config.ptr(),
        total_stacks=slots,
        total_memories=slots,
        max_memories_per_component=1,
        total_tables=slots * TABLES,
        max_tables_per_component=TABLES,
        max_tables_per_module=TABLES,
        table_elements=_TABLE_ELEMENTS,
        total_core_instances=slots * 64,
        max_core_instances_per_component=64,
        total_component_instances=slots,
        # What a small guest touched is cleared in place, which costs less than to give it back and fault it in again.
        linear_memory_keep_resident=64 * _KIB,
        table_keep_resident=4 * _KIB,
    )
