"""The workflow of the trip example: book flight, hotel and car, or cancel what was booked.

There is no bookkeeping here for crashes and no retry: the engine repeats activities that fail, and after a crash it
runs this code again over the recorded results, up to where it was. The one condition is that the code asks for the same
things again, so everything that is not a parameter comes from the engine (here: the execution's id).
"""

from collections.abc import Callable
from datetime import date

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.workflow import (
    Itinerary,
    Setback,
    TripError_InvalidRequest,
    TripError_NotBooked,
    TripRequest,
)
from wit_world.imports import activities, log, workflow_support
from wit_world.imports.activities import CarOrder, FlightOrder, HotelOrder
from wit_world.imports.types import Booking, BookingError, Mishap, Service

_CANCEL: dict[Service, Callable[[str], None]] = {
    Service.FLIGHT: activities.cancel_flight,
    Service.HOTEL: activities.cancel_hotel,
    Service.CAR: activities.cancel_car,
}


class Workflow(exports.Workflow):
    """Implements the interface `demo:trip/workflow`; raising `Err` returns the `err` of a function's result."""

    def book_trip(self, request: TripRequest) -> Itinerary:
        """Book the whole trip or nothing."""
        problems = _problems(request)
        if problems:
            raise Err(TripError_InvalidRequest(problems))
        bookings: list[Booking] = []
        for service, book in _plan(request):
            try:
                bookings.append(book())
            except Err as error:
                raise Err(TripError_NotBooked(_give_up(service, error.value, bookings))) from None
        return Itinerary(request.traveller, bookings, sum(booking.price_cents for booking in bookings))


def _problems(request: TripRequest) -> list[str]:
    """What is wrong with the request; empty when it can be booked."""
    problems: list[str] = []
    if not request.traveller.name.strip():
        problems.append("the traveller has no name")
    if request.origin == request.destination:
        problems.append("the trip ends where it starts")
    if not 1 <= request.nights <= 90:
        problems.append("a trip lasts from 1 to 90 nights")
    try:
        date(request.start.year, request.start.month, request.start.day)
    except ValueError as error:
        problems.append(f"the start is no day of the calendar: {error}")
    return problems


def _plan(request: TripRequest) -> list[tuple[Service, Callable[[], Booking]]]:
    """The bookings to make, in order. An order's number is the same in each replay and each attempt."""
    trip = workflow_support.execution_id_current().id
    mishaps: dict[Service, Mishap] = dict(request.mishaps)
    name = request.traveller.name
    flight = FlightOrder(
        number=f"{trip}/flight",
        passenger=name,
        origin=request.origin,
        destination=request.destination,
        day=request.start,
        cabin=request.cabin,
        mishap=mishaps.get(Service.FLIGHT),
    )
    hotel = HotelOrder(
        number=f"{trip}/hotel",
        guest=name,
        city=request.destination,
        arrival=request.start,
        nights=request.nights,
        comforts=request.comforts,
        mishap=mishaps.get(Service.HOTEL),
    )
    plan: list[tuple[Service, Callable[[], Booking]]] = [
        (Service.FLIGHT, lambda: activities.book_flight(flight)),
        (Service.HOTEL, lambda: activities.book_hotel(hotel)),
    ]
    if request.car is not None:
        car = CarOrder(
            number=f"{trip}/car",
            driver=name,
            city=request.destination,
            pick_up=request.start,
            days=request.nights,
            class_=request.car,
            mishap=mishaps.get(Service.CAR),
        )
        plan.append((Service.CAR, lambda: activities.book_car(car)))
    return plan


def _give_up(service: Service, reason: BookingError, bookings: list[Booking]) -> Setback:
    """Cancel `bookings`, the last one first, and tell what became of each."""
    log.warn(f"no {service.name.lower()} to be had: cancelling what was booked")
    cancelled: list[Booking] = []
    stranded: list[Booking] = []
    for booking in reversed(bookings):
        try:
            _CANCEL[booking.service](booking.confirmation)
        except Err:
            stranded.append(booking)
        else:
            cancelled.append(booking)
    return Setback(service, reason, cancelled, stranded)
