"""A trip that is paid: the workflow of the trip example as a child, then a payment by a worker outside the engine.

Nothing here tells that the payment's code is no component: it is called as the activities of the trip are.
"""

from collections.abc import Callable

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.trips import PaidTrip, PaidTripError_NotBooked, PaidTripError_NotPaid, Unpaid
from wit_world.imports import activities, log, payments, workflow
from wit_world.imports.payments import PaymentError
from wit_world.imports.types import Booking, Service
from wit_world.imports.workflow import TripRequest

_CANCEL: dict[Service, Callable[[str], None]] = {
    Service.FLIGHT: activities.cancel_flight,
    Service.HOTEL: activities.cancel_hotel,
    Service.CAR: activities.cancel_car,
}


class Trips(exports.Trips):
    """Implements the interface `demo:paid-trip/trips`; raising `Err` returns the `err` of a function's result."""

    def book_and_pay(self, request: TripRequest, card: str) -> PaidTrip:
        """Book the trip, then pay it, or cancel it."""
        try:
            itinerary = workflow.book_trip(request)
        except Err as error:
            raise Err(PaidTripError_NotBooked(error.value)) from None
        try:
            receipt = payments.charge(card, itinerary.total_cents)
        except Err as error:
            raise Err(PaidTripError_NotPaid(_given_up(error.value, itinerary.bookings))) from None
        return PaidTrip(itinerary, receipt)


def _given_up(reason: PaymentError, bookings: list[Booking]) -> Unpaid:
    log.warn("the trip is not paid: cancelling what was booked")
    cancelled: list[Booking] = []
    stranded: list[Booking] = []
    for booking in reversed(bookings):
        try:
            _CANCEL[booking.service](booking.confirmation)
        except Err:
            stranded.append(booking)
        else:
            cancelled.append(booking)
    return Unpaid(reason, cancelled, stranded)
