"""The fair queue: groups in turn, entries of a group in order, whatever others have queued."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime.executor.turns import Turns

GROUPS = st.sampled_from("abc")
A = ("component", "a")


def drained(turns: Turns[tuple[str, int]]) -> list[tuple[str, int]]:
    return [turns.take() for _ in range(len(turns))]


def test_a_long_queue_of_one_group_delays_another_by_one_entry() -> None:
    turns = Turns[tuple[str, int]]()
    for number in range(10_000):
        turns.add(("c", "flood"), ("flood", number))
    turns.add(("c", "fresh"), ("fresh", 0))
    turns.add(("c", "fresh"), ("fresh", 1))
    assert [turns.take() for _ in range(5)] == [
        ("flood", 0),
        ("fresh", 0),
        ("flood", 1),
        ("fresh", 1),
        ("flood", 2),
    ]


def test_an_empty_queue_has_no_turn() -> None:
    turns = Turns[int]()
    with pytest.raises(IndexError):
        turns.take()


def test_what_is_taken_out_is_not_there_any_more() -> None:
    turns = Turns[int]()
    turns.add(A, 1)
    turns.add(A, 2)
    assert turns.remove(A, 1)
    assert not turns.remove(A, 1)
    assert not turns.remove(("a", "b"), 2)
    assert len(turns) == 1
    assert turns.remove(A, 2)
    assert not turns


def test_components_take_turns_whatever_trees_they_have() -> None:
    turns = Turns[str]()
    for number in range(3):
        turns.add(("many", f"E_{number}"), f"many{number}")
        turns.add(("many", f"E_{number}"), f"later{number}")
    turns.add(("few", "E_7"), "few0")
    turns.add(("few", "E_7"), "few1")
    order = ["many0", "few0", "many1", "few1", "many2", "later0", "later1", "later2"]
    assert [turns.take() for _ in range(8)] == order


@pytest.mark.parametrize("trees", [False, True], ids=["components", "trees"])
@given(does=st.lists(GROUPS | st.none(), max_size=60))
def test_each_takes_its_turn(trees: bool, does: list[str | None]) -> None:
    """Between two entries of a group, each other group that had one queued all the time gets one."""
    turns, waiting, taken = Turns[tuple[str, int]](), dict[str, list[int]](), list[str]()
    for number, group in enumerate(does):
        if group is not None:
            component, group = ("component", group) if trees else (group, group)
            turns.add((component, group), (group, number))
            waiting.setdefault(group, []).append(number)
        elif any(waiting.values()):
            name, entry = turns.take()
            assert entry == waiting[name].pop(0), "within a group they are taken in order"
            if not waiting[name]:
                del waiting[name]
            taken.append(name)
    before = {name: len(entries) for name, entries in waiting.items()}
    order = [name for name, _ in drained(turns)]
    for start in range(0, len(order), max(len(before), 1)):
        served = order[start : start + len(before)]
        assert len(served) == len(set(served)), "a group is served twice while another waits"
        before = {name: left - 1 for name, left in before.items() if left > 1}
        if len(before) < len(served):
            break
