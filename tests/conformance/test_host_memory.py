"""What the host keeps for a guest is bounded: guests that make it keep as much as they can, and what came of it."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.names import InterfaceName
from obelisk.codegen.model.types import OwnType, Primitive, ResourceType, TypeDef
from obelisk.runtime.host.component import ComponentCache, to_binary
from obelisk.runtime.host.instance import prepare
from obelisk.runtime.host.wasi.calls.http import WITH_HTTP
from obelisk.runtime.host.wasi.driving import WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.io.table import HANDLE_BYTES
from obelisk.runtime.host.wasi.memory import SharedMemory
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import (
    HostMemory,
    ImportFunction,
    ImportResource,
    Returned,
    Trapped,
    TrapReason,
    Yielded,
)
from wasi_runs import GUESTS, exported, prepared, run

MIB = 1 << 20
U32 = Primitive.U32
EXPORTS = {
    name: exported("test:wasi/hoarders@1.0.0", name, U32, n=U32, size=U32)
    for name in ("paths", "dropped-paths", "same-path", "headers", "values")
}


class Watched(SharedMemory):
    """Remembers the most that was kept."""

    __slots__ = ("most",)

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.most = 0

    def try_take(self, size: int) -> bool:
        fits = super().try_take(size)
        self.most = max(self.most, self.used)
        return fits


def new_guest(memory: object) -> ActivityGuest:
    assert isinstance(memory, HostMemory)
    return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0), memory=memory)


@pytest.fixture(scope="module")
def hoarders() -> Iterator[WasiPrepared]:
    with Engine(activity_settings()) as engine:
        source = (GUESTS / "hoarders.wat").read_bytes()
        yield prepared(ComponentCache(engine, None), source, EXPORTS.values(), new_guest, WITH_HTTP)


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("paths", 9_000, 140_000),
        ("paths", 9_000, 16),
        ("headers", 9_000, 60_000),
        ("headers", 9_000, 0),
        ("values", 9_000, 5_000),
    ],
)
@pytest.mark.parametrize("limit", [MIB, 8 * MIB])
def test_a_hoarder_is_out_of_memory(hoarders: WasiPrepared, name: str, count: int, size: int, limit: int) -> None:
    memory = Watched(limit)
    tracemalloc.start()
    try:
        ended = run(hoarders, EXPORTS[name], count, size, context=memory)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(ended, Trapped)
    assert ended.reason is TrapReason.OUT_OF_MEMORY
    assert ended.message.endswith(f"more: {limit} are allowed (max_host_bytes)")
    assert memory.most <= limit
    assert peak < 1.5 * limit + 3 * MIB, "what was counted is what was kept, and the arguments of a call or two"
    gc.collect()
    assert memory.used == 0, "all was given back"


@pytest.mark.parametrize("name", ["dropped-paths", "same-path"])
def test_what_is_dropped_does_not_count(hoarders: WasiPrepared, name: str) -> None:
    memory = Watched(MIB)
    assert run(hoarders, EXPORTS[name], 500, 140_000, context=memory) == Returned(1)
    assert memory.most < 4 * 140_000
    assert memory.used == 0


def test_handles_without_data_are_bounded_in_number(hoarders: WasiPrepared) -> None:
    memory = Watched(64 * MIB)
    ended = run(hoarders, EXPORTS["headers"], 20_000, 0, context=memory)
    assert isinstance(ended, Trapped)
    assert (ended.reason, ended.message) == (
        TrapReason.OUT_OF_MEMORY,
        "the guest holds 10000 resources and asks for another",
    )
    assert memory.most < 10_000 * 2 * HANDLE_BYTES


# --- handles that WASI's table does not know --------------------------------------------------------------------------
MAKER = """(component
  (import "test:h/sets@1.0.0" (instance $h
    (export "set" (type $set (sub resource))) (export "make" (func (result (own $set))))))
  (type $own (resource (rep i32)))
  (core func $make (canon lower (func $h "make")))
  (core func $new (canon resource.new $own))
  (core module $m
    (import "h" "make" (func $make (result i32)))
    (import "h" "new" (func $new (param i32) (result i32)))
    (func (export "of-the-host") (param $n i32) (result i32)
      (loop $l (drop (call $make)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.const 1))
    (func (export "of-its-own") (param $n i32) (result i32)
      (loop $l (drop (call $new (i32.const 1))) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (i32.const 1)))
  (core instance $c (instantiate $m (with "h" (instance (export "make" (func $make)) (export "new" (func $new))))))
  (func $of-the-host (param "n" u32) (result u32) (canon lift (core func $c "of-the-host")))
  (func $of-its-own (param "n" u32) (result u32) (canon lift (core func $c "of-its-own")))
  (instance (export "test:h/guest@1.0.0")
    (export "of-the-host" (func $of-the-host)) (export "of-its-own" (func $of-its-own))))"""
SET = TypeDef(name="set", owner=InterfaceName.parse("test:h/sets@1.0.0"), body=ResourceType())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("name", ["of-the-host", "of-its-own"])
def test_a_full_table_of_the_store_ends_the_guest(name: str, waits: bool) -> None:
    """The host never hands out so many by itself; a table that is full must not look like an answer of a wrong type."""
    reps = itertools.count(1)
    make = ImportFunction(
        interface="test:h/sets@1.0.0",
        function=Function(name="make", params=(), result=OwnType(SET)),
        handler=lambda _context, _args: next(reps),
        waits=waits,
    )
    sets = ImportResource(interface="test:h/sets@1.0.0", name="set", dropped=lambda _context, _rep: None)
    export = exported("test:h/guest@1.0.0", name, U32, n=U32)
    with Engine(activity_settings()) as engine:
        compiled = ComponentCache(engine, None).compile(to_binary(MAKER.encode()))
        ready = prepare(compiled, exports=[export], imports=[make], resources=[sets])
        fiber = ready.start(export, [10_000_000], None)
        while isinstance(polled := fiber.poll(), Yielded):
            pass
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.OUT_OF_MEMORY
    assert "cannot allocate another handle" in polled.message
