"""The attempts of activities in this process: from the queue to their end, on the loop for a slice, then on threads."""

from __future__ import annotations

from collections.abc import Callable

from obelisk.runtime.executor.pool import Pool
from obelisk.runtime.guest import Poll, Returned, Trapped, Yielded
from obelisk.runtime.workers.activity import ActivityAttempt, timed_out


class Attempts:
    """`ended(attempt, end)` is called once for each attempt that was not given up."""

    def __init__(self, threads: int, ended: Callable[[ActivityAttempt, Returned | Trapped], None]) -> None:
        self._ended = ended
        self._all: dict[str, ActivityAttempt] = {}
        self._slow: set[str] = set()
        self._pool = Pool(threads, self._done, self._expired)

    def add(self, attempt: ActivityAttempt) -> None:
        """Know an attempt that will be run soon."""
        self._all[attempt.execution_id] = attempt

    def get(self, execution_id: str) -> ActivityAttempt | None:
        """The attempt of an execution that is here."""
        return self._all.get(execution_id)

    def run(self, attempt: ActivityAttempt) -> None:
        """First slice here, because a short activity is over sooner than a thread is woken; the rest on the pool.

        A function that needed more than one slice starts on the pool until it needs but one again.
        """
        if attempt.abandoned:
            return
        if attempt.limit_ms <= 0:
            self._end(attempt, timed_out(attempt))
            return
        if not attempt.prepared.blocks and attempt.function.ffqn not in self._slow:
            poll = attempt.poll()
            if not isinstance(poll, Yielded):
                self._concluded(attempt, poll)
                return
            self._slow.add(attempt.function.ffqn)
        self._pool.run(attempt)

    def give_up(self, execution_id: str) -> ActivityAttempt | None:
        """Stop an attempt wherever it is; it ends without a word. The attempt, or None when there is none."""
        attempt = self._all.pop(execution_id, None)
        if attempt is not None:
            attempt.interrupt()
            if not self._pool.give_up(attempt):
                attempt.close()
        return attempt

    def abandon(self) -> None:
        """Give all up."""
        for execution_id in tuple(self._all):
            self.give_up(execution_id)

    async def drain(self, grace_s: float) -> None:
        """Let what runs come to its end, at most so long."""
        await self._pool.drain(grace_s)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.close()

    def _done(self, attempt: ActivityAttempt, poll: Poll) -> None:
        if attempt.abandoned:
            attempt.close()
            return
        if attempt.slices == 1:
            self._slow.discard(attempt.function.ffqn)
        self._concluded(attempt, poll)

    def _expired(self, attempt: ActivityAttempt) -> None:
        attempt.interrupt()
        self._end(attempt, timed_out(attempt))

    def _concluded(self, attempt: ActivityAttempt, poll: Poll) -> None:
        attempt.close()
        if not isinstance(poll, Returned | Trapped):
            raise AssertionError(f"an activity has no host call to wait in: {poll}")
        self._end(attempt, poll)

    def _end(self, attempt: ActivityAttempt, end: Returned | Trapped) -> None:
        self._all.pop(attempt.execution_id, None)
        self._ended(attempt, end)
