"""What guests ask for in time: any number of theirs gives an instant that can be recorded."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from obelisk.runtime.log.instants import MAX_INSTANT_US
from obelisk.runtime.ports.guest import JsonValue
from obelisk.runtime.workers.answers import due_us, instant_us

NOW_US = 1_700_000_000_000_000
U32, U64 = st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 64) - 1)
WIDTHS = {"milliseconds": U64, "seconds": U64, "minutes": U32, "hours": U32, "days": U32}


def spans() -> st.SearchStrategy[JsonValue]:
    return st.sampled_from(list(WIDTHS)).flatmap(lambda unit: WIDTHS[unit].map(partial(span, unit)))


def span(unit: str, count: int) -> JsonValue:
    return {"in": {unit: count}}


def dates() -> st.SearchStrategy[JsonValue]:
    return st.tuples(U64, U32).map(lambda pair: {"at": {"seconds": pair[0], "nanoseconds": pair[1]}})


@given(spans() | dates() | st.just("now"))
def test_every_wish_is_an_instant_that_can_be_recorded(wish: JsonValue) -> None:
    assert 0 <= instant_us(wish, NOW_US) <= MAX_INSTANT_US
    assert due_us(wish, NOW_US) == max(NOW_US, instant_us(wish, NOW_US))


def test_what_cannot_be_said_is_the_last_instant() -> None:
    last: JsonValue = {"in": {"milliseconds": (1 << 64) - 1}}
    assert instant_us(last, NOW_US) == MAX_INSTANT_US
    assert instant_us({"in": {"milliseconds": 1500}}, NOW_US) == NOW_US + 1_500_000
    assert instant_us({"at": {"seconds": 5, "nanoseconds": 2_500}}, NOW_US) == 5_000_002
