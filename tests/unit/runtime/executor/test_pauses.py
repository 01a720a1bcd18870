"""Pauses grow, have a bound, and begin anew after a success."""

from __future__ import annotations

from obelisk.runtime.executor import pauses
from obelisk.runtime.executor.pauses import Pauses, PausesOf, pause_s


def test_each_pause_is_twice_the_one_before_up_to_the_bound() -> None:
    one = Pauses(0.5, 30.0)
    assert [one.next_s() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    one.reset()
    assert one.next_s() == 0.5


def test_no_count_is_too_large() -> None:
    assert pause_s(10**9, 0.5, 30.0) == 30.0


def test_what_fails_does_not_slow_down_the_rest_and_is_forgotten() -> None:
    several = PausesOf(1.0, 8.0)
    assert [several.next_s("a"), several.next_s("a"), several.next_s("b")] == [1.0, 2.0, 1.0]
    several.forget("a")
    several.forget("unknown")
    assert several.next_s("a") == 1.0
    for number in range(2 * pauses.MOST_REMEMBERED):
        several.next_s(str(number))
    assert len(several) == pauses.MOST_REMEMBERED
