"""Every store shows the same: listings with stable cursors, slices, keys, components."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict, CursorInvalid
from obelisk.runtime.log.events import (
    CancellationRequested,
    ChildFinished,
    Event,
    Failed,
    FailureKind,
    Finished,
    JoinSetCreate,
    Outcome,
    Paused,
    Returned,
    Unlocked,
)
from obelisk.runtime.ports.claims import Claim
from obelisk.runtime.ports.slices import SLICE_BYTES, Slice
from obelisk.runtime.ports.store import AddDelay, Intervene, Query, Respond, Store, StoredComponent
from obelisk.runtime.ports.waiting import Waiting
from store_bed import FFQN, OK, E, Log, answer, blocked, create, number_id, send

pytestmark = pytest.mark.anyio
TRAPPED = Failed(kind=FailureKind.TRAPPED, error_id="Err_1", reason="it trapped")
CANCELLED = Failed(kind=FailureKind.CANCELLED, error_id="Err_2", reason="it was cancelled")


async def listed(store: Store, query: Query) -> list[str]:
    """All pages of a listing."""
    found: list[str] = []
    cursor = query.cursor
    while True:
        page = await store.list(replace(query, cursor=cursor))
        assert len(page.items) <= query.limit
        found += [line.execution_id for line in page.items]
        if page.cursor is None:
            return found
        assert len(page.items) == query.limit
        cursor = page.cursor


async def test_nothing_is_found_in_an_empty_store(store: Store) -> None:
    assert await store.load(E) is None
    assert await store.summary(E) is None
    assert await store.events(E, from_version=0, limit=9) == Slice()
    assert await store.responses(E, from_number=0, limit=9) == Slice()
    assert await store.by_key("k") is None
    assert await store.responses_since(0, "Exr_1") == (0, ())
    assert await store.due_delays(until_us=9, limit=9) == ()
    assert await store.next_pending_us(0) is None
    assert await store.count_pending() == 0
    assert await store.leases() == ()
    assert await store.components() == ()
    assert await store.component_binary("sha256:1") is None
    assert (await store.list(Query())).items == ()


async def test_a_summary_says_what_the_port_says(store: Store) -> None:
    child = f"{E}.o:1_1"
    await send(store, create(at_us=11), create(child, parent=E, at_us=12))
    log = Log(create(child, parent=E))
    await send(store, log.append(JoinSetCreate(join_set="g:1"), at_us=15, waits_for="g:1"))
    summary = await store.summary(child)
    assert summary is not None
    assert (summary.execution_id, summary.ffqn, summary.parent) == (child, FFQN, E)
    assert (summary.status, summary.waits_for, summary.executor) == ("locked", "g:1", "Exr_1")
    assert (summary.version, summary.attempts, summary.result_kind) == (3, 0, "")
    assert (summary.created_at_us, summary.updated_at_us, summary.finished_at_us) == (12, 15, None)
    page = await store.list(Query(parent=E))
    assert page.items == (summary,)


async def test_slices_of_a_log(store: Store) -> None:
    log = Log(create())
    await send(store, create(), *(log.append(JoinSetCreate(join_set=f"g:{number}")) for number in range(70)))
    whole = await store.events(E, from_version=0, limit=1000)
    assert [entry.version for entry in whole] == list(range(72))
    assert await store.events(E, from_version=3, limit=2) == Slice(items=whole.items[3:5], has_more=True)
    assert await store.events(E, from_version=70, limit=9) == Slice(items=whole.items[70:])
    assert await store.events(E, from_version=72, limit=9) == Slice()
    stored = await store.load(E)
    assert stored is not None
    assert stored.events == tuple(entry.event for entry in whole)


async def test_newest_first_page_by_page(store: Store) -> None:
    for number in range(7):
        await send(store, create(number_id(number), at_us=100 - number))
    newest = [number_id(number) for number in range(6, -1, -1)]
    for limit in (1, 2, 3, 7, 50):
        assert await listed(store, Query(limit=limit)) == newest
    assert (await store.list(Query(limit=7))).cursor is None


async def test_a_cursor_stays_where_it_was(store: Store) -> None:
    for number in range(4):
        await send(store, create(number_id(number)))
    first = await store.list(Query(limit=2))
    await send(store, create(number_id(9)), Log(create(number_id(1))).append(Finished(outcome=OK)))
    rest = await store.list(Query(limit=2, cursor=first.cursor))
    assert [line.execution_id for line in rest.items] == [number_id(1), number_id(0)]
    assert rest.cursor is None


@pytest.mark.parametrize(
    "cursor", ["", "x", "12", "é", "ZXhlY3V0aW9ucy1iZWZvcmU6", "ZXhlY3V0aW9ucy1iZWZvcmU6LTE=", "=" * 9]
)
async def test_a_foreign_cursor_is_refused(store: Store, cursor: str) -> None:
    await send(store, create())
    with pytest.raises(CursorInvalid) as refused:
        await store.list(Query(cursor=cursor))
    assert refused.value.code == "cursor_invalid"
    assert refused.value.fields["cursor"] == cursor


async def test_listings_filter(store: Store) -> None:
    child, other_child, grandchild = f"{E}.o:1_1", f"{E}.o:10_1", f"{E}.o:1_1.n:a_2"
    stranger = create(number_id(5))
    stranger = replace(stranger, state=replace(stranger.state, ffqn="demo:fib%/ifc.f"))
    await send(store, create(), create(child, parent=E), create(grandchild, parent=child), stranger)
    await send(store, create(other_child, parent=E))
    assert ids.parent_of(grandchild) == child
    assert await listed(store, Query()) == [other_child, number_id(5), grandchild, child, E]
    assert await listed(store, Query(parent=E, limit=1)) == [other_child, child]
    assert await listed(store, Query(parent=child)) == [grandchild]
    assert await listed(store, Query(parent=grandchild)) == []
    assert await listed(store, Query(top_level_only=True, limit=1)) == [number_id(5), E]
    assert await listed(store, Query(ffqn_prefix="demo:fib%")) == [number_id(5)]
    assert await listed(store, Query(ffqn_prefix="DEMO")) == []
    assert await listed(store, Query(ffqn_prefix="demo:fib", top_level_only=True, limit=1)) == [number_id(5), E]
    assert await listed(store, Query(ffqn_prefix="")) == await listed(store, Query())


async def test_listings_by_time_name_build_and_result(store: Store) -> None:
    outcomes: tuple[Outcome, ...] = (OK, Returned(value=msgspec.Raw(b'{"err":1}')), TRAPPED, CANCELLED)
    for number, outcome in enumerate(outcomes):
        first = create(number_id(number), at_us=10 * number)
        first = replace(first, state=replace(first.state, ffqn=f"{FFQN}{number}"))
        await send(store, first, Log(first).append(Finished(outcome=outcome)))
    for number in (4, 5):
        await send(store, create(number_id(number), at_us=10 * number, locked=None))
    four, five = number_id(4), number_id(5)
    await store.claim(Claim(executor="Exr_2", digests={FFQN: "sha256:2"}, limit=1, now_us=99, runs=("a",)))

    assert await listed(store, Query(created_from_us=10, created_before_us=40)) == [number_id(n) for n in (3, 2, 1)]
    assert await listed(store, Query(created_from_us=50, limit=1)) == [five]
    assert await listed(store, Query(created_before_us=0)) == []
    assert await listed(store, Query(ffqns=(f"{FFQN}0", f"{FFQN}2", "x"))) == [number_id(2), number_id(0)]
    assert await listed(store, Query(ffqns=())) == []
    assert await listed(store, Query(result_kind="ok")) == [number_id(0)]
    assert await listed(store, Query(result_kind="err")) == [number_id(1)]
    assert await listed(store, Query(result_kind="trapped")) == [number_id(2)]
    assert await listed(store, Query(result_kind="failed", limit=1)) == [number_id(3), number_id(2)]
    assert await listed(store, Query(digest="sha256:1", limit=2)) == [number_id(n) for n in (3, 2, 1, 0)]
    assert await listed(store, Query(digest="sha256:2")) == [four]
    assert await listed(store, Query(digest="sha256")) == []
    assert await listed(store, Query(digest="sha256:1", result_kind="failed", created_before_us=30)) == [number_id(2)]


async def test_listings_by_status(store: Store) -> None:
    states: dict[str, tuple[Event, ...]] = {
        "pending_at": (),
        "locked": (),
        "blocked_by_join_set": (blocked(),),
        "paused": (Paused(),),
        "cancelling": (CancellationRequested(),),
        "finished": (Finished(outcome=OK),),
    }
    for number, (status, events) in enumerate(states.items()):
        first = create(number_id(number), locked=None) if status == "pending_at" else create(number_id(number))
        log = Log(first)
        await send(store, first, *(log.append(event) for event in events))
    for number, status in enumerate(states):
        page = await store.list(Query(status=status))
        assert [(line.execution_id, line.status) for line in page.items] == [(number_id(number), status)]
    assert (await store.list(Query(status="unheard of"))).items == ()
    assert await listed(store, Query(status="open", limit=2)) == [number_id(number) for number in (4, 3, 2, 1, 0)]
    await send(store, answer(f"{number_id(2)}.o:1_1", to=number_id(2)))
    assert await listed(store, Query(status="pending_at", limit=1)) == [number_id(2), number_id(0)]
    claim = Claim(executor="Exr_2", digests={FFQN: "d"}, limit=9, now_us=99, runs=("a", "b", "c"))
    await store.claim(claim)
    assert await listed(store, Query(status="locked", limit=2)) == [number_id(2), number_id(1), number_id(0)]


async def test_components_are_replaced_by_name_and_binaries_kept(store: Store) -> None:
    one = StoredComponent(name="b", digest="sha256:1", kind="activity", settings="{}", added_at_us=1)
    two = replace(one, name="a", digest="sha256:2")
    await store.put_components([(one, b"\0asm one")])
    await store.put_components([(two, b"\0asm two")])
    assert await store.components() == (two, one)
    newer = replace(one, digest="sha256:3", kind="workflow", settings='{"x":1}', added_at_us=9)
    await store.put_components([(newer, b"\0asm three")])
    await store.put_components([(replace(two, name="c"), b"\0asm two")])
    assert await store.components() == (two, newer, replace(two, name="c"))
    assert await store.component_binary("sha256:1") == b"\0asm one"
    assert await store.component_binary("sha256:3") == b"\0asm three"
    assert await store.component_binary("sha256:4") is None


async def test_a_component_is_removed_unless_executions_need_it(store: Store) -> None:
    component = StoredComponent(name="b", digest="sha256:1", kind="activity", settings="{}", added_at_us=1)
    await store.put_components([(component, b"wasm")])
    first, waiting = create(number_id(0)), create(number_id(1), locked=None)
    log = Log(first)
    await send(store, first, waiting)
    assert await store.remove_component("b", needed_for=(FFQN, "a:b/c.other")) == 2
    assert await store.components() == (component,)
    await send(store, log.append(Finished(outcome=OK)))
    assert await store.remove_component("b", needed_for=(FFQN,)) == 1
    assert await store.remove_component("b", needed_for=("a:b/c.other",)) == 0
    assert await store.components() == ()
    assert await store.component_binary("sha256:1") == b"wasm"
    assert await store.remove_component("b") == 0
    await store.put_components([(component, b"wasm")])
    assert await store.remove_component("b") == 0
    assert await store.components() == ()


async def test_components_are_changed_onto_what_is_deployed_alone(store: Store) -> None:
    one = StoredComponent(name="a", digest="sha256:1", kind="activity", settings="{}", added_at_us=1)
    two = replace(one, name="b", digest="sha256:2")
    await store.put_components([(one, b"one"), (two, b"two")], onto=())
    assert await store.components() == (one, two)
    newer = replace(one, settings='{"x":1}')
    for known in ((), (one,), (one, replace(two, added_at_us=2))):
        with pytest.raises(Conflict):
            await store.put_components([(newer, b"one"), (replace(two, name="c", digest="sha256:3"), b"")], onto=known)
        with pytest.raises(Conflict):
            await store.remove_component("a", onto=known)
    assert await store.components() == (one, two)
    assert await store.component_binary("sha256:3") is None
    await store.put_components([(newer, b"one")], onto=(two, one))
    assert await store.remove_component("b", onto=(newer, two)) == 0
    assert await store.components() == (newer,)


async def test_a_large_binary_and_a_large_value(store: Store) -> None:
    large = bytes(range(256)) * 40_000
    await store.put_components([(StoredComponent(name="b", digest="d", kind="k", settings="{}", added_at_us=1), large)])
    assert await store.component_binary("d") == large


async def test_reads_see_what_was_called_back(store: Store) -> None:
    log = Log(create())
    await send(store, create())
    for number in range(20):
        await send(store, log.append(JoinSetCreate(join_set=f"g:{number}")))
        stored, summary = await store.load(E), await store.summary(E)
        assert stored is not None
        assert summary is not None
        assert stored.state.version == summary.version == len(stored.events) == 3 + number
        assert len((await store.list(Query())).items) == 1


async def test_executions_are_found_by_their_tags(store: Store) -> None:
    both = ("order=7", "tenant=acme")
    for number in range(9):
        tags = both if number % 3 == 0 else ("tenant=acme",) if number % 3 == 1 else ()
        await send(store, create(number_id(number), tags=tags))
    child = f"{number_id(0)}.o:1_1"
    await send(store, create(child, parent=number_id(0)))
    for limit in (1, 2, 50):
        assert await listed(store, Query(tags=("tenant=acme",), limit=limit)) == [
            number_id(n) for n in (7, 6, 4, 3, 1, 0)
        ]
        assert await listed(store, Query(tags=("tenant=acme", "order=7"), limit=limit)) == [
            number_id(n) for n in (6, 3, 0)
        ]
    assert await listed(store, Query(tags=("tenant=acm",))) == []
    assert await listed(store, Query(tags=("order=7", "order=8"))) == []
    await send(store, Log(create(number_id(3))).append(Finished(outcome=OK)))
    assert await listed(store, Query(tags=("order=7",), status="open")) == [number_id(6), number_id(0)]
    shown = {line.execution_id: line.tags for line in (await store.list(Query())).items}
    assert (shown[number_id(0)], shown[number_id(1)], shown[number_id(2)], shown[child]) == (both, both[1:], (), ())
    summary = await store.summary(number_id(6))
    assert summary is not None
    assert summary.tags == both


async def test_a_creation_that_is_refused_leaves_no_tags(store: Store) -> None:
    await send(store, create(key="k"))
    with pytest.raises(Conflict):
        await send(store, create(number_id(1), key="k", tags=("a=b",)))
    await send(store, create(number_id(2), tags=("c=d",)))
    assert await listed(store, Query(tags=("a=b",))) == []
    assert await listed(store, Query(tags=("c=d",))) == [number_id(2)]


async def test_executions_are_counted_as_they_are_listed(store: Store) -> None:
    for number in range(7):
        first = create(number_id(number), tags=("a=b",) if number % 2 else ())
        await send(store, first, *([Log(first).append(Finished(outcome=OK), at_us=20 + number)] * (number > 2)))
    for query in (
        Query(),
        Query(status="open"),
        Query(tags=("a=b",), status="finished"),
        Query(finished_before_us=25),
        Query(finished_before_us=25, result_kind="ok", tags=("a=b",)),
        Query(ffqn_prefix="nobody:has"),
    ):
        found = await listed(store, replace(query, limit=2))
        assert await store.count(replace(query, limit=1)) == len(found)
    assert await listed(store, Query(finished_before_us=25)) == [number_id(4), number_id(3)]


async def test_room_is_known_or_not(store: Store, request: pytest.FixtureRequest) -> None:
    room = store.room()
    assert (room is None) == (request.node.callspec.params["bed"] == "memory")
    assert room is None or room > 0


async def test_what_a_workflow_waits_for_is_its_open_children_and_delays(store: Store) -> None:
    log = Log(create())
    await send(store, create(), log.append(JoinSetCreate(join_set="g:1"), at_us=15, waits_for="g:1"))
    for number in range(1, 13):
        await send(store, create(f"{E}.g:1_{number}", parent=E, locked=None, at_us=15 + number))
    await send(store, create(f"{E}.g:1_2.g:1_1", parent=f"{E}.g:1_2", locked=None))
    await send(store, create(f"{E}.g:11_1", parent=E, locked=None))
    end = Intervene(execution_id=f"{E}.g:1_1", event=CancellationRequested(), at_us=30)
    delays = [
        AddDelay(execution_id=E, join_set=name, delay=ids.delay(E, name, number), expires_at_us=90 + number)
        for name, number in (("g:1", 13), ("g:11", 2))
    ]
    await send(store, end, *delays)
    waiting = await store.waiting(E, "g:1", limit=3)
    shown = [
        (one.id.removeprefix(E), one.ffqn, one.status, one.created_at_us, one.until_us) for one in waiting.requests
    ]
    assert shown == [
        (".g:1_1", FFQN, "cancelling", 16, None),
        (".g:1_10", FFQN, "pending_at", 25, None),
        (".g:1_11", FFQN, "pending_at", 26, None),
        (ids.delay(E, "g:1", 13), "", "", None, 103),
    ]
    assert waiting.since_us == 15, "the last step of the workflow"
    await send(store, log.append(Unlocked(reason="it waits", pending_at_us=0, join_set="g:1"), at_us=40))
    assert (await store.waiting(E, "g:1", limit=3)).since_us == 15
    assert (await store.waiting(f"{E}.g:1_2", "o:1", limit=3)) == Waiting(since_us=17, requests=())


# --- slices that are bounded in bytes -------------------------------------------------------------------------------
LARGE = "x" * (3 << 20)


@pytest.mark.parametrize("limit", [9, 1])
async def test_a_slice_of_large_events_is_shorter_and_goes_on(store: Store, limit: int) -> None:
    first = create()
    log = Log(first)
    await send(store, first)
    for number in range(5):
        await send(store, log.append(JoinSetCreate(join_set=f"g:{number}{LARGE}")))
    lengths, versions, more = list[int](), list[int](), True
    while more:
        found = await store.events(E, from_version=len(versions), limit=limit)
        lengths.append(len(found))
        versions += [logged.version for logged in found]
        more = found.has_more
    assert versions == list(range(7))
    assert lengths == ([4, 2, 1] if limit == 9 else [1] * 7)


async def test_a_slice_of_large_responses_is_shorter_and_goes_on(store: Store) -> None:
    await send(store, create())
    for number in range(5):
        value = msgspec.Raw(b'"%s"' % LARGE.encode())
        response = ChildFinished(join_set="o:1", child=f"{E}.o:1_{number}", outcome=Returned(value=value))
        await send(store, Respond(execution_id=E, response=response, at_us=30))
    lengths, numbers, more = list[int](), list[int](), True
    while more:
        found = await store.responses(E, from_number=len(numbers), limit=9)
        lengths.append(len(found))
        numbers += [logged.number for logged in found]
        more = found.has_more
    assert (numbers, lengths) == ([0, 1, 2, 3, 4], [2, 2, 1])


async def test_an_entry_larger_than_a_slice_is_alone_in_one(store: Store) -> None:
    first = create()
    await send(store, first)
    await send(store, Log(first).append(JoinSetCreate(join_set="x" * SLICE_BYTES)))
    assert [len(await store.events(E, from_version=start, limit=9)) for start in (0, 2)] == [2, 1]
    assert not (await store.events(E, from_version=2, limit=9)).has_more
