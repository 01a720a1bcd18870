"""The trip example's workflow as plain Python: what it books, what it cancels, and in which order.

It runs over the bindings that componentize-py generates, with the activities replaced: no WebAssembly, so it is quick
and reaches the cases that are hard to bring about in a running engine, such as a cancellation that fails for good.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, TypeAlias

import pytest

from trip_fixtures import trip_bindings as trip_bindings

Bindings: TypeAlias = Callable[[str], ModuleType]


class Agency:
    """Stands for the activities: books everything, except what `fails` maps to an error; remembers the calls."""

    def __init__(self, types: Any, error: Callable[[Any], Exception]) -> None:
        self.types = types
        self.error = error
        self.fails: dict[str, Any] = {}
        self.calls: list[str] = []
        self.orders: list[Any] = []

    def book(self, service: str) -> Callable[[Any], Any]:
        def activity(order: Any) -> Any:
            self.orders.append(order)
            self._called(f"book {service}")
            return self.types.Booking(self.types.Service[service.upper()], f"{service}-1", "as ordered", 100_00)

        return activity

    def cancel(self, service: str) -> Callable[[str], None]:
        def activity(confirmation: str) -> None:
            assert confirmation == f"{service}-1"
            self._called(f"cancel {service}")

        return activity

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if call in self.fails:
            raise self.error(self.fails[call])


@pytest.fixture
def guest(trip_bindings: Callable[[str], Bindings], monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The workflow's module with an `agency` behind its imports, and the generated `types`."""
    load = trip_bindings("workflow")
    types = load("wit_world.imports.types")
    agency = Agency(types, load("componentize_py_types").Err)
    activities = load("wit_world.imports.activities")
    for service in ("flight", "hotel", "car"):
        monkeypatch.setattr(activities, f"book_{service}", agency.book(service))
        monkeypatch.setattr(activities, f"cancel_{service}", agency.cancel(service))
    messages: list[str] = []
    for level in ("info", "warn"):
        monkeypatch.setattr(load("wit_world.imports.log"), level, messages.append)
    support = load("wit_world.imports.workflow_support")
    monkeypatch.setattr(support, "execution_id_current", lambda: SimpleNamespace(id="E_1"))
    return SimpleNamespace(module=load("trip_workflow"), types=types, agency=agency, messages=messages)


def request(guest: SimpleNamespace, **changes: Any) -> Any:
    types = guest.types
    fields: dict[str, Any] = {
        "traveller": types.Traveller("Ada", None),
        "origin": "Prague",
        "destination": "Lisbon",
        "start": types.Date(2031, 5, 4),
        "nights": 3,
        "cabin": types.Cabin.ECONOMY,
        "comforts": types.Comforts.BREAKFAST,
        "car": types.CarClass.SMALL,
        "mishaps": [],
    }
    return guest.module.TripRequest(**(fields | changes))


def error_of(guest: SimpleNamespace, trip: Any) -> Any:
    try:
        guest.module.Workflow().book_trip(trip)
    except guest.agency.error as error:
        return error.value
    return pytest.fail("the trip was booked")


def test_the_whole_trip_is_booked_in_order(guest: SimpleNamespace) -> None:
    itinerary = guest.module.Workflow().book_trip(request(guest))
    assert guest.agency.calls == ["book flight", "book hotel", "book car"]
    assert [booking.confirmation for booking in itinerary.bookings] == ["flight-1", "hotel-1", "car-1"]
    assert itinerary.total_cents == 300_00


def test_order_numbers_come_from_the_execution_alone(guest: SimpleNamespace) -> None:
    guest.module.Workflow().book_trip(request(guest))
    guest.module.Workflow().book_trip(request(guest))
    assert [order.number for order in guest.agency.orders] == ["E_1/flight", "E_1/hotel", "E_1/car"] * 2


def test_no_car_is_booked_unless_wanted(guest: SimpleNamespace) -> None:
    itinerary = guest.module.Workflow().book_trip(request(guest, car=None))
    assert guest.agency.calls == ["book flight", "book hotel"]
    assert itinerary.total_cents == 200_00


def test_mishaps_reach_the_order_they_are_meant_for(guest: SimpleNamespace) -> None:
    flaky = guest.types.Mishap_Flaky(10)
    guest.module.Workflow().book_trip(request(guest, mishaps=[(guest.types.Service.HOTEL, flaky)]))
    assert [order.mishap for order in guest.agency.orders] == [None, flaky, None]


def test_what_was_booked_is_cancelled_in_reverse(guest: SimpleNamespace) -> None:
    sold_out = guest.types.BookingError_SoldOut(guest.types.Service.CAR)
    guest.agency.fails["book car"] = sold_out
    setback = error_of(guest, request(guest)).value
    assert guest.agency.calls == ["book flight", "book hotel", "book car", "cancel hotel", "cancel flight"]
    assert (setback.service, setback.reason) == (guest.types.Service.CAR, sold_out)
    assert [booking.confirmation for booking in setback.cancelled] == ["hotel-1", "flight-1"]
    assert setback.stranded == []
    assert guest.messages == ["no car to be had: cancelling what was booked"]


def test_a_failed_execution_is_compensated_like_an_error(guest: SimpleNamespace) -> None:
    guest.agency.fails["book hotel"] = guest.types.BookingError_ExecutionFailed()
    setback = error_of(guest, request(guest)).value
    assert guest.agency.calls == ["book flight", "book hotel", "cancel flight"]
    assert setback.reason == guest.types.BookingError_ExecutionFailed()


def test_what_cannot_be_cancelled_is_named_and_the_rest_goes_on(guest: SimpleNamespace) -> None:
    guest.agency.fails["book car"] = guest.types.BookingError_Unavailable("closed")
    guest.agency.fails["cancel hotel"] = guest.types.BookingError_Unavailable("closed")
    setback = error_of(guest, request(guest)).value
    assert [booking.confirmation for booking in setback.stranded] == ["hotel-1"]
    assert [booking.confirmation for booking in setback.cancelled] == ["flight-1"]


def test_nothing_is_booked_for_a_wrong_request(guest: SimpleNamespace) -> None:
    types = guest.types
    wrong = request(
        guest, traveller=types.Traveller(" ", None), destination="Prague", nights=0, start=types.Date(2031, 13, 1)
    )
    problems = error_of(guest, wrong).value
    assert [problem.partition(":")[0] for problem in problems] == [
        "the traveller has no name",
        "the trip ends where it starts",
        "a trip lasts from 1 to 90 nights",
        "the start is no day of the calendar",
    ]
    assert guest.agency.calls == []
