"""Charges cards, on record in a database of its own: plain Python with `sqlite3`, in a process of its own.

An attempt may have charged the card when its worker dies before it could say so; then another attempt does it again. So
the execution id, which is the same in all attempts, is the key of the row that is written in the same transaction as
the charge: who finds it there gives the receipt that it has.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Generator

from generated.demo_trip_payments.types.payments import PaymentError_PermanentDeclined, Receipt
from generated.demo_trip_payments.worker import PaymentsWorker

from obelisk.worker import Err, current

logger = logging.getLogger("payments")
_TABLE = """CREATE TABLE IF NOT EXISTS charges (
    execution TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, card TEXT NOT NULL, cents INTEGER NOT NULL)"""


class Payments(PaymentsWorker):
    """Implements `demo:trip-payments/payments`. Each attempt runs in a thread, with a connection of its own.

    The card `stolen` is declined. With `unlucky` the whole worker dies, once, after it has charged the card and before
    it could say so: the card is charged once all the same.
    """

    def __init__(self) -> None:
        self._path = os.environ.get("PAYMENTS_DATABASE", "payments.sqlite")

    def charge(self, card: str, cents: int) -> Receipt:
        """Charge the card, unless this execution has done so already."""
        attempt = current()
        if card == "stolen":
            raise Err(PaymentError_PermanentDeclined("the card was reported as stolen"))
        with self._transaction() as database:
            known = "SELECT number FROM charges WHERE execution = ?"
            row = database.execute(known, (attempt.execution_id,)).fetchone()
            if row is None:
                row = database.execute(
                    "INSERT INTO charges SELECT ?, 1 + coalesce(max(number), 0), ?, ? FROM charges RETURNING number",
                    (attempt.execution_id, card, cents),
                ).fetchone()
                logger.info("charged %d cents", cents)
                dies = card == "unlucky"
            else:
                logger.info("charged by an earlier attempt")
                dies = False
        if dies:
            os._exit(1)
        return Receipt(number=f"R-{row[0]}", cents=cents)

    def charged(self, card: str) -> int:
        """The sum of its charges."""
        with self._transaction() as database:
            (total,) = database.execute(
                "SELECT coalesce(sum(cents), 0) FROM charges WHERE card = ?", (card,)
            ).fetchone()
        return int(total)

    @contextlib.contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """A transaction that no other attempt writes beside; rolled back when an exception leaves it."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            with database:
                database.execute(_TABLE)
                yield database
