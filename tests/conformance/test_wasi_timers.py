"""Waiting, handles and exits over our WASI, with a guest written by hand: cheap enough to start a thousand of."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest

from obelisk.codegen.model.types import Primitive
from obelisk.runtime.errors import ImportRefused
from obelisk.runtime.host import fiber as fibers
from obelisk.runtime.host.component import ComponentCache
from obelisk.runtime.host.wasi.driving import WasiPrepared
from obelisk.runtime.host.wasi.guests import ActivityGuest, WorkflowGuest
from obelisk.runtime.host.wasi.io.table import MAX_HANDLES
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.host.wasmtime.engine import Engine, activity_settings
from obelisk.runtime.ports.guest import (
    ExportFunction,
    GuestTrap,
    JsonValue,
    Pending,
    Poll,
    Returned,
    Trapped,
    TrapReason,
    Waiting,
    Yielded,
)
from wasi_runs import GUESTS, ended, exported, prepared, run

MS = 1_000_000
INTERFACE = "test:wasi/timers@1.0.0"
SOURCE = (GUESTS / "timers.wat").read_bytes()
NAMES = ("nap", "race", "poll-nothing", "hoard", "churn", "exits", "exits-with-code")
EXPORTS: dict[str, ExportFunction] = {name: exported(INTERFACE, name, Primitive.U64, n=Primitive.U32) for name in NAMES}


@pytest.fixture(scope="module")
def cache() -> Iterator[ComponentCache]:
    with Engine(activity_settings()) as engine:
        yield ComponentCache(engine, None)


@pytest.fixture(scope="module")
def timers(cache: ComponentCache) -> WasiPrepared:
    return prepared(cache, SOURCE, EXPORTS.values())


def value(polled: Poll) -> int:
    assert isinstance(polled, Returned), polled
    assert isinstance(polled.value, int)
    return polled.value


def trapped(polled: Poll, reason: TrapReason) -> str:
    assert isinstance(polled, Trapped)
    assert polled.reason is reason, polled
    return polled.message


def test_a_sleep_takes_its_time(timers: WasiPrepared) -> None:
    assert 20 * MS <= value(run(timers, EXPORTS["nap"], 20)) < 2_000 * MS
    assert value(run(timers, EXPORTS["nap"], 0)) < 1_000 * MS


def test_a_thousand_sleep_at_once_without_a_thread(timers: WasiPrepared) -> None:
    async def asleep() -> None:
        before = threading.active_count()
        sleeping = [timers.start(EXPORTS["nap"], [3_600_000], None) for _ in range(1_000)]
        for fiber in sleeping:
            while isinstance(polled := fiber.poll(), Yielded):
                pass
            assert polled == Waiting()
            fiber.when_ready(lambda: None)
        await asyncio.sleep(0)
        assert fibers.live_count() == 1_000
        assert threading.active_count() == before
        for fiber in sleeping:
            fiber.close()

    async def all_at_once() -> list[Poll]:
        return list(await asyncio.gather(*(ended(timers.start(EXPORTS["nap"], [100], None)) for _ in range(1_000))))

    asyncio.run(asleep())
    slept = asyncio.run(all_at_once())
    assert len(slept) == 1_000
    assert all(value(polled) >= 100 * MS for polled in slept)
    assert fibers.live_count() == 0


def test_the_first_of_two_is_told(timers: WasiPrepared) -> None:
    assert value(run(timers, EXPORTS["race"], 5_000)) == 1 | 1 << 32
    assert value(run(timers, EXPORTS["race"], 0)) & 0xFFFF_FFFF == 0


def test_an_empty_list_to_poll_traps(timers: WasiPrepared) -> None:
    assert "list is empty" in trapped(run(timers, EXPORTS["poll-nothing"], 0), TrapReason.HOST)


def test_handles_are_bounded_and_dropped_ones_do_not_count(timers: WasiPrepared) -> None:
    assert value(run(timers, EXPORTS["hoard"], MAX_HANDLES)) == 1
    message = trapped(run(timers, EXPORTS["hoard"], MAX_HANDLES + 1), TrapReason.OUT_OF_MEMORY)
    assert message == f"the guest holds {MAX_HANDLES} resources and asks for another"
    assert value(run(timers, EXPORTS["churn"], 3 * MAX_HANDLES)) == 1


@pytest.mark.parametrize(
    ("name", "argument", "status"), [("exits", 0, 0), ("exits", 1, 1), ("exits-with-code", 37, 37)]
)
def test_an_exit_is_told_apart(timers: WasiPrepared, name: str, argument: int, status: int) -> None:
    message = trapped(run(timers, EXPORTS[name], argument), TrapReason.EXITED)
    assert message == f"the guest exited with status {status}"


def test_a_sleeper_is_interrupted_at_once(timers: WasiPrepared) -> None:
    fiber = timers.start(EXPORTS["nap"], [60_000], None)
    while isinstance(polled := fiber.poll(), Yielded):
        pass
    assert polled == Waiting()
    fiber.interrupt()
    trapped(fiber.poll(), TrapReason.TIMED_OUT)
    assert fiber.is_closed


def test_a_closed_sleeper_is_told_nothing_more(timers: WasiPrepared) -> None:
    told: list[str] = []

    async def closed_early() -> None:
        fiber = timers.start(EXPORTS["nap"], [20], None)
        while isinstance(fiber.poll(), Yielded):
            pass
        fiber.when_ready(lambda: told.append("ready"))
        fiber.close()
        fiber.close()
        await asyncio.sleep(0.05)

    asyncio.run(closed_early())
    assert told == []


def test_a_fiber_may_be_polled_on_a_thread_and_watched_on_the_loop(timers: WasiPrepared) -> None:
    async def elsewhere() -> Poll:
        loop, fiber = asyncio.get_running_loop(), timers.start(EXPORTS["nap"], [30], None)
        with ThreadPoolExecutor(1) as pool:
            while not isinstance(polled := await loop.run_in_executor(pool, fiber.poll), Returned | Trapped):
                turn = asyncio.Event()
                fiber.when_ready(turn.set) if isinstance(polled, Waiting) else turn.set()
                await turn.wait()
        return polled

    assert value(asyncio.run(elsewhere())) >= 30 * MS


class RecordedClock:
    """A workflow's clock: it moves when the workflow sleeps, and a sleep is either over at once or awaited."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.now_ns, self.slept_ns, self.refuses = 1_000_000_000, list[int](), refuses

    def wall_ns(self) -> int:
        return 1_700_000_000_000_000_000 + self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
        if self.refuses:
            raise GuestTrap("no sleeping here")
        self.slept_ns.append(at_ns)
        self.now_ns = at_ns
        return answer()


def replayed(cache: ComponentCache, clock: RecordedClock) -> WasiPrepared:
    def workflow(_context: object) -> WorkflowGuest:
        return WorkflowGuest(None, clock, randomness=SystemRandomness(), output=BoundedOutput(0))

    return prepared(cache, SOURCE, EXPORTS.values(), workflow)


def test_a_workflow_sleeps_through_its_log(cache: ComponentCache) -> None:
    for _ in range(3):
        clock = RecordedClock()
        assert value(run(replayed(cache, clock), EXPORTS["nap"], 3_600_000)) == 3_600_000 * MS
        assert clock.slept_ns == [1_000_000_000 + 3_600_000 * MS]
    clock = RecordedClock()
    assert value(run(replayed(cache, clock), EXPORTS["race"], 5_000)) == 1 | 1 << 32
    assert clock.slept_ns == [1_000_000_000 + 60 * MS]


def test_a_workflow_may_be_refused_to_sleep(cache: ComponentCache) -> None:
    message = trapped(run(replayed(cache, RecordedClock(refuses=True)), EXPORTS["nap"], 1), TrapReason.HOST)
    assert message == "no sleeping here"


def test_few_handles_may_be_allowed(cache: ComponentCache) -> None:
    def poor(_context: object) -> ActivityGuest:
        return ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0), handles=3)

    ready = prepared(cache, SOURCE, EXPORTS.values(), poor)
    assert value(run(ready, EXPORTS["hoard"], 3)) == 1
    assert "holds 3 resources" in trapped(run(ready, EXPORTS["hoard"], 4), TrapReason.OUT_OF_MEMORY)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ((b'(param "when" u64) (result (own $own))', b'(param "when" u32) (result (own $own))'), "subscribe-duration"),
        ((b'"status-code" u8', b'"status-code" u16'), "exit-with-code"),
        ((b"wasi:clocks/monotonic-clock@0.2.6", b"wasi:clocks/monotonic-clock@0.3.0"), "monotonic-clock@0.3.0"),
        ((b'"now" (func (result u64))', b'"later" (func (result u64))'), "later"),
    ],
)
def test_what_is_not_wasi_is_refused_by_name(cache: ComponentCache, wrong: tuple[bytes, bytes], named: str) -> None:
    source = SOURCE.replace(*wrong)
    assert source != SOURCE
    if b'"later"' in source:
        source = source.replace(b'(func $clock "now")', b'(func $clock "later")')
    if b'"when" u32' in source:
        source = source.replace(
            b'"subscribe" (func $subscribe (param i64)', b'"subscribe" (func $subscribe (param i32)'
        )
        source = source.replace(b"(i64.mul (i64.extend_i32_u (local.get $ms)) (i64.const 1000000))", b"(local.get $ms)")
    with pytest.raises(ImportRefused) as caught:
        prepared(cache, source, EXPORTS.values())
    imports = cast("list[str]", caught.value.fields["imports"])
    assert imports
    assert [name for name in imports if named in name] == imports
