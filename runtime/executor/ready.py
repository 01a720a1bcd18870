"""The queue of runs that may go on, worked on for a few milliseconds at a time, so that HTTP and timers get their turn.

What a stretch of it adds to the log is committed together. A run made ready by the current one, its child or its
parent, goes on right after it: what they share is in the processor's caches then, and a row is written once for several
steps. After `HOPS` of that it is the turn of who has waited the longest. Of those that have used up a whole slice,
which is longer than a stretch, one goes on in each stretch, behind all others: however many there are, they delay
others by one slice.

Runs that begin can be many more than those that go on: a workflow that schedules thousands, a backlog that is claimed.
They are taken one of each component and tree in turn, and as many of them as of the others. A parent whose child has
ended goes on behind those of its children that wait to begin by then: it takes many answers at once, not one each time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from obelisk.runtime.executor.fatal import fatal
from obelisk.runtime.executor.runs import Run
from obelisk.runtime.executor.turns import Group, Turns

DRAIN_S = 0.005
HOPS = 16


class Ready:
    """`go_on(run)` moves a run as far as it can go; `rest()` is called after each stretch; `broke` as in `fatal`."""

    def __init__(
        self, go_on: Callable[[Run], None], rest: Callable[[], None], broke: Callable[[str, Exception], None]
    ) -> None:
        self._go_on, self._rest, self._broke = go_on, rest, broke
        self._queue: deque[Run] = deque()
        self._waiting = Turns[Run]()
        self._late = Turns[Run]()
        self._queued: set[Run] = set()
        self._draining = False
        self._next: Run | None = None
        self._going = False

    def __contains__(self, run: Run) -> bool:
        return run in self._queued

    def __len__(self) -> int:
        return len(self._queued)

    @property
    def waiting(self) -> int:
        """How many runs wait to begin."""
        return len(self._waiting)

    def add(self, run: Run, *, last: bool = False, begins: bool = False, behind: Group | None = None) -> None:
        """Queue a run, unless it is queued; `last`: behind all others, for it has used up its turn; `begins`: in turn
        with those that begin; `behind`: after those of a group that wait to begin. See the module's text."""
        if run in self._queued:
            return
        self._queued.add(run)
        if last:
            self._late.add(run.group, run)
        elif begins:
            self._waiting.add(run.group, run)
        elif behind is not None and behind in self._waiting:
            self._waiting.add(behind, run)
        elif self._going and self._next is None:
            self._next = run
        else:
            self._queue.append(run)
        if not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain)

    def clear(self) -> None:
        """Nothing goes on."""
        self._queue.clear()
        self._waiting.clear()
        self._late.clear()
        self._queued.clear()
        self._next = None

    @fatal
    def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        end, hops, begun = loop.time() + DRAIN_S, 0, False
        self._going = True
        while self._queue or self._next is not None or self._waiting:
            run, self._next = self._next, None
            if run is not None and hops >= HOPS and self._queue:
                self._queue.append(run)
                run = None
            hops = 0 if run is None else hops + 1
            if run is None:
                begun = bool(self._waiting) and not (begun and self._queue)
                run = self._waiting.take() if begun else self._queue.popleft()
            self._queued.discard(run)
            self._go_on(run)
            if loop.time() > end:
                break
        if self._late:
            run = self._late.take()
            self._queued.discard(run)
            self._go_on(run)
        self._going = False
        if self._next is not None:
            self._queue.append(self._next)
            self._next = None
        self._rest()
        self._draining = bool(self._queue or self._waiting or self._late)
        if self._draining:
            loop.call_soon(self._drain)

    def broke(self, where: str, error: Exception) -> None:
        """See `fatal`."""
        self._broke(where, error)
