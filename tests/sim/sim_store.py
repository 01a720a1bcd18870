"""The simulated processes' stores and the database they share: it remembers the order of all events, and what was
deleted, for the auditor; the stores lose answers and die in bad moments."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec

from obelisk.runtime.errors import StoreError
from obelisk.runtime.log.events import Event
from obelisk.runtime.ports import Stored
from obelisk.runtime.stealing import Claim
from obelisk.runtime.store.memory import CommitGate, MemoryStore
from obelisk.runtime.store.memory_database import Execution, MemoryDatabase, Undo


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event, in the order of all."""

    execution_id: str
    event: Event


class RecordingDatabase(MemoryDatabase):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[Entry] = []
        self.deleted: dict[str, Execution] = {}

    def everything(self) -> dict[str, Execution]:
        """All executions that ever were."""
        return self.deleted | self.executions

    def _log(self, execution: Execution, events: Sequence[Event], at_us: int, undo: Undo) -> None:
        length = len(self.order)
        self.order += [Entry(execution.execution_id, event) for event in events]
        undo.append(lambda: self.order.__delitem__(slice(length, None)))
        super()._log(execution, events, at_us, undo)

    def _forget(self, execution: Execution) -> None:
        self.deleted[execution.execution_id] = execution
        super()._forget(execution)


class FaultyStore(MemoryStore):
    """A process's store. `dies` is asked at each commit whether the process dies after it, with nobody told; the answer
    to a claim is lost with the chance that `loses` gives."""

    def __init__(
        self,
        database: MemoryDatabase,
        *,
        commit_gate: CommitGate,
        dice: random.Random,
        dies: Callable[[], bool],
        loses: Callable[[], float],
    ) -> None:
        super().__init__(database, commit_gate=commit_gate)
        self._dice = dice
        self._dies = dies
        self._loses = loses

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """Claims, and sometimes does not say what."""
        taken = await super().claim(claim)
        if self._dice.random() < self._loses():
            raise StoreError("the answer was lost", reason="io")
        return taken

    def _tell(self, calls: Sequence[Callable[[], None]]) -> None:
        if not self._dies():
            super()._tell(calls)
