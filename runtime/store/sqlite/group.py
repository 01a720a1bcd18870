"""One group commit: transactions and operations in order, inside one database transaction.

First all transactions in a row go as one `Batch`. When that finds a conflict, all is rolled back and each transaction
is done again under a savepoint of its own, write by write, so that only the loser fails. (Savepoints cost a copy of
every page touched, too much for the common case.) An operation (a claim, a lease) is a function of the connection,
nothing else; it runs in its place in the order.

What SQLite itself reports (no room, a damaged page) is not caught here: it fails the whole group.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from obelisk.runtime.errors import Conflict, ObeliskError
from obelisk.runtime.ports.store import DropDelay, Transaction, Write
from obelisk.runtime.store.sqlite.batch import Batch, BatchConflict, Known
from obelisk.runtime.store.sqlite.errors import unstorable


@dataclass(frozen=True, slots=True)
class Operation:
    """Work on the connection. `idle` (outside any transaction, may only read): what `run` would give if it has nothing
    to write, else None. `passes`: it need not wait for large transactions that were queued before it (`queue`)."""

    run: Callable[[sqlite3.Connection], object]
    idle: Callable[[sqlite3.Connection], object | None] | None = None
    passes: bool = False


Work: TypeAlias = Transaction | Operation


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an operation, None for a transaction."""

    result: object


Outcome: TypeAlias = Done | ObeliskError
_DONE = Done(None)
# Errors of SQLite that are about the values of one statement, not about the database.
_ABOUT_VALUES = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class Group:
    """Runs groups on one connection. Between `begin` and `commit` or `rollback` no other thread may use it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._known = Known()
        self._data_version = -1
        self._batches: list[Batch] = []

    def begin(self) -> None:
        """Take the database's write lock; OperationalError (busy) when another process has it."""
        self._cursor.execute("begin immediate")
        version = self._cursor.execute("pragma data_version").fetchone()[0]
        if version != self._data_version:  # another connection has committed
            self._data_version = version
            self._known.doubt()

    def idle(self, work: Sequence[Work]) -> Done | None:
        """The outcome of a lone operation that has nothing to write, else None."""
        if len(work) == 1 and isinstance(work[0], Operation) and work[0].idle is not None:
            result = work[0].idle(self._connection)
            return None if result is None else Done(result)
        return None

    def run(self, work: Sequence[Work]) -> list[Outcome] | None:
        """Do the work in order; one outcome each. None when a transaction loses: then `rollback`, `begin` and
        `run_carefully`."""
        outcomes: list[Outcome] = []
        try:
            batch: Batch | None = None
            for item in work:
                if isinstance(item, Operation):
                    if batch is not None:
                        batch.run()
                        batch = None
                    outcomes.append(Done(item.run(self._connection)))
                    self._known.doubt()
                    continue
                if batch is None:
                    batch = Batch(self._cursor, self._known)
                    self._batches.append(batch)
                batch.add(item)
                outcomes.append(_DONE)
            if batch is not None:
                batch.run()
        except Exception as error:
            if _is_about_database(error):
                raise
            return None
        return outcomes

    def run_carefully(self, work: Sequence[Work]) -> list[Outcome]:
        """The same under a savepoint each: losers get their error, the others are done."""
        outcomes: list[Outcome] = []
        for item in work:
            self._connection.execute("savepoint one")
            outcome = self._operate(item) if isinstance(item, Operation) else self._transact(item)
            if isinstance(outcome, ObeliskError):
                self._connection.execute("rollback to one")
            self._connection.execute("release one")
            outcomes.append(outcome)
        self._known.doubt()
        return outcomes

    def commit(self) -> None:
        """Make it durable. This is the slow part; it needs no interpreter lock."""
        self._cursor.execute("commit")
        for batch in self._batches:
            batch.committed()
        self._batches.clear()

    def rollback(self) -> None:
        """Take everything since `begin` back; fine when SQLite did so already."""
        self._batches.clear()
        self._known.doubt()
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def _operate(self, operation: Operation) -> Outcome:
        try:
            return Done(operation.run(self._connection))
        except Exception as error:
            return _about_values(error)

    def _transact(self, transaction: Transaction) -> Outcome:
        for write in transaction:
            batch = Batch(self._cursor, Known())
            try:
                batch.add((write,))
                batch.run()
            except BatchConflict as lost:
                return _conflict(write, lost)
            except Exception as error:
                return _about_values(error)
        return _DONE


def _about_values(error: Exception) -> ObeliskError:
    """Map a value error for the submitter; raise database errors again."""
    if isinstance(error, ObeliskError):
        return error
    if _is_about_database(error):
        raise error
    return unstorable(error)


def _is_about_database(error: Exception) -> bool:
    """Whether an error is not about the values of one statement. What no database takes: a number beyond 64 bits, text
    that is no Unicode, a body beyond 1 GB."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _ABOUT_VALUES)


def _conflict(write: Write, lost: BatchConflict) -> Conflict:
    if isinstance(write, DropDelay):
        return Conflict(f"{write.delay}: {lost.message}", delay=write.delay)
    return Conflict(f"{write.execution_id}: {lost.message}", execution_id=write.execution_id)
