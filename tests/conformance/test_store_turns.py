"""Every store takes what is pending from components and lanes in turn."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Unlocked
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.store import Append, Create, Store, Stored
from store_bed import FFQN, create, number_id, send

pytestmark = pytest.mark.anyio


def claim(executor: str = "Exr_2", *, limit: int = 10) -> Claim:
    runs = tuple(f"Run_{executor}_{number}" for number in range(limit))
    return Claim(executor=executor, digests={FFQN: "sha256:2"}, limit=limit, now_us=1000, runs=runs)


def pending(number: int, at_us: int, ffqn: str = FFQN) -> Create:
    first = create(number_id(number), locked=None, at_us=at_us)
    return replace(first, state=replace(first.state, ffqn=ffqn))


def ids_of(taken: tuple[Stored, ...]) -> list[str]:
    return [stored.execution_id for stored in taken]


async def test_lanes_and_components_take_turns(store: Store) -> None:
    """Whatever is older, and however much of it there is."""
    slow, other = "demo:slow/ifc.f", "demo:other/ifc.f"
    for number in range(40):
        await send(store, replace(pending(number, 10), lane=3), pending(100 + number, 20, slow))
    await send(store, pending(200, 500), replace(pending(201, 400), lane=1), pending(202, 600, other))
    both = {FFQN: "sha256:2", slow: "sha256:3", other: "sha256:3"}
    taken = ids_of(await store.claim(replace(claim(limit=6), digests=both)))
    assert taken == [number_id(number) for number in (0, 100, 201, 200, 1, 101)]
    assert ids_of(await store.claim(replace(claim("Exr_3", limit=99), digests=both)))[-1] == number_id(202)
    assert await store.count_pending() == 0


async def test_claims_of_one_take_turns_as_well(store: Store) -> None:
    for number in range(40):
        await send(store, replace(pending(number, 10), lane=2))
    for number in range(100, 103):
        await send(store, pending(number, 500 + number))
    taken = [ids_of(await store.claim(replace(claim(f"Exr_{turn}", limit=1), turn=turn))) for turn in range(6)]
    assert taken == [[number_id(number)] for number in (0, 100, 1, 101, 2, 102)]


async def test_what_is_pending_in_any_lane_is_found(store: Store) -> None:
    for number in range(4):
        await send(store, replace(pending(number, 50 - number), lane=number))
    assert await store.next_pending_us(0) == 47
    assert await store.next_pending_us(48) == 49
    assert await store.oldest_unbegun((FFQN,), 3) == tuple(number_id(number) for number in (3, 2, 1))
    assert await store.count_pending((FFQN,)) == 4


async def test_a_lane_is_for_life(store: Store) -> None:
    """Also after the execution ran, in another process than created it."""
    await send(store, replace(pending(1, 10), lane=2), *(replace(pending(n, 11), lane=2) for n in range(2, 5)))
    (taken,) = await store.claim(claim(limit=1))
    again = Append(
        execution_id=taken.execution_id,
        version=2,
        events=(unlocked := Unlocked(reason="stop", pending_at_us=5),),
        state=fold.apply(taken.state, unlocked),
        at_us=20,
    )
    await send(store, again, pending(9, 300))
    assert ids_of(await store.claim(claim("Exr_3", limit=2))) == [number_id(1), number_id(9)]
