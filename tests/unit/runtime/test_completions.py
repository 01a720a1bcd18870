"""Waiting for an execution: told in this process, found in the store, out of time, or given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from obelisk.runtime.errors import ExecutionNotFound
from obelisk.runtime.log.events import Outcome, Returned
from obelisk.runtime.ports.completions import LOOK_EVERY_S, RECENT, SMALL, Completions, pause_s

DONE = Returned(value=msgspec.Raw(b"55"))


class Looks:
    """A store that others write to: `outcome` appears after so many looks."""

    def __init__(self, appears_after: int | None = None, before: Callable[[], None] = lambda: None) -> None:
        self.at_s: list[float] = []
        self._appears_after, self._before = appears_after, before

    async def __call__(self) -> Outcome | None:
        self.at_s.append(asyncio.get_running_loop().time())
        self._before()
        return DONE if self._appears_after is not None and len(self.at_s) > self._appears_after else None


def test_who_is_told_does_not_look_again() -> None:
    async def scenario() -> None:
        completions, looks = Completions(), Looks()
        asyncio.get_running_loop().call_later(0.01, completions.finished, "E_1", DONE)
        assert await completions.wait("E_1", 60, looks) is DONE
        assert len(looks.at_s) == 1

    asyncio.run(scenario())


def test_what_finishes_during_the_first_look_is_not_missed() -> None:
    async def scenario() -> None:
        completions = Completions()
        looks = Looks(before=lambda: completions.finished("E_1", DONE))
        assert await completions.wait("E_1", 60, looks) is DONE

    asyncio.run(scenario())


def test_what_finished_before_anybody_waited_is_remembered_once_if_it_is_small_and_has_no_parent() -> None:
    completions, large = Completions(), Returned(value=msgspec.Raw(b"1" * (SMALL + 1)))
    for execution_id, outcome in (("E_1", DONE), ("E_2", large), ("E_3.o:1_1", DONE)):
        completions.finished(execution_id, outcome)
    assert [completions.recent(execution_id) for execution_id in ("E_1", "E_1", "E_2", "E_3.o:1_1")] == [DONE] + [
        None
    ] * 3
    for number in range(RECENT + 1):
        completions.finished(f"E_{number}", DONE)
    assert (completions.recent("E_0"), completions.recent("E_1")) == (None, DONE)


def test_what_another_process_finishes_is_found() -> None:
    async def scenario() -> None:
        assert await Completions().wait("E_1", 60, Looks(appears_after=1)) is DONE

    asyncio.run(scenario())


def test_time_runs_out_and_all_wait_for_their_own_execution() -> None:
    async def scenario() -> None:
        completions = Completions()
        asyncio.get_running_loop().call_later(0.01, completions.finished, "E_2", DONE)
        waits = (completions.wait("E_1", 0.05, Looks()), completions.wait("E_2", 60, Looks()))
        assert list(await asyncio.gather(*waits)) == [None, DONE]
        assert await completions.wait("E_1", 0, Looks()) is None

    asyncio.run(scenario())


def test_giving_up_ends_every_wait_now_and_later() -> None:
    async def scenario() -> None:
        completions = Completions()
        asyncio.get_running_loop().call_soon(completions.give_up)
        waits = [completions.wait(name, 60, Looks()) for name in ("E_1", "E_1", "E_2")]
        assert await asyncio.gather(*waits) == [None, None, None]
        assert await completions.wait("E_3", 60, Looks()) is None
        assert await completions.wait("E_3", 60, Looks(appears_after=0)) is DONE

    asyncio.run(scenario())


def test_a_failing_look_is_the_waiters_to_hear_and_leaves_nothing_behind() -> None:
    async def fails() -> Outcome | None:
        raise ExecutionNotFound("no execution E_1", execution_id="E_1")

    async def scenario() -> None:
        completions = Completions()
        with pytest.raises(ExecutionNotFound):
            await completions.wait("E_1", 60, fails)
        completions.finished("E_1", DONE)
        assert await completions.wait("E_1", 0.01, Looks()) is None

    asyncio.run(scenario())


def test_the_longer_a_wait_the_rarer_the_looks() -> None:
    at_s, looks = 0.0, list[float]()
    while at_s < 3600:
        looks.append(at_s)
        at_s += pause_s(at_s, 3600)
    assert at_s == 3600
    assert looks[1] == LOOK_EVERY_S
    assert len(looks) < 50
    assert pause_s(59.9, 60) == pytest.approx(0.1)
