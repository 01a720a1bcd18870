"""Processes on one database file: they lock apart from each other, and a killed one leaves whole transactions."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from obelisk.runtime.log.events import Finished, Locked
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Query, Stored
from obelisk.runtime.store.sqlite.store import SqliteStore
from store_bed import FFQN, create, number_id, send
from store_child import PARALLEL, transaction

CHILD = str(Path(__file__).parent / "store_child.py")


@pytest.mark.parametrize("inline_group", [0, 1000])
def test_a_killed_writer_leaves_what_it_was_told_is_durable(tmp_path: Path, inline_group: int) -> None:
    seed = random.Random(inline_group)
    for attempt in range(3):
        path = tmp_path / f"{attempt}.db"
        child = subprocess.Popen([sys.executable, CHILD, "load", str(path), str(inline_group)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(seed.randrange(1, 300))]
        child.kill()
        told += child.stdout.read().splitlines(keepends=True)
        child.wait()
        child.stdout.close()
        numbers = [int(line) for line in told if line.endswith(b"\n")]
        assert numbers == list(range(len(numbers)))
        asyncio.run(audit(path, len(numbers)))


async def audit(path: Path, told: int) -> None:
    """At least what was told is there, in order and whole; a half transaction is nowhere."""
    store = SqliteStore.open(path)
    found = 0
    while (parent := await store.load(number_id(found))) is not None:
        assert len(parent.events) == 3
        assert len(parent.responses) == 1
        child = await store.load(f"{parent.execution_id}.o:1_1")
        assert child is not None
        assert child.state.parent == parent.execution_id
        assert await store.by_key(f"key {found}") == parent.execution_id
        found += 1
    assert told <= found <= told + 2 * PARALLEL
    due = await store.due_delays(until_us=1 << 40, limit=100_000)
    assert [delay.delay for delay in due] == [f"Delay_{number:06}" for number in range(found)]
    everything = 0
    page = await store.list(Query(limit=1000))
    everything += len(page.items)
    while page.cursor is not None:
        page = await store.list(Query(limit=1000, cursor=page.cursor))
        everything += len(page.items)
    assert everything == 2 * found
    await send(store, *transaction(found))  # and it goes on from there
    await store.close()


def test_processes_lock_apart_from_each_other(tmp_path: Path) -> None:
    path, count = tmp_path / "store.db", 150
    asyncio.run(fill(path, count))
    children = [
        subprocess.Popen(
            [sys.executable, CHILD, "claim", str(path), f"Exr_{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    locked: Counter[str] = Counter()
    outputs = [""] * len(children)

    def run(number: int) -> None:
        outputs[number] = children[number].communicate("go\n", timeout=300)[0]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(children))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.returncode for child in children] == [0, 0, 0]
    for output in outputs:
        locked.update(output.split())
    assert locked == Counter(number_id(number) for number in range(count))
    for stored in asyncio.run(read(path, count)):
        assert [type(event) for event in stored.events[1:]] == [Locked, Finished]


async def fill(path: Path, count: int) -> None:
    store = SqliteStore.open(path)
    await asyncio.gather(*(send(store, create(number_id(number), locked=None)) for number in range(count)))
    await store.close()


async def read(path: Path, count: int) -> list[Stored]:
    store = SqliteStore.open(path)
    found = [await store.load(number_id(number)) for number in range(count)]
    await store.close()
    return [stored for stored in found if stored is not None]


def test_threads_with_a_loop_each_lock_apart_from_each_other(tmp_path: Path) -> None:
    path, count = tmp_path / "store.db", 90
    asyncio.run(fill(path, count))
    locked: list[list[str]] = [[], [], []]
    together = threading.Barrier(3)

    async def take(number: int) -> None:
        store = SqliteStore.open(path, busy_timeout_s=30)
        together.wait()
        runs = tuple(f"Run_{number}_{run}" for run in range(3))
        claim = Claim(executor=f"Exr_{number}", digests={FFQN: "d"}, limit=3, now_us=1 << 40, runs=runs)
        while taken := await store.claim(claim):
            locked[number] += [stored.execution_id for stored in taken]
        await store.close()

    def run(number: int) -> None:
        asyncio.run(take(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(sum(locked, start=list[str]())) == [number_id(number) for number in range(count)]


def test_a_new_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    together, failures = threading.Barrier(6), list[BaseException]()

    async def open_and_write(number: int) -> None:
        together.wait()
        store = SqliteStore.open(path, busy_timeout_s=30)
        await send(store, create(number_id(number)))
        await store.close()

    def run(number: int) -> None:
        try:
            asyncio.run(open_and_write(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(asyncio.run(read(path, 6))) == 6
