"""A process of its own that works on a database file; started by `test_store_processes`.

``load PATH INLINE``: transactions without end, each number printed once its callback came.
``claim PATH EXECUTOR``: says it is ready, waits for a line, then claims and finishes until nothing is pending; prints
what it locked.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Finished, JoinSetCreate
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import AddDelay, Append, Write
from obelisk.runtime.store.sqlite.store import SqliteStore
from store_bed import FFQN, OK, Log, answer, create, number_id, send

PARALLEL = 16


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def transaction(number: int) -> list[Write]:
    """Five writes, one of each kind; all or none of them may be found afterwards."""
    parent = create(number_id(number), key=f"key {number}")
    child = create(f"{parent.execution_id}.o:1_1", parent=parent.execution_id)
    return [
        parent,
        child,
        Log(parent).append(JoinSetCreate(join_set="g:1")),
        answer(child.execution_id, to=parent.execution_id),
        AddDelay(execution_id=parent.execution_id, join_set="o:2", delay=f"Delay_{number:06}", expires_at_us=number),
    ]


async def load(path: Path, inline_group: int) -> None:
    store = SqliteStore.open(path, inline_group=inline_group)
    next_number = 0

    def put() -> None:
        nonlocal next_number
        number, next_number = next_number, next_number + 1

        def committed(error: ObeliskError | None) -> None:
            say(f"{number}" if error is None else f"error {error}")
            put()

        store.enqueue(transaction(number), committed)

    for _ in range(PARALLEL):
        put()
    await asyncio.Event().wait()


async def claim(path: Path, executor: str) -> None:
    store = SqliteStore.open(path, busy_timeout_s=30)
    say("ready")
    sys.stdin.readline()
    while True:
        runs = tuple(f"Run_{executor}_{number}" for number in range(4))
        taken = await store.claim(Claim(executor=executor, digests={FFQN: "d"}, limit=4, now_us=1 << 40, runs=runs))
        if not taken:
            break
        for stored in taken:
            say(stored.execution_id)
            version, event = stored.state.version, Finished(outcome=OK)
            write = Append(
                execution_id=stored.execution_id,
                version=version,
                events=(event,),
                state=fold.apply(stored.state, event),
                at_us=2,
            )
            await send(store, write)
    await store.close()


if __name__ == "__main__":
    what, path, option = sys.argv[1:]
    asyncio.run(load(Path(path), int(option)) if what == "load" else claim(Path(path), option))
