"""When a store that failed is tried again, on a clock that only waiting moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from obelisk.runtime.executor.probing import Probing

MIB = 1 << 20


class Hours:
    """A clock that waiting moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    hours = Hours()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: hours)
    monkeypatch.setattr(asyncio, "sleep", hours.sleep)
    return hours


async def pauses(hours: Hours, tried: Probing, count: int) -> list[float]:
    found: list[float] = []
    for _ in range(count):
        begin_s = hours.now_s
        await tried.pause()
        found.append(round(hours.now_s - begin_s, 6))
    return found


def drive(work: Coroutine[None, None, None]) -> None:
    """Run what never really waits."""
    with pytest.raises(StopIteration):
        work.send(None)


@pytest.mark.parametrize("room", [lambda: None, lambda: 5 * MIB])
def test_pauses_double_up_to_a_bound(hours: Hours, room: Callable[[], int | None]) -> None:
    async def work() -> None:
        tried = Probing(room)
        tried.begin()
        assert await pauses(hours, tried, 8) == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]

    drive(work())


def test_room_ends_a_pause(hours: Hours) -> None:
    async def work() -> None:
        tried = Probing(lambda: 0 if hours.now_s < 20 else MIB)
        tried.begin()
        while hours.now_s < 20:
            await tried.pause()
        assert hours.now_s < 20.3
        assert await pauses(hours, tried, 1) == [5.0]

    drive(work())


def test_less_room_than_counts_ends_none(hours: Hours) -> None:
    async def work() -> None:
        tried = Probing(lambda: round(hours.now_s * 1000))
        tried.begin()
        assert await pauses(hours, tried, 3) == [0.1, 0.2, 0.4]

    drive(work())


def test_what_fails_again_at_once_is_not_tried_more_often(hours: Hours) -> None:
    async def work() -> None:
        tried = Probing(lambda: None)
        tried.begin()
        await pauses(hours, tried, 4)
        tried.succeeded()
        await hours.sleep(1)
        tried.begin()
        assert await pauses(hours, tried, 1) == [1.6]
        tried.succeeded()
        await hours.sleep(60)
        tried.begin()
        assert await pauses(hours, tried, 1) == [0.1]

    drive(work())
