"""Unit tests of the trip example: its workflow and its activities from their source, on virtual time."""

from datetime import timedelta
from pathlib import Path

import pytest
from componentize_py_types import Err
from wit_world.imports import activities, workflow
from wit_world.imports.types import (
    Booking,
    BookingError_SoldOut,
    BookingError_Unavailable,
    Cabin,
    CarClass,
    Comforts,
    Date,
    Mishap,
    Mishap_ClosedUntil,
    Mishap_Crash,
    Mishap_SoldOut,
    Service,
    Traveller,
)
from wit_world.imports.workflow import TripError_InvalidRequest, TripError_NotBooked, TripRequest

from obelisk.testing import World, fails, script, times_out

HISTORIES = Path(__file__).parent / "histories"


def request(*mishaps: tuple[Service, Mishap], nights: int = 3) -> TripRequest:
    return TripRequest(
        traveller=Traveller("Ada", None),
        origin="Wien",
        destination="Oslo",
        start=Date(2027, 5, 4),
        nights=nights,
        cabin=Cabin.ECONOMY,
        comforts=Comforts.BREAKFAST | Comforts.SEA_VIEW,
        car=CarClass.SMALL,
        mishaps=list(mishaps),
    )


async def test_a_trip_is_booked(world: World) -> None:
    itinerary = await world.run(workflow.book_trip, request())
    assert [booking.service for booking in itinerary.bookings] == [Service.FLIGHT, Service.HOTEL, Service.CAR]
    assert itinerary.total_cents == sum(booking.price_cents for booking in itinerary.bookings)
    (hotel,) = world.calls(activities.book_hotel)
    assert hotel.args[0].guest == "Ada"


def test_a_request_that_makes_no_sense_books_nothing(world: World) -> None:
    with pytest.raises(Err) as refused:
        world.run_sync(workflow.book_trip, request(nights=0))
    assert refused.value.value == TripError_InvalidRequest(["a trip lasts from 1 to 90 nights"])
    assert world.history(workflow.book_trip).asked == []


async def test_a_hotel_that_fails_twice_is_tried_again(world: World) -> None:
    room = Booking(Service.HOTEL, "HO-1", "a room", 100_00)
    unavailable = Err(BookingError_Unavailable("no answer"))
    world.replace(activities.book_hotel, script(unavailable, fails("the line is dead"), room))
    itinerary = await world.run(workflow.book_trip, request())
    assert itinerary.bookings[1] == room
    (hotel,) = world.calls(activities.book_hotel)
    assert hotel.attempts == 2


async def test_an_attempt_that_does_not_answer_is_given_up(world: World) -> None:
    begin = world.now
    world.replace(activities.book_flight, script(times_out(), Booking(Service.FLIGHT, "FL-1", "a seat", 1)))
    await world.run(workflow.book_trip, request())
    assert world.now - begin >= timedelta(minutes=1)


async def test_what_was_booked_is_cancelled_when_the_car_is_sold_out(world: World) -> None:
    with pytest.raises(Err) as failed:
        await world.run(workflow.book_trip, request((Service.CAR, Mishap_SoldOut())))
    error = failed.value.value
    assert isinstance(error, TripError_NotBooked)
    assert error.value.reason == BookingError_SoldOut(Service.CAR)
    assert [booking.service for booking in error.value.cancelled] == [Service.HOTEL, Service.FLIGHT]
    assert len(world.calls(activities.cancel_flight)) == 1


async def test_a_cancellation_that_fails_strands_a_booking(world: World) -> None:
    world.replace(activities.cancel_hotel, fails("the hotel does not pick up"))
    with pytest.raises(Err) as failed:
        await world.run(workflow.book_trip, request((Service.CAR, Mishap_Crash())))
    assert [booking.service for booking in failed.value.value.value.stranded] == [Service.HOTEL]


async def test_a_hotel_opens_within_the_time_of_the_retries(world: World) -> None:
    opens = world.now + timedelta(seconds=1)
    closed = Mishap_ClosedUntil(round(opens.timestamp() * 1000))
    itinerary = await world.run(workflow.book_trip, request((Service.HOTEL, closed)))
    assert itinerary.bookings[1].service is Service.HOTEL
    assert world.now >= opens


def test_saved_histories_replay(world: World) -> None:
    world.assert_replays(workflow.book_trip, HISTORIES)
