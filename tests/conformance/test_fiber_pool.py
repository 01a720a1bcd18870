"""Guests in slots of a pool: reused clean, given back however a guest ends, and never a reason to refuse one."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import Primitive
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.component import ComponentCache, to_binary
from obelisk.runtime.host.errors import Stopped
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.wasmtime import room
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings, engine_config
from obelisk.runtime.host.wasmtime.pooling import SLOT_MAPS, SPARE_SLOTS, Pool, PoolSize, open_pool
from obelisk.runtime.host.wasmtime.room import SystemMeasures
from obelisk.runtime.ports.guest import PENDING, ExportFunction, ImportFunction, Returned, Trapped, Waiting, Yielded

GUEST = """(component
  (import "test:p/host" (instance $host (export "wait" (func (param "n" u32) (result u32)))))
  (core func $wait (canon lower (func $host "wait")))
  (core module $m
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (memory 2) {memories}
    (global $calls (mut i32) (i32.const 0))
    (data (i32.const 8) "\\07")
    ;; what stands at 8, 70000 and in the global; each is overwritten with n
    (func (export "seen") (param $n i32) (result i32) (local $seen i32)
      (local.set $seen (i32.add (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 70000))) (global.get $calls)))
      (i32.store (i32.const 8) (local.get $n))
      (i32.store (i32.const 70000) (local.get $n))
      (global.set $calls (local.get $n))
      (local.get $seen))
    (func (export "wait") (param $n i32) (result i32) (call $wait (local.get $n)))
    (func (export "trap") (param i32) (result i32) (unreachable)))
  (core instance $c (instantiate $m (with "h" (instance (export "wait" (func $wait))))))
  (func $seen (param "n" u32) (result u32) (canon lift (core func $c "seen")))
  (func $wait2 (param "n" u32) (result u32) (canon lift (core func $c "wait")))
  (func $trap (param "n" u32) (result u32) (canon lift (core func $c "trap")))
  (instance $e (export "seen" (func $seen)) (export "wait" (func $wait2)) (export "trap" (func $trap)))
  (export "test:p/guest" (instance $e)))"""


def function(name: str) -> Function:
    return Function(name=name, params=(Param("n", Primitive.U32),), result=Primitive.U32)


EXPORTS = {name: ExportFunction(interface="test:p/guest", function=function(name)) for name in ("seen", "wait", "trap")}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(EngineSettings(pool_slots=2)) as engine:
        yield engine
        assert fibers.live_count() == 0
        assert taken(engine) == 0, "a slot leaked"


def pool_of(engine: Engine) -> Pool:
    assert engine.pool is not None
    return engine.pool


def taken(engine: Engine) -> int:
    return pool_of(engine).taken


def ready(engine: Engine, *, memories: str = "") -> Prepared:
    compiled = ComponentCache(engine, None).compile(to_binary(GUEST.format(memories=memories).encode()))

    def wait(_context: Any, _args: list[Any]) -> Any:
        return PENDING

    imports = [ImportFunction(interface="test:p/host", function=function("wait"), handler=wait)]
    return prepare(compiled, exports=list(EXPORTS.values()), imports=imports)


def start(guest: Prepared, name: str, n: int = 1) -> Fiber:
    return guest.start(EXPORTS[name], [n], None)


def end(fiber: Fiber) -> Any:
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    return polled


def test_a_slot_is_clean_for_its_next_guest(engine: Engine) -> None:
    guest = ready(engine)
    for n in range(1, 50):
        fiber = start(guest, "seen", n * 1000)
        assert taken(engine) == 1
        assert end(fiber) == Returned(7), "a guest saw what another one left"
        assert taken(engine) == 0


def test_guests_beyond_the_slots_run_all_the_same(engine: Engine) -> None:
    guest = ready(engine)
    waiting = [start(guest, "wait", n) for n in range(5)]
    assert [end(fiber) for fiber in waiting] == [Waiting()] * 5
    assert taken(engine) == 2
    for n, fiber in enumerate(waiting):
        fiber.resume(10 + n)
        assert end(fiber) == Returned(10 + n)
    assert taken(engine) == 0


def test_a_slot_is_given_back_by_traps_closes_and_wrong_arguments(engine: Engine) -> None:
    guest = ready(engine)
    assert isinstance(end(start(guest, "trap")), Trapped)
    abandoned = start(guest, "wait")
    assert end(abandoned) == Waiting()
    assert taken(engine) == 1
    abandoned.close()
    abandoned.close()
    with pytest.raises(Exception, match="expected"):
        guest.start(EXPORTS["seen"], ["no number"], None)
    assert taken(engine) == 0
    assert end(start(guest, "seen")) == Returned(7)


def test_a_component_that_needs_more_than_a_slot_runs_outside(engine: Engine) -> None:
    guest = ready(engine, memories="(memory 1)")
    fiber = start(guest, "seen", 5)
    assert taken(engine) == 0
    assert end(fiber) == Returned(7)


def test_no_pool_where_there_is_no_room_for_it() -> None:
    """A process whose address space is limited (`ulimit -v`) starts its guests without."""
    program = """
import logging, resource
resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
logging.basicConfig(level=logging.WARNING)
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings
with Engine(EngineSettings(pool_slots=1000)) as engine:
    print(engine.pool)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "None\n"
    assert "no pool of memory for guests" in done.stderr


@pytest.mark.parametrize(
    ("slots", "stack_bytes"), [(1, 3 << 20), (2, (3 << 20) + 5), (7, 1 << 20), (200, 3 << 20), (1000, 3 << 20)]
)
def test_a_pool_takes_what_was_computed(slots: int, stack_bytes: int) -> None:
    """But for a KiB of notes for each slot: the trial that keeps wasmtime from ending the process depends on it."""
    measures = SystemMeasures()
    settings = EngineSettings(async_stack_bytes=stack_bytes, wasm_stack_bytes=1 << 19)
    before, maps = measures.address_bytes(), measures.maps()
    pool = open_pool(slots, stack_bytes, lambda: engine_config(settings), room.PROCESS)
    assert pool is not None
    size = PoolSize(slots + SPARE_SLOTS, stack_bytes)
    notes = size.slots * 1024 + (1 << 20)
    assert size.total <= measures.address_bytes() - before <= size.total + notes
    assert measures.maps() - maps <= size.maps
    pool.raw.close()
    assert measures.address_bytes() <= before + notes


def test_a_slot_in_use_takes_no_more_maps_than_were_computed(engine: Engine) -> None:
    del engine
    with Engine(EngineSettings(pool_slots=200)) as large:
        guest = ready(large)
        before = SystemMeasures().maps()
        waiting = [start(guest, "wait", n) for n in range(200)]
        assert [end(fiber) for fiber in waiting] == [Waiting()] * 200
        used = SystemMeasures().maps() - before
        # A stack and its guard page were mapped before; the process itself may map a little meanwhile.
        assert used <= 200 * (SLOT_MAPS - 2) + 20
        for fiber in waiting:
            fiber.close()


# --- closing --------------------------------------------------------------------------------------------------------
def test_engines_of_equal_settings_share_a_pool_until_the_last_is_closed() -> None:
    before = SystemMeasures().address_bytes()
    with Engine(EngineSettings(pool_slots=3)) as one:
        with Engine(EngineSettings(pool_slots=3)) as other:
            assert other.pool is one.pool
        assert end(start(ready(one), "seen")) == Returned(7)
        with Engine(EngineSettings(pool_slots=3)) as third:
            assert third.pool is one.pool
        with Engine(EngineSettings(pool_slots=4)) as different:
            assert different.pool is not one.pool
    assert SystemMeasures().address_bytes() < before + (1 << 30)


def test_nothing_starts_once_the_engine_is_closed() -> None:
    with Engine(EngineSettings(pool_slots=3)) as kept, Engine(EngineSettings(pool_slots=3)) as closed:
        guest, compiled = ready(closed), ComponentCache(closed, None)
        closed.close()
        with pytest.raises(Stopped, match="component was closed"):
            start(guest, "seen")
        with pytest.raises(Stopped, match="engine was closed"):
            compiled.compile(to_binary(GUEST.format(memories="").encode()))
        assert end(start(ready(kept), "seen")) == Returned(7)
        assert fibers.live_count() == 0


def test_a_guest_that_runs_on_keeps_what_it_runs_in() -> None:
    """A thread may be in a guest when its owner gives up; what wasmtime reads by address must not go before it."""
    before = SystemMeasures().address_bytes()
    engine = Engine(EngineSettings(pool_slots=3))
    guest = ready(engine)
    begun, waiting = start(guest, "seen"), start(guest, "wait")
    assert end(waiting) == Waiting()
    engine.close()
    assert SystemMeasures().address_bytes() > before + (12 << 30)
    waiting.resume(1)
    for fiber in (begun, waiting):
        with pytest.raises(Stopped, match="engine was closed"):
            fiber.poll()
    assert SystemMeasures().address_bytes() < before + (1 << 30)


def test_a_component_that_is_closed_finishes_its_guests(engine: Engine) -> None:
    guest = ready(engine)
    waiting = start(guest, "wait")
    assert end(waiting) == Waiting()
    guest.close()
    with pytest.raises(Stopped, match="component was closed"):
        start(guest, "seen")
    waiting.resume(5)
    assert end(waiting) == Returned(5)


def test_components_that_are_dropped_leave_nothing(engine: Engine) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(80):  # until every slot of the pool was in use
            assert end(start(ready(engine), "seen")) == Returned(7)
        before = SystemMeasures().maps()
        for _ in range(200):
            assert end(start(ready(engine), "seen")) == Returned(7)
        assert SystemMeasures().maps() < before + 50
    finally:
        gc.enable()
