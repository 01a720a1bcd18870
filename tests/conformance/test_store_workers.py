"""Every store keeps the leases of workers outside the engine, and the last heartbeat of an execution."""

from __future__ import annotations

import pytest

from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports.beats import Beat
from obelisk.runtime.ports.claims import Lease, Offering
from obelisk.runtime.ports.store import Append, Store
from store_bed import OTHER, Bed, E, create, number_id, send

pytestmark = pytest.mark.anyio
LOCK = log.Locked(executor="Wrk_1", run="Run_1", digest="sha256:1")


@pytest.fixture
async def store(bed: Bed) -> Store:
    store = bed.open()
    await send(store, create(locked=LOCK), create(OTHER, locked=None, at_us=11))
    return store


def beat(detail: bytes, *, of: str = E, run: str = "Run_1", at_us: int = 20) -> Beat:
    return Beat(execution_id=of, run=run, at_us=at_us, detail=detail)


async def test_the_lease_of_a_worker_says_what_it_offers(store: Store) -> None:
    offering = Offering(name="till", functions={"a:b/c.d": "", "a:b/c.e": "func()"}, lease_ms=5000)
    lease = Lease(executor="Wrk_1", expires_at_us=99, host="", pid=0, started="", labels=("x",), worker=offering)
    executor = Lease(executor="Exr_1", expires_at_us=98, host="h", pid=1, started="s")
    assert await store.renew_lease(lease)
    assert await store.renew_lease(executor)
    assert await store.leases() == (executor, lease)


async def test_the_last_heartbeat_of_an_execution_is_kept(store: Store) -> None:
    assert await store.beat(E) is None
    await store.add_beats([beat(b'{"page":1}'), beat(b'{"page":2}', at_us=21)])
    assert await store.beat(E) == beat(b'{"page":2}', at_us=21)
    assert await store.beat(OTHER) is None
    assert await store.beat("E_none") is None


async def test_a_heartbeat_of_a_run_that_holds_no_lock_is_dropped(store: Store) -> None:
    await store.add_beats([beat(b"1", run="Run_2"), beat(b"2", of=OTHER), beat(b"3", of="E_none")])
    assert [await store.beat(of) for of in (E, OTHER, "E_none")] == [None, None, None]
    await store.add_beats([beat(b"4")])
    await store.release("Wrk_1", reason="silent", now_us=30)
    await store.add_beats([beat(b"5")])
    assert await store.beat(E) == beat(b"4")


async def test_a_heartbeat_goes_with_its_execution(store: Store) -> None:
    await store.add_beats([beat(b"1")])
    state = await store.state(E)
    assert state is not None
    finished = log.Finished(outcome=log.Failed(kind=log.FailureKind.CANCELLED, error_id="Err_1", reason="r"))
    done = fold.apply(state, finished)
    await send(store, Append(execution_id=E, version=state.version, events=(finished,), state=done, at_us=40))
    await send(store, create(number_id(9), locked=None, at_us=41))  # the newest of what is stored stays
    assert await store.prune(finished_before_us=50, after=0, limit=10) == (1, None)
    assert await store.beat(E) is None
