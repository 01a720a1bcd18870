"""What waits for a commit of the memory store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from obelisk.runtime.errors import ObeliskError
from obelisk.runtime.ports.store import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Work for a commit and who hears of it; `work` gives the call that hears of its success.

    `transaction`: what it is, if it is one; else whether it `passes` large transactions that were queued before it (see
    `queue` of SQLite's store).
    """

    work: Callable[[], Callable[[], None]]
    failed: Callable[[ObeliskError], None]
    transaction: Transaction | None = None
    passes: bool = False

    def told_of(self, error: ObeliskError) -> Callable[[], None]:
        """The call that hears of its failure."""
        return lambda: self.failed(error)
