"""The trip example's activities as plain Python: prices, repeated orders, and trouble made on purpose."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from trip_fixtures import trip_bindings as trip_bindings


@pytest.fixture
def guest(
    trip_bindings: Callable[[str], Callable[[str], ModuleType]], monkeypatch: pytest.MonkeyPatch
) -> SimpleNamespace:
    """The activities, the generated types and orders, and the class that returns an `err`."""
    load = trip_bindings("activities")
    monkeypatch.setattr(load("wit_world.imports.log"), "info", str)
    return SimpleNamespace(
        activities=load("trip_activities").Activities(),
        types=load("wit_world.imports.types"),
        orders=load("wit_world.exports.activities"),
        error=load("componentize_py_types").Err,
    )


def flight(guest: SimpleNamespace, mishap: Any = None, number: str = "E_1/flight") -> Any:
    types = guest.types
    day = types.Date(2031, 5, 4)
    return guest.orders.FlightOrder(number, "Ada", "Prague", "Lisbon", day, types.Cabin.PREMIUM, mishap)


def error_of(guest: SimpleNamespace, act: Callable[[], Any]) -> Any:
    try:
        act()
    except guest.error as error:
        return error.value
    return pytest.fail("it succeeded")


def test_each_service_has_its_price(guest: SimpleNamespace) -> None:
    types, orders, act = guest.types, guest.orders, guest.activities
    day = types.Date(2031, 5, 4)
    comforts = types.Comforts.BREAKFAST | types.Comforts.SEA_VIEW
    hotel = orders.HotelOrder("E_1/hotel", "Ada", "Lisbon", day, 3, comforts, None)
    car = orders.CarOrder("E_1/car", "Ada", "Lisbon", day, 2, types.CarClass.ELECTRIC, None)
    booked = [act.book_flight(flight(guest)), act.book_hotel(hotel), act.book_car(car)]
    assert [booking.price_cents for booking in booked] == [260_00, 3 * (95_00 + 15_00 + 40_00), 2 * 60_00]
    assert [booking.description for booking in booked] == [
        "Prague to Lisbon, premium, for Ada",
        "3 nights in Lisbon, breakfast, sea view, for Ada",
        "electric car in Lisbon for 2 days, for Ada",
    ]


def test_a_repeated_order_is_the_same_booking(guest: SimpleNamespace) -> None:
    book = guest.activities.book_flight
    assert book(flight(guest)) == book(flight(guest))
    assert book(flight(guest)).confirmation != book(flight(guest, number="E_2/flight")).confirmation


def test_a_booking_can_be_cancelled_by_its_own_service_only(guest: SimpleNamespace) -> None:
    confirmation = guest.activities.book_flight(flight(guest)).confirmation
    guest.activities.cancel_flight(confirmation)
    refused = error_of(guest, lambda: guest.activities.cancel_car(confirmation))
    assert refused == guest.types.BookingError_UnknownConfirmation(confirmation)


def test_a_flaky_service_fails_by_the_dice(guest: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    def dice(below: int) -> int:
        return 29 if below == 100 else -1

    monkeypatch.setattr(secrets, "randbelow", dice)
    assert guest.activities.book_flight(flight(guest, guest.types.Mishap_Flaky(29))).price_cents
    refused = error_of(guest, lambda: guest.activities.book_flight(flight(guest, guest.types.Mishap_Flaky(30))))
    assert refused == guest.types.BookingError_Unavailable("the flight service hung up")


def test_a_closed_service_opens(guest: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 5_000_000_000)
    assert guest.activities.book_flight(flight(guest, guest.types.Mishap_ClosedUntil(5_000))).price_cents
    refused = error_of(
        guest, lambda: guest.activities.book_flight(flight(guest, guest.types.Mishap_ClosedUntil(5_001)))
    )
    assert refused == guest.types.BookingError_Unavailable("the flight service is still closed")


def test_a_sold_out_service_refuses_and_a_defect_raises(guest: SimpleNamespace) -> None:
    sold_out = error_of(guest, lambda: guest.activities.book_flight(flight(guest, guest.types.Mishap_SoldOut())))
    assert sold_out == guest.types.BookingError_SoldOut(guest.types.Service.FLIGHT)
    with pytest.raises(RuntimeError, match="has a defect"):
        guest.activities.book_flight(flight(guest, guest.types.Mishap_Crash()))
