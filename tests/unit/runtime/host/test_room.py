"""Guests are refused before the process runs out of memory maps or address space, and that costs next to nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from obelisk.runtime.errors import NoRoom
from obelisk.runtime.host.wasmtime.room import OTHERS_MAPS_PER_S, Room, SystemMeasures

GIB = 1 << 30
KEPT = 4096
"""Maps that are kept back."""


class Process:
    """A process of `maps` memory maps and some address space, and guests that take of both."""

    def __init__(self, *, most_maps: int = 65_530, most_bytes: int = 1 << 47) -> None:
        self.guests: dict[int, tuple[int, int]] = {}
        self.taken_maps, self.taken_bytes = 300, GIB
        self._most_maps, self._most_bytes = most_maps, most_bytes
        self.now_s, self.counted, self.looked, self._last = 0.0, 0, 0, 0
        self.room = Room(self.guests, self, lambda: self.now_s)

    def maps(self) -> int:
        self.counted += 1
        self.now_s += self.taken_maps * 1e-6
        return self.taken_maps

    def most_maps(self) -> int:
        return self._most_maps

    def address_bytes(self) -> int:
        self.looked += 1
        return self.taken_bytes

    def most_address_bytes(self) -> int:
        return self._most_bytes

    def start(self, maps: int = 6, size: int = 4 * GIB + (67 << 20)) -> bool:
        """Start a guest if there is room; it takes some time."""
        self.now_s += 20e-6
        try:
            self.room.require()
        except NoRoom:
            return False
        self._last += 1
        self.guests[self._last] = maps, size
        self.taken_maps += maps
        self.taken_bytes += size
        return True

    def end(self) -> None:
        """End the oldest."""
        maps, size = self.guests.pop(next(iter(self.guests)))
        self.taken_maps -= maps
        self.taken_bytes -= size

    def fill(self, maps: int = 6, size: int = 4 * GIB + (67 << 20)) -> int:
        """Start guests until there is no room, waiting for it a while; how many."""
        patience = 30
        while patience:
            if not self.start(maps, size):
                self.now_s += 1.0
                patience -= 1
        return len(self.guests)


@pytest.fixture(params=[(2, 3 << 20), (6, 4 * GIB + (67 << 20)), (36, 33 * GIB)], ids=["pooled", "usual", "largest"])
def kind(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Maps and address space of a guest."""
    found: tuple[int, int] = request.param
    return found


def test_maps_are_used_but_for_what_is_kept(kind: tuple[int, int]) -> None:
    process = Process()
    process.fill(*kind)
    assert process.maps() < 65_530 - 1_000, "the process would have ended"
    assert process.address_bytes() < 1 << 47
    assert process.maps() > 55_000 or process.address_bytes() > 100 << 40, "there was room"


def test_address_space_is_used_but_for_what_is_kept() -> None:
    process = Process(most_bytes=64 * GIB)
    assert process.fill() == 14
    assert process.address_bytes() < 60 * GIB


@pytest.mark.parametrize("most_bytes", [2 * GIB, 5 * GIB, 1 << 39])
def test_little_address_space_is_no_trouble(most_bytes: int) -> None:
    process = Process(most_bytes=most_bytes)
    process.fill()
    assert process.address_bytes() <= most_bytes - (GIB >> 1)


def test_starts_seldom_look_and_maps_are_hardly_ever_counted() -> None:
    process = Process()
    for _ in range(9_000):
        assert process.start()
    assert process.looked < 9_000 / 32
    assert process.counted <= 8
    process = Process()
    for _ in range(10_000):
        assert process.start()
        process.end()
    assert process.looked < 10_000 / 32
    assert process.counted <= 8


def test_at_the_bound_one_may_start_for_each_that_ends() -> None:
    process = Process()
    full = process.fill()
    counted = process.counted
    for _ in range(1_000):
        assert not process.room.fits()
        assert process.room.fits_instead()
        process.end()
        assert process.start()
    assert len(process.guests) == full
    assert process.counted - counted < 20, "counting takes more than a hundredth of the time"


def test_what_others_take_is_seen_in_time_and_guests_should_end() -> None:
    process = Process()
    for _ in range(5_000):
        assert process.start()
    assert not process.room.is_over()
    process.taken_maps += 40_000
    process.now_s += 10
    process.room.look()
    assert process.room.is_over()
    ended = 0
    while process.room.is_over():
        process.end()
        ended += 1
    assert process.maps() <= 65_530 - KEPT
    assert ended < 2_500
    process.taken_maps -= 40_000
    process.now_s += 10
    assert process.start()


def test_after_the_system_refused_a_guest_none_starts_for_a_growing_while(caplog: pytest.LogCaptureFixture) -> None:
    process = Process()
    process.start()
    pauses = list[float]()
    with caplog.at_level(logging.WARNING):
        for _ in range(9):
            process.room.refused("mmap failed")
            begin_s = process.now_s
            assert not process.room.is_over(), "nobody is unloaded for it"
            while not process.room.fits():
                assert process.room.fits_instead()
                with pytest.raises(NoRoom, match="it has 1: mmap failed"):
                    process.room.require()
                process.now_s += 0.5
            pauses.append(process.now_s - begin_s)
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 60], abs=0.6)
    assert 2 <= len(caplog.records) <= 5, "once a minute"
    process.now_s += 1_000
    process.room.refused("mmap failed")
    process.end()
    assert process.start(), "in the place of another"
    assert not process.start()
    process.end()
    process.room.refused("mmap failed")
    assert not process.room.fits_instead(), "not even one fits"
    process.now_s += 1
    process.now_s += 1.5
    assert process.room.fits()


def test_the_refusal_says_what_is_scarce() -> None:
    process = Process()
    process.fill()
    with pytest.raises(NoRoom, match=r"all but 4096 of 65530 memory maps are taken \(see sysctl vm.max_map_count\)"):
        process.room.require()
    process = Process(most_bytes=16 * GIB)
    process.fill()
    with pytest.raises(NoRoom, match=r"13\d\d\d MiB of address space are taken of 16384 \(see ulimit -v\)"):
        process.room.require()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "start", "replace", "end", "wait", "others"]),
        st.integers(0, 3_000),
        st.integers(0, 9),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS, st.sampled_from([8_192, 65_530, 1 << 20]))
def test_it_never_runs_out(steps: list[tuple[str, int, int]], most_maps: int) -> None:
    """Guests of all sizes come and go while others take what they may each second, even with no guest let in."""
    process = Process(most_maps=most_maps)
    for step, amount, size in steps:
        guest = (2, 0) if size == 9 else (4 + 4 * size, size * (4 * GIB + (67 << 20)))  # 9: in a slot of the pool
        match step:
            case "start":
                for _ in range(amount):
                    process.start(*guest)
            case "replace":
                for _ in range(min(amount, len(process.guests))):
                    process.end()
                    process.start(*guest)
            case "end":
                for _ in range(min(amount, len(process.guests))):
                    process.end()
            case _:
                for _ in range(amount // 100):
                    if step == "others" and not process.room.is_over():
                        process.taken_maps += OTHERS_MAPS_PER_S
                    process.now_s += 1
                    process.room.look()
        assert process.taken_maps < most_maps
        assert process.address_bytes() < 1 << 47


def test_the_system_says_what_it_has() -> None:
    measures: Any = SystemMeasures()
    assert 100 < measures.maps() <= measures.most_maps()
    assert 0 < measures.address_bytes() < measures.most_address_bytes()
    assert measures.most_address_bytes() >= 1 << 38
