"""`WasmtimeHost` with our WASI: who gets it, and that other handlers still get their own context."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from obelisk.codegen.model.items import Function
from obelisk.codegen.model.types import Primitive
from obelisk.runtime.catalog.description import describe
from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host.guests import Wasi, WasmtimeHost
from obelisk.runtime.host.wasi.driving import WasiFiber, WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest, WorkflowGuest
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.ports.guest import ImportFunction, JsonValue, Pending, Returned, Trapped, TrapReason
from wasi_runs import ended, exported

GUEST = b"""(component
  (import "test:w/owner@1.0.0" (instance $owner (export "ask" (func (result u64)))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $t (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $t)))
    (export "now" (func (result $datetime)))))
  (core module $Memory (memory (export "memory") 1))
  (core instance $memory (instantiate $Memory))
  (core func $ask (canon lower (func $owner "ask")))
  (core func $now (canon lower (func $clock "now") (memory (core memory $memory "memory"))))
  (core module $Main
    (import "h" "memory" (memory 1))
    (import "h" "ask" (func $ask (result i64)))
    (import "h" "now" (func $now (param i32)))
    (func (export "sum") (result i64)
      (call $now (i32.const 8))
      (i64.add (call $ask) (i64.load (i32.const 8)))))
  (core instance $main (instantiate $Main (with "h" (instance
    (export "memory" (memory $memory "memory")) (export "ask" (func $ask)) (export "now" (func $now))))))
  (func $sum (result u64) (canon lift (core func $main "sum")))
  (instance $exports (export "sum" (func $sum)))
  (export "test:w/guest@1.0.0" (instance $exports)))"""
SUM = exported("test:w/guest@1.0.0", "sum", Primitive.U64)


class Fixed(SystemClock):
    """2,000 seconds after 1970, for activities and workflows alike."""

    def wall_ns(self) -> int:
        return 2_000 * 10**9

    def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
        return answer()


def activity(context: object) -> ActivityGuest:
    return ActivityGuest(context, Fixed(), randomness=SystemRandomness(), output=BoundedOutput(0))


def workflow(context: object) -> WorkflowGuest:
    return WorkflowGuest(context, Fixed(), randomness=SystemRandomness(), output=BoundedOutput(0))


@pytest.fixture
def host() -> Iterator[WasmtimeHost]:
    made = WasmtimeHost(None, Wasi(activities=lambda _: activity))
    yield made
    made.close()


def prepared(host: WasmtimeHost, source: bytes, *, as_workflow: bool) -> WasiPrepared:
    def ask(owner: Any, _args: list[JsonValue]) -> JsonValue:
        assert isinstance(owner, list)
        return len(owner)  # pyright: ignore[reportUnknownArgumentType] -- a list of whatever

    asked = ImportFunction(
        interface="test:w/owner@1.0.0", function=Function(name="ask", result=Primitive.U64), handler=ask, waits=False
    )
    binary = host.to_binary(source)
    ready = host.prepare(
        binary,
        workflow=as_workflow,
        declared=describe(binary).imports,
        exports=[SUM],
        imports=[asked],
        resources=(),
    )
    assert isinstance(ready, WasiPrepared)
    return ready


def run(ready: WasiPrepared) -> object:
    fiber: WasiFiber = ready.start(SUM, [], ["context", "of", "three"])
    return asyncio.run(ended(fiber))


def test_an_activity_gets_it_and_other_handlers_their_own_context(host: WasmtimeHost) -> None:
    ready = prepared(host, GUEST, as_workflow=False)
    assert run(ready) == Returned(2_003)


def test_a_workflow_gets_it_when_there_is_one_for_workflows(host: WasmtimeHost) -> None:
    with pytest.raises(ImportRefused, match="wasi:clocks/wall-clock"):
        prepared(host, GUEST, as_workflow=True)
    for_both = WasmtimeHost(None, Wasi(activities=lambda _: activity, workflows=lambda _: workflow))
    assert run(prepared(for_both, GUEST, as_workflow=True)) == Returned(2_003)
    for_both.close()


def test_a_component_with_types_of_its_own_traps(host: WasmtimeHost) -> None:
    """The names are those of WASI, what they stand for is not: nothing but the guest comes to harm."""
    source = GUEST.replace(b'(field "seconds" u64)', b'(field "minutes" u64)')
    polled = run(prepared(host, source, as_workflow=False))
    assert isinstance(polled, Trapped)
    assert polled.reason is TrapReason.HOST
    assert "record with minutes" in polled.message
