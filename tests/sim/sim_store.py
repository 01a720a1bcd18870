"""The simulated processes' stores and the database they share: it remembers the order of all events, and what was
deleted, for the auditor; the stores lose answers, give one execution to two executors, die in bad moments, and commit
in another order than asked, as SQLite's does."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from obelisk.runtime import ids
from obelisk.runtime.errors import Conflict, ObeliskError, StoreError
from obelisk.runtime.executor.runs import lock_of
from obelisk.runtime.log import fold
from obelisk.runtime.log.events import Event, Locked, Paused
from obelisk.runtime.ports.claims import Claim, Lease, Limit
from obelisk.runtime.ports.store import Append, Committed, Intervene, Stored, Transaction, Write
from obelisk.runtime.store import rows
from obelisk.runtime.store.memory.database import MemoryDatabase, Undo
from obelisk.runtime.store.memory.execution import Execution
from obelisk.runtime.store.memory.queued import Queued
from obelisk.runtime.store.memory.store import CommitGate, MemoryStore
from obelisk.runtime.store.sqlite import queue
from obelisk.runtime.store.sqlite.group import Operation, Outcome

RECENT = 8
"""So many of the newest claims may be given to another executor too."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event, in the order of all. `most`: the limit under which a claim locked it."""

    execution_id: str
    event: Event
    most: int | None


class RecordingDatabase(MemoryDatabase):
    """See the module's text."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[Entry] = []
        self.deleted: dict[str, Execution] = {}
        self.claimed: deque[Stored] = deque(maxlen=RECENT)
        self.duplicates: set[str] = set()
        self.refused = 0
        self.refusals: Counter[str] = Counter()
        self.labels: dict[str, tuple[str, ...]] = {}
        self.workers: dict[str, Lease] = {}
        self.broken: list[str] = []
        self._limits: Mapping[str, Limit] = {}

    def renew(self, lease: Lease) -> bool:
        renewed = super().renew(lease)
        if lease.worker is None:
            self.labels[lease.executor] = lease.labels
        elif renewed:
            self.workers[lease.executor] = lease
        return renewed

    def claim(self, claim: Claim) -> tuple[Stored, ...]:
        self._limits = claim.limits
        taken = super().claim(claim)
        self._limits = {}
        current = {component.digest for component in self.components.values()}
        for stored in taken:
            lock, pinned = lock_of(stored, claim.executor), _pinned(stored, claim)
            if pinned is None and (lock is None or lock.digest not in current):
                self.broken.append(f"{stored.execution_id} was claimed for a build that is not deployed")
            if pinned is not None and (lock is None or lock.digest != pinned):
                self.broken.append(f"{stored.execution_id} was claimed for another build than it goes on with")
        self.claimed.extend(taken)
        return taken

    def duplicate(self, claim: Claim, run: str, dice: random.Random) -> Stored | None:
        """Something that another executor has claimed, as if this one had: its lock is not the one on record."""
        others = [stored for stored in self.claimed if lock_of(stored, claim.executor) is None]
        theirs = [(stored, build) for stored in others if (build := _build_for(stored, claim)) is not None]
        if not theirs:
            return None
        stored, build = dice.choice(theirs)
        lock = Locked(executor=claim.executor, run=run, digest=build)
        events = (*stored.events[:-1], lock)
        self.duplicates.add(run)
        return msgspec.structs.replace(stored, events=events, state=fold.fold(events))

    def transact(self, transaction: Transaction) -> None:
        duplicate = any(isinstance(write, Append) and write.run in self.duplicates for write in transaction)
        try:
            super().transact(transaction)
        except Conflict:
            self.refused += duplicate
            if not duplicate:
                self.refusals.update({write.execution_id for write in transaction if isinstance(write, Append)})
            raise
        if duplicate:
            self.broken.append(f"recorded by a run that does not hold the lock: {transaction}")

    def everything(self) -> dict[str, Execution]:
        """All executions that ever were."""
        return self.deleted | self.executions

    def labels_of(self, executor: str) -> tuple[str, ...]:
        """Of an executor or a worker."""
        return self.workers[executor].labels if executor in self.workers else self.labels[executor]

    def find(self, execution_id: str) -> Execution | None:
        """An execution that is there, or was."""
        return self.executions.get(execution_id) or self.deleted.get(execution_id)

    def _log(self, execution: Execution, events: Sequence[Event], at_us: int, undo: Undo) -> None:
        length, limit = len(self.order), self._limits.get(execution.state.ffqn)
        most = None if limit is None else limit.most
        self.order += [Entry(execution.execution_id, event, most) for event in events]
        undo.append(lambda: self.order.__delitem__(slice(length, None)))
        super()._log(execution, events, at_us, undo)

    def _forget(self, execution: Execution) -> None:
        self.deleted[execution.execution_id] = execution
        super()._forget(execution)


def _pauses(write: Write) -> bool:
    return (isinstance(write, Append) and any(isinstance(event, Paused) for event in write.events)) or (
        isinstance(write, Intervene) and isinstance(write.event, Paused)
    )


def _pinned(stored: Stored, claim: Claim) -> str | None:
    """The build that something claimed goes on with, whatever is deployed; None for all that takes what is."""
    return rows.build_after(stored.events[:-1]) if stored.state.ffqn in claim.builds else None


def _build_for(stored: Stored, claim: Claim) -> str | None:
    """The build with which a claim could have locked what another locked; None: it could not."""
    pinned, ffqn = _pinned(stored, claim), stored.state.ffqn
    if pinned is None:
        return claim.digests.get(ffqn)
    return pinned if pinned in claim.builds[ffqn] else None


class Ticket:
    """Stands in SQLite's queue for what is queued."""

    def __init__(self, queued: Queued) -> None:
        self.queued = queued

    def __call__(self, _: Outcome) -> None:
        raise AssertionError("the memory store tells by itself")


class FaultyStore(MemoryStore):
    """A process's store. `is_large` is asked of each transaction: whether it takes a commit for itself, and what has
    nothing to do with it may pass it; the queue of SQLite's store decides that. `dies` is asked at each commit
    whether the process dies after it, with nobody told; the answer to a claim is lost with the chance that `loses`
    gives, and with the chance that `doubles` gives it has in it what another executor holds. `misleads` is asked at
    each transaction, which pauses or does not, whether it is said to have failed although it has not."""

    def __init__(
        self,
        database: RecordingDatabase,
        *,
        commit_gate: CommitGate,
        dice: random.Random,
        dies: Callable[[], bool],
        loses: Callable[[], float],
        doubles: Callable[[], float],
        misleads: Callable[[bool], bool],
        free: Callable[[], int],
        is_large: Callable[[], bool],
    ) -> None:
        super().__init__(database, commit_gate=commit_gate)
        self.recording = database
        self._dice = dice
        self._dies = dies
        self._loses = loses
        self._doubles = doubles
        self._misleads = misleads
        self._free = free
        self._order = queue.Queue(lambda _: queue.LARGE_BYTES + 1 if is_large() else 1)

    def room(self) -> int | None:
        """What the simulated disk has."""
        return self._free()

    def enqueue(self, transaction: Transaction, committed: Committed) -> None:
        """Enqueues, and sometimes says that it failed after it was recorded."""

        def told(error: ObeliskError | None) -> None:
            is_lost = error is None and self._misleads(any(_pauses(write) for write in transaction))
            committed(StoreError("the answer was lost", reason="io") if is_lost else error)

        super().enqueue(transaction, told)

    async def claim(self, claim: Claim) -> tuple[Stored, ...]:
        """Claims, and sometimes does not say what, or says too much."""
        taken = await super().claim(claim)
        if self._dice.random() < self._loses():
            raise StoreError("the answer was lost", reason="io")
        if len(taken) < claim.limit and self._dice.random() < self._doubles():
            run = ids.RUN + ids.ulid(claim.now_us // 1000, self._dice.getrandbits(80))
            duplicate = self.recording.duplicate(claim, run, self._dice)
            return taken if duplicate is None else (*taken, duplicate)
        return taken

    def _take(self) -> list[Queued]:
        """What the queue of SQLite's store would take, which rests for no time here."""
        for queued in super()._take():
            self._order.add(queued.transaction or Operation(run=repr, passes=queued.passes), Ticket(queued))
        return [item.told.queued for item in self._order.take(0.0).items if isinstance(item.told, Ticket)]

    def _has_more(self) -> bool:
        return super()._has_more() or bool(self._order)

    def _tell(self, calls: Sequence[Callable[[], None]]) -> None:
        if not self._dies():
            super()._tell(calls)
