"""The activities: stock, mail, and payments at a bank that is reached over HTTP."""

import os

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import Item, Refusal_PermanentDeclined, Refusal_PermanentSoldOut

from obelisk_guest import http


class Stock(exports.Stock):
    def reserve(self, order: str, item: Item) -> str:
        if item.count > 10:
            raise Err(Refusal_PermanentSoldOut(item.sku))
        return f"shelf {item.sku[0]}"

    def release(self, order: str, item: Item) -> None:
        log.info(f"released {item.count} {item.sku}")


class Payments(exports.Payments):
    def charge(self, key: str, card: str, cents: int) -> str:
        said = {"card": card, "cents": cents}
        answer = http.post(f"{os.environ['BANK']}/charges", json=said, headers={"idempotency-key": key}, timeout=2)
        if answer.status == 402:
            raise Err(Refusal_PermanentDeclined(answer.text))
        return str(answer.raise_for_status().json()["charge"])

    def refund(self, charge: str) -> None:
        http.delete(f"{os.environ['BANK']}/charges/{charge}", timeout=2).raise_for_status()


class Mail(exports.Mail):
    def send(self, to: str, text: str) -> None:
        log.info(f"mail to {to}: {text}")
