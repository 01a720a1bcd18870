"""Every store counts what started and finished, and what executors have locked."""

from __future__ import annotations

import random

import pytest
from msgspec.structs import replace

from obelisk.runtime.log.events import Finished
from obelisk.runtime.ports.store import Store
from store_bed import LOCK, OK, Log, create, number_id, send

pytestmark = pytest.mark.anyio
MINUTE = 60_000_000


async def finish(store: Store, execution_id: str, created_us: int, finished_us: int, parent: str | None = None) -> None:
    first = create(execution_id, at_us=created_us, parent=parent)
    await send(store, first)
    await send(store, Log(first).append(Finished(outcome=OK), at_us=finished_us))


async def test_an_empty_store_has_counts_of_nothing(store: Store) -> None:
    rates = await store.rates(from_us=0, step_us=MINUTE, steps=3)
    assert (rates.started, rates.finished) == ((0, 0, 0), (0, 0, 0))
    assert await store.held_counts() == {}


async def test_what_started_and_finished_is_counted_by_steps(store: Store) -> None:
    first, beyond = 10 * MINUTE, 12 * MINUTE
    await finish(store, number_id(1), first - 1, first)
    await finish(store, number_id(2), first, first + MINUTE - 1)
    await finish(store, number_id(3), first + MINUTE, beyond - 1)
    await finish(store, number_id(4), beyond - 1, beyond)
    await finish(store, f"{number_id(4)}.o:1_1", first, first, parent=number_id(4))
    await send(store, create(number_id(5), at_us=beyond))
    rates = await store.rates(from_us=first, step_us=MINUTE, steps=2)
    assert (rates.started, rates.finished) == ((1, 2), (2, 1))


async def test_the_first_of_a_window_is_found_among_many(store: Store) -> None:
    """Also where clocks differ by less than a minute, so that instants do not rise with the numbers."""
    dice = random.Random(7)
    instants = [number * 5_000_000 + dice.randrange(-25_000_000, 25_000_000) for number in range(100, 160)]
    for number, at_us in enumerate(instants):
        await send(store, create(number_id(number), at_us=at_us))
        await send(store, create(f"{number_id(number)}.o:1_1", at_us=at_us, parent=number_id(number)))
    for from_us in (0, 520_000_000, 610_000_000, 700_000_000, 10_000_000_000):
        rates = await store.rates(from_us=from_us, step_us=10_000_000, steps=12)
        expected = [
            sum(from_us + n * 10_000_000 <= at < from_us + (n + 1) * 10_000_000 for at in instants) for n in range(12)
        ]
        assert list(rates.started) == expected


async def test_locks_are_counted_by_executor(store: Store) -> None:
    other = replace(LOCK, executor="Exr_2")
    await send(store, *(create(number_id(number)) for number in range(3)))
    await send(store, create(number_id(3), locked=other), create(number_id(4), locked=None))
    await finish(store, number_id(5), 1, 2)
    assert dict(await store.held_counts()) == {"Exr_1": 3, "Exr_2": 1}


async def test_a_store_says_what_it_takes(store: Store) -> None:
    await send(store, create())
    size = store.size()
    assert size.kind in ("memory", "sqlite")
    assert (size.kind == "sqlite") == (size.bytes + size.log_bytes > 0)
