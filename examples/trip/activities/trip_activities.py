"""The activities of the trip example: three services that take orders and cancellations.

An activity keeps nothing between attempts and between calls: what a real one would leave to the service it calls is
derived here from the order itself. An order's number decides its confirmation, so that an attempt whose answer was lost
can be repeated without booking twice.
"""

import hashlib
import secrets
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.activities import CarOrder, FlightOrder, HotelOrder
from wit_world.imports import log
from wit_world.imports.types import (
    Booking,
    BookingError_SoldOut,
    BookingError_Unavailable,
    BookingError_UnknownConfirmation,
    Cabin,
    CarClass,
    Comforts,
    Mishap,
    Mishap_ClosedUntil,
    Mishap_Crash,
    Mishap_Flaky,
    Mishap_SoldOut,
    Service,
)

_FLIGHT_CENTS = {Cabin.ECONOMY: 120_00, Cabin.PREMIUM: 260_00, Cabin.BUSINESS: 700_00}
_NIGHT_CENTS = 95_00
_COMFORT_CENTS = {Comforts.BREAKFAST: 15_00, Comforts.LATE_CHECKOUT: 8_00, Comforts.SEA_VIEW: 40_00}
_CAR_DAY_CENTS = {CarClass.SMALL: 35_00, CarClass.FAMILY: 55_00, CarClass.ELECTRIC: 60_00}
_PREFIXES = {Service.FLIGHT: "FL", Service.HOTEL: "HO", Service.CAR: "CA"}


class Activities(exports.Activities):
    """Implements the interface `demo:trip/activities`; raising `Err` returns the `err` of a function's result."""

    def book_flight(self, order: FlightOrder) -> Booking:
        """Book a seat."""
        _suffer(order.mishap, Service.FLIGHT)
        description = f"{order.origin} to {order.destination}, {_label(order.cabin)}, for {order.passenger}"
        return _confirm(Service.FLIGHT, order.number, description, _FLIGHT_CENTS[order.cabin])

    def book_hotel(self, order: HotelOrder) -> Booking:
        """Book a room."""
        _suffer(order.mishap, Service.HOTEL)
        comforts = [comfort for comfort in _COMFORT_CENTS if comfort in order.comforts]
        wishes = "".join(f", {_label(comfort)}" for comfort in comforts)
        description = f"{order.nights} nights in {order.city}{wishes}, for {order.guest}"
        nightly_cents = _NIGHT_CENTS + sum(_COMFORT_CENTS[comfort] for comfort in comforts)
        return _confirm(Service.HOTEL, order.number, description, order.nights * nightly_cents)

    def book_car(self, order: CarOrder) -> Booking:
        """Book a car."""
        _suffer(order.mishap, Service.CAR)
        description = f"{_label(order.class_)} car in {order.city} for {order.days} days, for {order.driver}"
        return _confirm(Service.CAR, order.number, description, order.days * _CAR_DAY_CENTS[order.class_])

    def cancel_flight(self, confirmation: str) -> None:
        """Give a seat back."""
        _cancel(Service.FLIGHT, confirmation)

    def cancel_hotel(self, confirmation: str) -> None:
        """Give a room back."""
        _cancel(Service.HOTEL, confirmation)

    def cancel_car(self, confirmation: str) -> None:
        """Give a car back."""
        _cancel(Service.CAR, confirmation)


def _suffer(mishap: Mishap | None, service: Service) -> None:
    """Fail this attempt if the order asks for it."""
    match mishap:
        case Mishap_Flaky(value=percent) if secrets.randbelow(100) < percent:
            raise Err(BookingError_Unavailable(f"the {_label(service)} service hung up"))
        case Mishap_ClosedUntil(value=opening_ms) if time.time_ns() // 1_000_000 < opening_ms:
            raise Err(BookingError_Unavailable(f"the {_label(service)} service is still closed"))
        case Mishap_SoldOut():
            raise Err(BookingError_SoldOut(service))
        case Mishap_Crash():
            raise RuntimeError(f"the {_label(service)} activity has a defect, as ordered")
        case _:
            pass


def _confirm(service: Service, number: str, description: str, price_cents: int) -> Booking:
    code = hashlib.sha256(number.encode()).hexdigest()[:8].upper()
    log.info(f"booked {description}")
    return Booking(service, f"{_PREFIXES[service]}-{code}", description, price_cents)


def _cancel(service: Service, confirmation: str) -> None:
    if not confirmation.startswith(f"{_PREFIXES[service]}-"):
        raise Err(BookingError_UnknownConfirmation(confirmation))
    log.info(f"cancelled {_label(service)} {confirmation}")


def _label(member: Cabin | CarClass | Comforts | Service) -> str:
    return str(member.name).lower().replace("_", " ")
