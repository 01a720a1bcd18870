"""Unit tests of the orders example: approval, payment and delivery on virtual time."""

from datetime import timedelta

import pytest
from componentize_py_types import Err
from wit_world.imports import approval, fulfilment, mail, payments, stock
from wit_world.imports.approval import Verdict_Approved
from wit_world.imports.types import (
    Item,
    Order,
    Payment_Card,
    Payment_Invoice,
    Refusal_PermanentDeclined,
    Refusal_PermanentSoldOut,
    Refusal_Rejected,
)

from obelisk.testing import World, fails, script

MONTH_S = 30 * 86_400


def order(*counts: int, cents: int = 10_00, card: bool = True, hold_s: int = 0) -> Order:
    items = [Item(f"{chr(97 + n)}-1", count, cents) for n, count in enumerate(counts)]
    payment = Payment_Card("4242") if card else Payment_Invoice()
    return Order("ada@example.org", items, payment, None, approve_within_s=3600, hold_s=hold_s)


async def test_an_order_is_paid_and_delivered_after_a_month(world: World) -> None:
    begin = world.now
    world.replace(payments.charge, "C-1")
    receipt = await world.run(fulfilment.fulfil, order(1, 2, hold_s=MONTH_S))
    assert (receipt.cents, receipt.charge, len(receipt.parcels)) == (30_00, "C-1", 2)
    assert world.now - begin >= timedelta(days=30)
    assert len(world.calls(mail.send)) == 1


async def test_what_was_reserved_is_released_when_something_is_sold_out(world: World) -> None:
    with pytest.raises(Err) as refused:
        await world.run(fulfilment.fulfil, order(1, 11, card=False))
    assert refused.value.value == Refusal_PermanentSoldOut("b-1")
    assert len(world.calls(stock.release)) == 2


async def test_a_card_that_is_declined_is_tried_twice(world: World) -> None:
    declined = Err(Refusal_PermanentDeclined("no cover"))
    world.replace(payments.charge, script(declined, fails("the bank is away"), "C-2"))
    receipt = await world.run(fulfilment.fulfil, order(1))
    assert receipt.charge == "C-2"
    assert [call.attempts for call in world.calls(payments.charge)] == [0, 1]


def test_a_large_order_waits_for_its_approval(world: World) -> None:
    execution = world.start(fulfilment.fulfil, order(1, cents=2_000_00, card=False))
    world.advance(minutes=50)
    assert world.calls(stock.reserve) == []
    world.answer(approval.ask, Verdict_Approved())
    assert execution.result().cents == 2_000_00


async def test_an_order_that_is_not_approved_in_time_is_rejected(world: World) -> None:
    with pytest.raises(Err) as refused:
        await world.run(fulfilment.fulfil, order(1, cents=2_000_00, card=False))
    assert refused.value.value == Refusal_Rejected("approved by no one in time")
