"""The attempts of activities in this process: from the queue to their end, on the loop for a slice, then on threads.

    queued ──▶ on the loop ──▶ ended
                │   │   ▲
                │   ▼   │ what it waited for has come
                │  parked
                ▼       ▲
             on a thread┘──▶ ended

On a thread it runs a slice at a time while others wait for one, see `pool`. A guest that waits (for HTTP, for an
instant) is parked: it costs memory and nothing else, and is queued again when it may go on. The time limit of an
attempt counts from its first slice over all that follows, whatever it does meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from time import thread_time_ns

from obelisk.runtime.executor.pool import Job, Pool, Wanted
from obelisk.runtime.log import fold
from obelisk.runtime.ports.guest import Poll, Returned, Trapped, Waiting, Yielded
from obelisk.runtime.workers.activity import ActivityAttempt, broke
from obelisk.runtime.workers.attempt import timed_out
from obelisk.runtime.workers.driven import LEAST_NS


class Attempts:
    """`ended(attempt, end)` is called once for each attempt that was not given up, `enqueue(attempt)` when a parked one
    may go on: then `run` is to be called."""

    def __init__(
        self,
        pool: Pool,
        ended: Callable[[ActivityAttempt, Returned | Trapped], None],
        enqueue: Callable[[ActivityAttempt], None],
    ) -> None:
        self._ended = ended
        self._enqueue = enqueue
        self._all: dict[str, ActivityAttempt] = {}
        self._slow: set[str] = set()
        self._limits: dict[ActivityAttempt, asyncio.TimerHandle] = {}
        self._pool = pool
        self._jobs: dict[ActivityAttempt, Job[Poll]] = {}
        self._empty: asyncio.Event | None = None

    def add(self, attempt: ActivityAttempt) -> None:
        """Know an attempt that will be run soon."""
        self._all[attempt.execution_id] = attempt

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._all

    def __iter__(self) -> Iterator[ActivityAttempt]:
        return iter(self._all.values())

    def get(self, execution_id: str) -> ActivityAttempt | None:
        """The attempt of an execution that is here."""
        return self._all.get(execution_id)

    def run(self, attempt: ActivityAttempt) -> None:
        """Begin an attempt, or go on with one that was parked.

        A slice here, because a short activity is over sooner than a thread is woken, and a second one, because a tick
        alone may end right after it began or while another program has the processor; the rest on the pool. A function
        that needed more starts on the pool until it needs but one again.
        """
        if attempt.abandoned:
            return
        may_be_over = attempt.total_deadline_us is not None or attempt.cuts > fold.FREE_CUTS
        if may_be_over and attempt not in self._limits and (over := attempt.over()) is not None:
            self._end(attempt, over)
        elif attempt.function.ffqn in self._slow:
            self._compute(attempt)
        elif attempt.yields == 0:
            self._polled(attempt, _poll(attempt))
        else:
            begin_ns = thread_time_ns()
            poll = _poll(attempt)
            if isinstance(poll, Yielded) and thread_time_ns() - begin_ns >= LEAST_NS:
                self._slow.add(attempt.function.ffqn)
            self._polled(attempt, poll)

    def _compute(self, attempt: ActivityAttempt) -> None:
        """Go on with an attempt on a thread."""
        job = self._jobs.get(attempt)
        if job is None:
            job = self._jobs[attempt] = Job(
                attempt.group,
                partial(_slices, attempt),
                partial(self._limit, attempt),
                partial(self._done, attempt),
            )
        self._pool.run(job)

    def _polled(self, attempt: ActivityAttempt, poll: Poll) -> None:
        """What becomes of an attempt that was polled."""
        if isinstance(poll, (Returned, Trapped)):
            attempt.close()
            self._end(attempt, poll)
        elif isinstance(poll, Waiting):
            self._limit(attempt)
            attempt.when_ready(partial(self._enqueue, attempt))
        else:
            attempt.yields += 1
            self._limit(attempt)
            if attempt.function.ffqn in self._slow:
                self._compute(attempt)
            else:
                self._enqueue(attempt)

    def _done(self, attempt: ActivityAttempt, poll: Poll) -> None:
        """A thread is through with an attempt."""
        if attempt.abandoned:
            attempt.close()
            return
        if isinstance(poll, Returned | Trapped) and attempt.yields == 0:
            self._slow.discard(attempt.function.ffqn)
        self._polled(attempt, poll)

    # --- ends ------------------------------------------------------------------------------------------------------
    def _limit(self, attempt: ActivityAttempt) -> None:
        """Bound the attempt's time from now on, unless that was done before."""
        if attempt not in self._limits:
            loop = asyncio.get_running_loop()
            self._limits[attempt] = loop.call_later(attempt.limit_ms / 1000, self._expire, attempt)

    def _expire(self, attempt: ActivityAttempt) -> None:
        self._stop(attempt)
        self._end(attempt, timed_out(attempt))

    def give_up(self, execution_id: str) -> ActivityAttempt | None:
        """Stop an attempt wherever it is; it ends without a word. The attempt, or None when there is none."""
        attempt = self._all.get(execution_id)
        if attempt is not None:
            self._stop(attempt)
            self._forget(attempt)
        return attempt

    def _stop(self, attempt: ActivityAttempt) -> None:
        """Whatever the attempt answers later does not count. One that a thread runs is closed when that lets go."""
        attempt.interrupt()
        job = self._jobs.get(attempt)
        if job is None or not self._pool.give_up(job):
            attempt.close()

    def _end(self, attempt: ActivityAttempt, end: Returned | Trapped) -> None:
        self._forget(attempt)
        self._ended(attempt, end)

    def _forget(self, attempt: ActivityAttempt) -> None:
        self._all.pop(attempt.execution_id, None)
        self._jobs.pop(attempt, None)
        timer = self._limits.pop(attempt, None)
        if timer is not None:
            timer.cancel()
        if self._empty is not None and not self._all:
            self._empty.set()

    # --- life ------------------------------------------------------------------------------------------------------
    def take_unbegun(self) -> list[ActivityAttempt]:
        """Give up the attempts whose guest was never started."""
        unbegun = [attempt for attempt in self._all.values() if not self._has_begun(attempt)]
        for attempt in unbegun:
            self.give_up(attempt.execution_id)
        return unbegun

    def _has_begun(self, attempt: ActivityAttempt) -> bool:
        """Whether a thread, or the loop, has started the guest of an attempt."""
        job = self._jobs.get(attempt)
        return attempt.begun or (job is not None and self._pool.has_begun(job))

    def abandon(self) -> None:
        """Give all up."""
        for execution_id in tuple(self._all):
            self.give_up(execution_id)

    async def drain(self, grace_s: float) -> None:
        """Let what is here, parked attempts too, come to its end, at most so long."""
        if self._all:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._empty.wait()


def _poll(attempt: ActivityAttempt) -> Poll:
    """A slice on the event loop."""
    try:
        return attempt.poll()
    except Exception as error:
        return broke(attempt, error)


def _slices(attempt: ActivityAttempt, wanted: Wanted) -> Poll:
    """Slices on a thread, until the guest ends or waits, or others want the thread."""
    try:
        return attempt.run(wanted)
    except Exception as error:
        return broke(attempt, error)
