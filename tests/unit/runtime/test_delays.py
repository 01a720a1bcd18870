"""Delays: each is answered once, by a timer or by the poll, also when one reads what the other is answering."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import structs

from obelisk.runtime.errors import StoreError
from obelisk.runtime.executor.delays import POLLED, SOON_US, Delays
from obelisk.runtime.executor.timers import SMALL, Timers
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Created, DelayFinished, Response
from obelisk.runtime.observe.health import Health
from obelisk.runtime.ports.completions import commit
from obelisk.runtime.ports.store import AddDelay, Committed, Create, DueDelay, Transaction
from obelisk.runtime.store.memory.store import MemoryStore

PARAMS = msgspec.Raw(b"[10]")
E = "E_01J00000000000000000000000"


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, now_us: int = 1_000) -> None:
        self.now = now_us

    def now_us(self) -> int:
        """See `Clock`."""
        return self.now


class Slow(MemoryStore):
    """A store that takes its time between reading what is due and saying so; counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.enqueued = 0

    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """Count."""
        self.enqueued += 1
        super().enqueue(transaction, committed)

    async def due_delays(self, *, until_us: int, limit: int) -> tuple[DueDelay, ...]:
        """Old news."""
        found = await super().due_delays(until_us=until_us, limit=limit)
        await asyncio.sleep(0.02)
        return found


def delay(number: int, expires_at_us: int = 500) -> AddDelay:
    name = f"Delay_01J00000000000000000000000.o:{number}_1"
    return AddDelay(execution_id=E, join_set=f"o:{number}", delay=name, expires_at_us=expires_at_us)


async def record(store: MemoryStore, *delays: AddDelay) -> None:
    """An execution with delays on record."""
    created = Created(ffqn="demo:fibo/fibo.fibo", params=PARAMS, scheduled_at_us=10)
    write = Create(execution_id=E, created=created, locked=None, state=fold.start(created), at_us=10)
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    store.enqueue((write, *delays), lambda error: done.set_result(None))
    await done


async def turns() -> None:
    """Let all that is due happen, however many steps of the loop that takes."""
    for _ in range(20):
        await asyncio.sleep(0.001)


def test_what_a_timer_answers_while_the_poll_reads_is_answered_once() -> None:
    async def scenario() -> None:
        store, told = Slow(), list[Response]()
        delays = Delays(store, Hands(), Timers(Hands()), lambda _, response: told.append(response))
        await record(store, delay(1), delay(2), delay(3, expires_at_us=5_000))
        before = store.enqueued
        delays.time(delay(1))
        await delays.poll()
        await turns()
        assert sorted(r.join_set for r in told) == ["o:1", "o:2"]
        assert all(isinstance(response, DelayFinished) for response in told)
        assert store.enqueued == before + 2
        await delays.poll()
        assert store.enqueued == before + 2

    asyncio.run(scenario())


def test_a_delay_that_could_not_be_answered_is_tried_again() -> None:
    async def scenario() -> None:
        store, told = Slow(), list[Response]()
        failures = iter([True, False])
        broken = StoreError("the disk is full", reason="full")
        store_gate = MemoryStore(store.database, commit_gate=lambda go: go(broken if next(failures) else None))
        await record(store, delay(1))
        health = Health()
        delays = Delays(store_gate, Hands(), Timers(Hands()), lambda _, response: told.append(response), health)
        await delays.poll()
        await turns()
        assert told == []
        health.recovered()
        await delays.poll()
        await turns()
        assert [r.join_set for r in told] == ["o:1"]

    asyncio.run(scenario())


def test_while_the_store_takes_no_writes_delays_are_left_to_the_poll_after_that() -> None:
    async def scenario() -> None:
        store, told, health = Slow(), list[Response](), Health()
        delays = Delays(store, Hands(), Timers(Hands()), lambda _, response: told.append(response), health)
        await record(store, delay(1))
        before = store.enqueued
        health.failed(StoreError("the disk is full", reason="full"))
        await delays.poll()
        delays.expire(E, "o:1", delay(1).delay)
        await turns()
        assert store.enqueued == before
        health.recovered()
        await delays.poll()
        await turns()
        assert [r.join_set for r in told] == ["o:1"]

    asyncio.run(scenario())


def test_a_delay_that_cannot_be_answered_says_that_the_store_takes_no_writes() -> None:
    async def scenario() -> None:
        store, health = Slow(), Health()
        broken = StoreError("the disk is full", reason="full")
        full = MemoryStore(store.database, commit_gate=lambda go: go(broken))
        await record(store, delay(1))
        await Delays(full, Hands(), Timers(Hands()), lambda _, __: None, health).poll()
        await turns()
        assert health.trouble == "the disk is full"

    asyncio.run(scenario())


def test_a_delay_that_nobody_will_ever_take_is_forgotten() -> None:
    """Its answer is refused at every poll: its execution is gone."""

    async def scenario() -> None:
        store, told = Slow(), list[Response]()
        delays = Delays(store, Hands(), Timers(Hands()), lambda _, response: told.append(response))
        await record(store, delay(1), delay(2))
        orphan = structs.replace(delay(3), execution_id=f"{E[:-1]}1")
        await commit(store, (orphan,))
        for _ in range(3):
            await delays.poll()
            await asyncio.sleep(0.01)
        assert sorted(r.join_set for r in told) == ["o:1", "o:2"]
        before = store.enqueued
        await delays.poll()
        assert store.enqueued == before
        assert await store.due_delays(until_us=10_000, limit=9) == ()

    asyncio.run(scenario())


class Instants(Timers):
    """Timers that fire when they are told to."""

    def __init__(self, clock: Hands) -> None:
        super().__init__(clock)
        self.kept: list[tuple[int, Callable[[], None]]] = []

    def at(self, at_us: int, callback: Callable[[], None]) -> int:
        """Keep it."""
        self.kept.append((at_us, callback))
        return len(self.kept)


def test_of_a_delay_that_ends_late_only_its_instant_is_kept_and_it_is_answered_then() -> None:
    async def scenario() -> None:
        store, told, clock = MemoryStore(), list[Response](), Hands()
        timers = Instants(clock)
        delays = Delays(store, clock, timers, lambda _, response: told.append(response))
        late = 1_000 + SOON_US + 1
        await record(store, *(delay(number, expires_at_us=late) for number in range(3)))
        for number in range(3):
            delays.time(delay(number, expires_at_us=late))
        assert [at_us for at_us, _ in timers.kept] == [late] * 3
        assert len({id(callback) for _, callback in timers.kept}) == 1
        watching = asyncio.ensure_future(delays.watch(3_600))
        await turns()
        assert not watching.done()
        assert told == []
        clock.now = late
        timers.kept[0][1]()
        await asyncio.wait_for(watching, 120)
        await asyncio.gather(delays.poll())
        await asyncio.sleep(0)
        assert sorted(r.join_set for r in told) == ["o:0", "o:1", "o:2"]

    asyncio.run(scenario())


def test_more_than_one_poll_takes_are_answered_one_poll_after_the_other() -> None:
    async def scenario() -> None:
        store, told = MemoryStore(), list[Response]()
        delays = Delays(store, Hands(), Timers(Hands()), lambda _, response: told.append(response))
        await record(store, *(delay(number) for number in range(POLLED + 1)))
        await asyncio.wait_for(delays.watch(3_600), 120)
        assert len(told) == POLLED
        watching = asyncio.ensure_future(delays.watch(3_600))
        while len(told) <= POLLED:
            await asyncio.sleep(0)
        assert not watching.done()
        watching.cancel()

    asyncio.run(scenario())


FAR_US = 86_400_000_000


def test_delays_that_are_given_up_leave_no_timer() -> None:
    async def scenario() -> None:
        timers = Timers(Hands())
        delays = Delays(Slow(), Hands(), timers, lambda _, __: None)
        for number in range(2_000):
            one = delay(number, FAR_US if number % 2 else SOON_US)
            delays.committed(E, [one], [])
            delays.committed(E, [], [one.delay])
        assert (len(timers), delays.timed) == (0, 0)
        assert timers.entries <= SMALL
        both = [delay(1, FAR_US), delay(2, SOON_US)]
        delays.committed(E, both, [])
        assert len(timers) == 2
        delays.forget(E)
        assert (len(timers), delays.timed) == (0, 0)

    asyncio.run(scenario())


def test_delays_that_another_process_answered_are_forgotten_in_time() -> None:
    async def scenario() -> None:
        clock = Hands()
        timers = Timers(clock)
        delays = Delays(MemoryStore(), clock, timers, lambda _, __: None)
        for number in range(1_000):
            far = delay(number, FAR_US)
            delays.time(AddDelay(execution_id=f"{E}{number}", join_set="o:1", delay=far.delay, expires_at_us=FAR_US))
        clock.now = FAR_US
        timers.at(0, lambda: None)
        while len(timers):
            await asyncio.sleep(0)
        assert delays.timed == 1_000
        await delays.watch(0)
        assert delays.timed == 0

    asyncio.run(scenario())
