"""One timer for many instants: in order, never early, and in turns with everything else on the loop."""

from __future__ import annotations

import asyncio
from functools import partial

from obelisk.runtime.executor.timers import AT_ONCE, Timers


class Hands:
    """A clock that stands where it is put."""

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        return self.at_us


async def turns() -> None:
    """Let all that is due happen, however many steps of the loop that takes."""
    for _ in range(20):
        await asyncio.sleep(0.001)


def test_callbacks_come_in_the_order_of_their_instants_and_never_early() -> None:
    async def scenario() -> None:
        clock, called = Hands(1_000), list[str]()
        timers = Timers(clock)
        for at_us, name in ((900, "c"), (500, "a"), (501, "b"), (2_000_000, "later"), (900, "d")):
            timers.at(at_us, partial(called.append, name))
        await turns()
        assert called == ["a", "b", "c", "d"]
        clock.at_us = 2_000_000
        timers.at(1_000, partial(called.append, "e"))
        await turns()
        assert called == ["a", "b", "c", "d", "e", "later"]

    asyncio.run(scenario())


def test_many_that_are_due_at_once_leave_turns_to_others() -> None:
    async def scenario() -> None:
        timers, order = Timers(Hands(1_000)), list[str]()
        count = 3 * AT_ONCE + 1
        for _ in range(count):
            timers.at(500, partial(order.append, "timer"))
        while order.count("timer") < count:
            order.append("other")
            await asyncio.sleep(0)
        first, last = order.index("timer"), len(order) - 1 - order[::-1].index("timer")
        assert order[first : last + 1].count("other") >= 3
        assert order.count("timer") == count

    asyncio.run(scenario())


def test_closed_timers_call_nobody() -> None:
    async def scenario() -> None:
        called = list[str]()
        timers = Timers(Hands(1_000))
        timers.at(500, partial(called.append, "never"))
        timers.close()
        await turns()
        assert called == []

    asyncio.run(scenario())
