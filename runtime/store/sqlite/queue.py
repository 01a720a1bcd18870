"""What waits for the writer, and what goes into the next commit.

Order is kept: what was queued first commits first, together with what came after it, up to `MAX_GROUP` items and
`GROUP_BYTES` of values. The exception is a transaction with more than `LARGE_BYTES` of values. It takes a commit for
itself, many times as long as others, so what has nothing to do with it does not wait for several of them in a row:
a group of small work may pass large transactions that stand before it, if it touches none of their trees of executions
and none of their idempotency keys; then it is the turn of a large one. While there is small work, a large commit is
followed by a rest of `REST` times what it took, in which only small work is taken: large ones get a quarter of the
writer's time, and the disk is not busy with them all the time. Within one tree nothing ever passes, and a run builds on
nothing outside its tree before that is committed.

Time enters as an argument, in seconds of any one clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

import msgspec

from obelisk.runtime.ids import DELAY, EXECUTION
from obelisk.runtime.log.sizes import events_bytes, response_bytes
from obelisk.runtime.ports.store import Append, Create, DropDelay, Respond, Transaction, Write
from obelisk.runtime.store.sqlite.group import Operation, Outcome, Work

MAX_GROUP: Final = 256
LARGE_BYTES: Final = 64 * 1024
GROUP_BYTES: Final = 256 * 1024
REST: Final = 3
LOOKED_AT: Final = 1024
"""Of what stands behind a large transaction so much is searched for what may pass."""
_ULID: Final = 26

Told: TypeAlias = Callable[[Outcome], None]


class Queued(msgspec.Struct, frozen=True):
    """Work, who hears of its outcome, and the bytes of its values."""

    work: Work
    told: Told
    size: int


class Taken(NamedTuple):
    """The next group, and whether it is a large transaction. Without items: nothing is to be taken for `wait_s`, unless
    something is added."""

    items: list[Queued]
    large: bool = False
    wait_s: float = 0.0


class Queue:
    """See the module's text; `weigh` gives the bytes of the values of a transaction."""

    def __init__(self, weigh: Callable[[Transaction], int] | None = None) -> None:
        self._weigh = weigh or weight
        self._items: deque[Queued] = deque()
        self._passed = False
        self._contended = False
        self._rests_until_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, work: Work, told: Told) -> None:
        """Queue it."""
        size = 0 if isinstance(work, Operation) else self._weigh(work)
        self._items.append(Queued(work, told, size))
        if size <= LARGE_BYTES:
            self._contended = True

    def large_took(self, seconds: float, now_s: float) -> None:
        """A large transaction was committed, in so many seconds, and nothing was taken meanwhile."""
        self._rests_until_s = now_s + REST * seconds
        self._contended = any(item.size <= LARGE_BYTES for item in islice(self._items, LOOKED_AT))

    def take(self, now_s: float) -> Taken:
        """The next group of what is queued, which must be something."""
        items = self._items
        if items[0].size > LARGE_BYTES:
            rests = self._contended and now_s < self._rests_until_s
            passing = self._passing() if rests or not self._passed else []
            if rests and not passing:
                return Taken([], wait_s=self._rests_until_s - now_s)
            self._passed = bool(passing)
            return Taken(passing) if passing else Taken([items.popleft()], large=True)
        group: list[Queued] = []
        room = GROUP_BYTES
        for item in islice(items, MAX_GROUP):
            if item.size > LARGE_BYTES or item.size > room:
                break
            group.append(item)
            room -= item.size
        for _ in group:
            items.popleft()
        return Taken(group)

    def _passing(self) -> list[Queued]:
        """Taken out: small work that touches nothing of what it passes."""
        stays: set[str] = set()
        passing: list[int] = []
        room = GROUP_BYTES
        for place, item in enumerate(islice(self._items, LOOKED_AT)):
            work, size = item.work, item.size
            if isinstance(work, Operation):
                if not work.passes:
                    break
                touched: set[str] = set()
            else:
                touched = set(_touched(work))
            if size > min(LARGE_BYTES, room) or touched & stays:
                stays |= touched
                continue
            passing.append(place)
            room -= size
            if len(passing) == MAX_GROUP:
                break
        taken = [self._items[place] for place in passing]
        for place in reversed(passing):
            del self._items[place]
        return taken


def weight(transaction: Transaction) -> int:
    """Bytes of the values in it."""
    size = 0
    for write in transaction:
        if type(write) is Append:
            size += events_bytes(write.events)
        elif type(write) is Create:
            size += len(write.created.params)
        elif type(write) is Respond:
            size += response_bytes(write.response)
    return size


def _touched(transaction: Transaction) -> Iterator[str]:
    for write in transaction:
        yield _tree(write)
        if isinstance(write, Create) and write.key is not None:
            yield f"key {write.key}"


def _tree(write: Write) -> str:
    """The ULID of the root of the tree that it is about."""
    if isinstance(write, DropDelay):
        return write.delay[len(DELAY) : len(DELAY) + _ULID]
    return write.execution_id[len(EXECUTION) : len(EXECUTION) + _ULID]
