"""The workflows: an order is approved, reserved, paid and delivered, or everything that was done is undone."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import approval, delivery, mail, payments, stock
from wit_world.imports.approval import Verdict_Rejected
from wit_world.imports.types import Order, Payment_Card, Receipt, Refusal_PermanentDeclined, Refusal_Rejected

from obelisk_guest.workflow import TimedOut, call, gather, idempotency_key, race, retry, saga, sleep


class Fulfilment(exports.Fulfilment):
    def fulfil(self, order: Order) -> Receipt:
        key, cents = idempotency_key(), sum(item.count * item.cents for item in order.items)
        if cents >= 1000_00:
            _approve(order, cents)
        with saga() as undo:
            for item in order.items:
                undo.compensate(stock.release, key, item)
            places = gather(*(call(stock.reserve, key, item) for item in order.items))
            charge = None
            if isinstance(order.payment, Payment_Card):
                pay = call(payments.charge, idempotency_key("charge"), order.payment.value, cents)
                charge = retry(pay, attempts=2, pause=1, when=lambda why: isinstance(why, Refusal_PermanentDeclined))
                undo.compensate(payments.refund, charge)
            parcels = delivery.deliver(key, list(places), order.hold_s)
        note = f" ({order.note})" if order.note else ""
        mail.send(order.customer, f"{len(parcels)} parcels for {cents / 100:.2f} are on their way{note}")
        return Receipt(cents, charge, parcels)


def _approve(order: Order, cents: int) -> None:
    try:
        verdict = race(call(approval.ask, order.customer, cents), timeout=order.approve_within_s)
    except TimedOut:
        raise Err(Refusal_Rejected("approved by no one in time")) from None
    if isinstance(verdict, Verdict_Rejected):
        raise Err(Refusal_Rejected(verdict.value))


class Delivery(exports.Delivery):
    def deliver(self, order: str, places: list[str], hold_s: int) -> list[str]:
        sleep(hold_s)
        return [f"{order}/{place}" for place in sorted(set(places))]
