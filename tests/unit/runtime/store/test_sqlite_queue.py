"""What goes into the next commit: in order, in bounded groups, and small work past large transactions."""

from __future__ import annotations

import msgspec

from obelisk.runtime.ids import DELAY
from obelisk.runtime.log import events as log
from obelisk.runtime.log import fold
from obelisk.runtime.ports.store import Append, Create, DropDelay, Respond
from obelisk.runtime.store.sqlite.group import Operation, Work
from obelisk.runtime.store.sqlite.queue import GROUP_BYTES, LARGE_BYTES, Queue, weight

LARGE = LARGE_BYTES + 1


def create(number: int, size: int = 2, *, key: str | None = None, child: str = "") -> Create:
    """The creation of an execution whose parameters have `size` bytes; of a `child` of it, if that is given."""
    root = f"E_01J{number:023}"
    created = log.Created(
        ffqn="a:b/c.d",
        params=msgspec.Raw(b"[" + b" " * (size - 2) + b"]"),
        scheduled_at_us=1,
        parent=root if child else None,
    )
    return Create(execution_id=root + child, created=created, locked=None, state=fold.start(created), at_us=1, key=key)


def taken(*queued: tuple[str, Work]) -> list[tuple[list[str], bool]]:
    """The groups that a queue makes of it, by the names, and which are large."""
    queue, names = Queue(), dict[int, str]()
    for name, work in queued:
        queue.add(work, print)
        names[id(work)] = name
    groups: list[tuple[list[str], bool]] = []
    while queue:
        group, large, _ = queue.take(0)
        groups.append(([names[id(item.work)] for item in group], large))
    return groups


def test_small_work_of_other_trees_passes_large_transactions_once() -> None:
    groups = taken(
        ("large 1", [create(1, LARGE)]),
        ("large 2", [create(2, LARGE)]),
        ("large 3", [create(3, LARGE)]),
        ("small 4", [create(4)]),
        ("small 5", [create(5)]),
    )
    assert groups == [(["small 4", "small 5"], False), (["large 1"], True), (["large 2"], True), (["large 3"], True)]


def test_no_large_transaction_waits_for_more_than_one_group_of_small_work() -> None:
    queue = Queue()
    queue.add([create(1, LARGE)], print)
    found: list[bool] = []
    for number in range(2, 6):
        queue.add([create(number)], print)
        found.append(queue.take(0).large)
    assert found == [False, True, False, False]


def test_large_transactions_get_a_quarter_of_the_time_while_there_is_small_work() -> None:
    queue = Queue()
    for number in range(4):
        queue.add([create(number, LARGE)], print)
    assert queue.take(10).large
    queue.add([create(10)], print)
    queue.large_took(2, 12)
    assert not queue.take(12).large  # the small one
    assert queue.take(12) == ([], False, 6)
    queue.add([create(11)], print)
    assert len(queue.take(13).items) == 1
    assert queue.take(17) == ([], False, 1)
    assert queue.take(18).large
    queue.large_took(2, 20)
    assert queue.take(20).large  # nothing small has come since


def test_nothing_passes_within_a_tree() -> None:
    parent, response = create(1, LARGE), log.DelayFinished(join_set="g:1", delay=f"{DELAY}01J{1:023}.g:1_1")
    groups = taken(
        ("large", [parent]),
        ("child", [create(1, child=".g:1_1")]),
        ("response", [Respond(execution_id=parent.execution_id, response=response, at_us=1)]),
        ("delay", [DropDelay(delay=response.delay)]),
        ("scheduled", [create(1, child=".g:1_2"), create(2)]),
        (
            "later of the scheduled",
            [Append(execution_id=create(2).execution_id, version=1, events=(), state=parent.state, at_us=1)],
        ),
        ("other", [create(3)]),
    )
    assert groups[:2] == [(["other"], False), (["large"], True)]
    assert groups[2][0] == ["child", "response", "delay", "scheduled", "later of the scheduled"]


def test_an_idempotency_key_goes_to_the_first() -> None:
    groups = taken(("large", [create(1, LARGE, key="k")]), ("same key", [create(2, key="k")]), ("other", [create(3)]))
    assert [group for group, _ in groups] == [["other"], ["large"], ["same key"]]


def test_an_operation_keeps_its_place_unless_it_says_otherwise() -> None:
    passing, release = Operation(lambda _: None, passes=True), Operation(lambda _: None)
    groups = taken(("large", [create(1, LARGE)]), ("renew", passing), ("release", release), ("small", [create(2)]))
    assert [group for group, _ in groups] == [["renew"], ["large"], ["release", "small"]]


def test_a_group_is_bounded_in_bytes() -> None:
    groups = taken(*((str(number), [create(number, LARGE_BYTES)]) for number in range(10)))
    assert [len(group) for group, _ in groups] == [GROUP_BYTES // LARGE_BYTES] * 2 + [2]
    behind = taken(("large", [create(0, LARGE)]), *((str(n), [create(n, LARGE_BYTES)]) for n in range(1, 10)))
    assert [len(group) for group, _ in behind] == [4, 1, 4, 1]


def test_every_value_counts() -> None:
    raw = msgspec.Raw(b"0123456789")
    returned = log.Returned(value=raw)
    state = create(1).state
    events: list[log.Event] = [
        log.Finished(outcome=returned),
        log.TemporarilyFailed(error_id="", reason="", detail="", pending_at_us=1, err=raw),
        log.Schedule(execution_id="", ffqn="", params=raw, schedule=log.ABSENT, scheduled_at_us=1),
        log.Stub(execution_id="", ffqn="", result=raw),
        log.JoinSetRequest(join_set="", child="", ffqn="", params=raw),
        log.Persist(request=log.ABSENT, value=raw),
    ]
    for event in events:
        append = Append(execution_id="", version=1, events=(event, event), state=state, at_us=1)
        assert weight([append]) - (8 if isinstance(event, log.Persist) else 0) == 20, event
    answer = log.ChildFinished(join_set="", child="", outcome=returned)
    assert weight([Respond(execution_id="", response=answer, at_us=1)]) == 10
    assert weight([create(1, 50)]) == 50
