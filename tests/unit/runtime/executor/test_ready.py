"""The queue of ready runs: in turn, what belongs together one after the other, nobody for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

import pytest

from obelisk.runtime.executor import ready
from obelisk.runtime.executor.ready import HOPS, Ready
from obelisk.runtime.executor.runs import Run

pytestmark = pytest.mark.anyio


class Named(str):
    """A run that is but a name."""

    __slots__ = ()
    group = ("component", "E_root")


class Runs:
    """Stand for runs: each is a name, and does what it is told to when it goes on."""

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.does: dict[str, Callable[[], None]] = {}
        self.broken: list[str] = []
        self.rests = 0
        self.queue = Ready(self._go_on, self._rest, lambda where, error: self.broken.append(f"{where}: {error}"))

    def _go_on(self, run: Run) -> None:
        name = str(run)
        self.gone.append(name)
        self.does.get(name, lambda: None)()

    def _rest(self) -> None:
        self.rests += 1

    def add(self, *names: str, last: bool = False) -> None:
        for name in names:
            self.queue.add(cast("Run", Named(name)), last=last)


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_runs_go_on_in_turn_and_once() -> None:
    runs = Runs()
    runs.add("a", "b", "a", "c")
    await turns()
    assert (runs.gone, runs.rests) == (["a", "b", "c"], 1)


async def test_whom_a_run_makes_ready_goes_on_next_and_further_ones_in_turn() -> None:
    runs = Runs()
    runs.does["a"] = lambda: runs.add("a1", "a2")
    runs.add("a", "b")
    await turns()
    assert runs.gone == ["a", "a1", "b", "a2"]


async def test_who_yields_goes_behind_all_others() -> None:
    runs = Runs()
    spins = iter(range(3))

    def spin() -> None:
        if next(spins, None) is not None:
            runs.add("spin", last=True)

    runs.does["spin"] = spin
    runs.add("spin", "b", "c")
    await turns()
    assert runs.gone == ["spin", "b", "c", "spin", "spin", "spin"]


async def test_of_many_that_yield_one_goes_on_in_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their slices are long: one that becomes ready meanwhile waits for one of them, not for all."""
    runs = Runs()
    spinners = [f"spin{number}" for number in range(8)]
    for spinner in spinners:
        runs.does[spinner] = partial(runs.add, spinner, last=True)
    runs.add(*spinners)
    await turns(1)
    assert runs.gone == [*spinners, "spin0"]
    for number in range(1, 4):
        runs.add(f"call{number}")
        await turns(1)
        assert runs.gone[-2:] == [f"call{number}", f"spin{number}"]
    runs.queue.clear()
    await turns(1)


async def test_two_that_make_each_other_ready_keep_nobody_waiting_for_long() -> None:
    runs = Runs()
    runs.does["ping"] = lambda: runs.add("pong") if len(runs.gone) < 10 * HOPS else None
    runs.does["pong"] = lambda: runs.add("ping")
    runs.add("ping", "other")
    await turns(500)
    assert runs.gone.index("other") == HOPS + 1


async def test_what_is_left_when_a_stretch_ends_goes_on_behind_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "DRAIN_S", -1.0)
    runs = Runs()
    runs.does["a"] = lambda: runs.add("a1")
    runs.add("a", "b")
    await asyncio.sleep(0)
    assert runs.gone == ["a"]
    await turns()
    assert (runs.gone, runs.rests) == (["a", "b", "a1"], 3)


async def test_a_run_that_breaks_is_told() -> None:
    runs = Runs()

    def broken() -> None:
        raise ZeroDivisionError("a bug")

    runs.does["a"] = broken
    runs.add("a", "b")
    await turns()
    assert runs.broken == ["_drain: a bug"]


class Begun(Named):
    """A run of another tree or component, which begins."""

    __slots__ = ("group",)

    def __init__(self, name: str) -> None:
        self.group = (name[0], name[1])


async def test_what_begins_takes_turns_by_component_and_tree_and_with_what_goes_on() -> None:
    runs = Runs()
    for name in ("Ax1", "Ax2", "Ax3", "Ay1", "Bx1"):
        runs.queue.add(cast("Run", Begun(name)), begins=True)
    runs.add("a", "b")
    assert (len(runs.queue), runs.queue.waiting) == (7, 5)
    await turns()
    assert runs.gone == ["Ax1", "a", "Bx1", "b", "Ay1", "Ax2", "Ax3"]
    assert (len(runs.queue), runs.queue.waiting) == (0, 0)


async def test_a_run_is_followed_by_what_it_made_ready_also_where_others_wait_to_begin() -> None:
    runs = Runs()
    for name in ("Ax1", "Bx1"):
        runs.queue.add(cast("Run", Begun(name)), begins=True)
    runs.does["Ax1"] = lambda: runs.add("its child")
    await turns()
    assert runs.gone == ["Ax1", "its child", "Bx1"]


async def test_a_parent_goes_on_behind_its_children_that_wait_to_begin() -> None:
    runs, parent = Runs(), cast("Run", Begun("Px0"))

    def answer() -> None:
        runs.queue.add(parent, behind=("A", "x"))

    for name in ("Ax1", "Ax2", "Ay1", "Ax3"):
        runs.queue.add(cast("Run", Begun(name)), begins=True)
        runs.does[name] = answer
    runs.does["Px0"] = lambda: runs.queue.add(cast("Run", Begun("Ax4")), begins=True)
    await turns()
    assert runs.gone == ["Ax1", "Ay1", "Ax2", "Ax3", "Px0", "Ax4"]


async def test_nothing_begins_after_a_clear() -> None:
    runs = Runs()
    runs.queue.add(cast("Run", Begun("Ax1")), begins=True)
    runs.queue.clear()
    await turns()
    assert (runs.gone, len(runs.queue)) == ([], 0)
