"""Fibers and threads: any thread may poll, exceptions stay with their fiber, spinning guests yield and stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from obelisk.codegen.model.items import Function, Param
from obelisk.codegen.model.types import Primitive
from obelisk.runtime.host.component import ComponentCache, to_binary
from obelisk.runtime.host.errors import Stopped
from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.instance import Prepared, prepare
from obelisk.runtime.host.wasmtime.engine import Engine, EngineSettings, workflow_settings
from obelisk.runtime.ports.guest import (
    PENDING,
    ExportFunction,
    ImportFunction,
    JsonValue,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)

GUEST = """(component
  (import "test:f/host@1.0.0" (instance $i (export "host" (func (param "n" u32) (result u32)))))
  (alias export $i "host" (func $host))
  (core func $h (canon lower (func $host)))
  (core module $m
    (import "h" "host" (func $h (param i32) (result i32)))
    (func (export "call") (param i32) (result i32) (call $h (local.get 0)))
    (func (export "spin") (param i32) (result i32) (loop $l (br $l)) (unreachable)))
  (core instance $c (instantiate $m (with "h" (instance (export "host" (func $h))))))
  (func $call (param "n" u32) (result u32) (canon lift (core func $c "call")))
  (func $spin (param "n" u32) (result u32) (canon lift (core func $c "spin")))
  (instance $e (export "call" (func $call)) (export "spin" (func $spin)))
  (export "test:f/guest@1.0.0" (instance $e)))"""
U32 = Primitive.U32


def function(name: str) -> Function:
    return Function(name=name, params=(Param("n", U32),), result=U32)


CALL, SPIN = (ExportFunction(interface="test:f/guest@1.0.0", function=function(name)) for name in ("call", "spin"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workflow_settings()) as engine:
        yield engine


def ready(engine: Engine, handler: Callable[[Any, list[JsonValue]], Any], *, waits: bool = True) -> Prepared:
    compiled = ComponentCache(engine, None).compile(to_binary(GUEST.encode()))
    host = ImportFunction(interface="test:f/host@1.0.0", function=function("host"), handler=handler, waits=waits)
    return prepare(compiled, exports=[CALL, SPIN], imports=[host])


def poll(fiber: Fiber) -> Poll:
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    return polled


class Mine(Exception):
    pass


@pytest.mark.parametrize("waits", [True, False])
def test_each_thread_gets_its_own_exception(engine: Engine, waits: bool) -> None:
    def handler(context: Any, args: list[JsonValue]) -> Any:
        time.sleep(0)
        raise Mine(context, args[0])

    prepared = ready(engine, handler, waits=waits)

    def work(thread: int) -> int:
        for n in range(60):
            with pytest.raises(Mine) as caught:
                poll(prepared.start(CALL, [n], thread))
            assert caught.value.args == (thread, n)
        return thread

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(8))) == list(range(8))


def test_a_fiber_moves_between_threads_at_every_step(engine: Engine) -> None:
    prepared = ready(engine, lambda _context, _args: PENDING)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        waiting = [first.submit(prepared.start, CALL, [n], None).result() for n in range(50)]
        assert all(second.submit(poll, fiber).result() == Waiting() for fiber in waiting)
        for n, fiber in enumerate(waiting):
            fiber.resume(n)
        assert [first.submit(poll, fiber).result() for fiber in waiting] == [Returned(n) for n in range(50)]
        spinning = prepared.start(SPIN, [0], None)
        for pool in (first, second) * 3:
            assert pool.submit(spinning.poll).result() == Yielded()
        second.submit(spinning.close).result()


def test_many_threads_poll_many_fibers(engine: Engine) -> None:
    def handler(context: Any, args: list[JsonValue]) -> Any:
        assert args == [context]
        return PENDING

    prepared = ready(engine, handler)

    def work(thread: int) -> list[Poll]:
        mine = [(n, prepared.start(CALL, [n], n)) for n in range(thread * 100, thread * 100 + 100)]
        for n, fiber in mine:
            assert poll(fiber) == Waiting()
            fiber.resume(n)
        return [poll(fiber) for _, fiber in mine]

    with ThreadPoolExecutor(6) as pool:
        results = [polled for part in pool.map(work, range(6)) for polled in part]
    assert results == [Returned(n) for n in range(600)]


def test_two_threads_cannot_poll_one_fiber(engine: Engine) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def handler(_context: Any, args: list[JsonValue]) -> Any:
        inside.set()
        assert go_on.wait(120)
        return args[0]

    fiber = ready(engine, handler).start(CALL, [1], None)
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(poll, fiber)
        assert inside.wait(120)
        with pytest.raises(Stopped, match="being polled"):
            fiber.poll()
        with pytest.raises(Stopped, match="being polled"):
            fiber.close()
        go_on.set()
        assert polling.result() == Returned(1)


def test_spinning_guests_share_a_thread(engine: Engine) -> None:
    prepared = ready(engine, lambda _context, _args: PENDING)
    spinning = [prepared.start(SPIN, [n], None) for n in range(3)]
    for _ in range(5):
        for fiber in spinning:
            before = engine.ticker.ticks
            assert fiber.poll() == Yielded()
            assert engine.ticker.ticks > before  # it had a tick to itself, and no more was asked of it
    for fiber in spinning:
        fiber.close()


def test_a_spinning_guest_is_stopped_from_another_thread(engine: Engine) -> None:
    fiber = ready(engine, lambda _context, _args: PENDING).start(SPIN, [0], None)
    threading.Timer(0.05, fiber.interrupt).start()
    polled = poll(fiber)
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.TIMED_OUT
    assert fiber.is_closed


def tickers() -> int:
    return sum(thread.name == "obelisk-ticker" for thread in threading.enumerate())


def test_an_engine_has_one_ticker_which_sleeps_and_stops() -> None:
    before = tickers()
    with Engine(EngineSettings(tick_us=1_000)) as engine:
        prepared = ready(engine, lambda _context, _args: PENDING)
        for _ in range(3):
            with prepared.start(SPIN, [0], None) as fiber:
                assert fiber.poll() == Yielded()
            time.sleep(0.03)  # falls asleep
            ticks = engine.ticker.ticks
            time.sleep(0.03)
            assert engine.ticker.ticks == ticks
        assert tickers() == before + 1
        waiting = prepared.start(CALL, [1], None)
        assert poll(waiting) == Waiting()
    engine.close()
    waiting.resume(1)
    with pytest.raises(Stopped, match="engine was closed"):
        waiting.poll()
    assert waiting.is_closed
    assert tickers() == before
