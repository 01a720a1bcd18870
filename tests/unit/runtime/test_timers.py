"""One timer for many instants: in order, never early, and in turns with everything else on the loop."""

from __future__ import annotations

import asyncio
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime.executor.timers import AT_ONCE, SMALL, Timers
from sim_time import VirtualLoop


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


def test_timers_that_are_cancelled_leave_the_heap() -> None:
    """Races that were won long before their time limit: they would stay for a day."""

    async def scenario() -> None:
        timers = Timers(Hands(1_000))
        kept = timers.at(50_000_000, lambda: None)
        for _ in range(2_000):
            timers.cancel(timers.at(86_400_000_000, lambda: None))
            assert timers.entries <= 2 + SMALL
        assert len(timers) == 1
        assert kept in timers

    asyncio.run(scenario())


def test_one_that_is_cancelled_by_another_of_its_instant_does_not_call_back() -> None:
    async def scenario() -> None:
        called = list[str]()
        timers = Timers(Hands(1_000))
        timers.at(500, lambda: timers.cancel(second))
        second = timers.at(500, partial(called.append, "never"))
        third = timers.at(501, partial(called.append, "third"))
        await asyncio.sleep(0.01)
        timers.cancel(third)
        timers.cancel(12_345)
        assert called == ["third"]
        assert (len(timers), timers.entries) == (0, 0)

    asyncio.run(scenario())


SET, CANCEL, WAIT = "set", "cancel", "wait"
STEPS = st.lists(
    st.tuples(st.sampled_from([SET, SET, SET, CANCEL, CANCEL, WAIT]), st.integers(0, 2_000_000)), max_size=300
)


@given(STEPS)
def test_what_is_set_calls_back_in_order_unless_it_is_cancelled(steps: list[tuple[str, int]]) -> None:
    """Against a model: a sorted list of all that is set. The heap stays in proportion, whatever is cancelled."""
    loop = VirtualLoop()
    timers = Timers(loop)
    called, expected, model = list[int](), list[int](), dict[int, int]()

    def set_one(at_us: int) -> None:
        number = timers.at(at_us, lambda: called.append(number))
        model[number] = at_us

    async def scenario() -> None:
        for step, amount in steps:
            if step == SET:
                set_one(loop.now_us() + amount)
            elif step == CANCEL and model:
                number = sorted(model)[amount % len(model)]
                timers.cancel(number)
                del model[number]
            elif step == WAIT:
                await asyncio.sleep(amount / 1e6)
                await asyncio.sleep(1e-6)  # what is due at the very instant comes in the same turn, or in the next
                due = sorted((at_us, number) for number, at_us in model.items() if at_us < loop.now_us())
                expected.extend(number for _, number in due)
                for _, number in due:
                    del model[number]
                assert called == expected
            assert len(timers) == len(model)
            assert set(model) == {number for number in model if number in timers}
            assert timers.entries <= 2 * len(timers) + SMALL

    loop.run_until_complete(scenario())
    loop.close()
