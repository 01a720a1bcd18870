"""The attempts of workers that this process has handed out or found, until they end, and the news of their ends.

What is here is for speed and for timeouts to the millisecond; nothing depends on it: any process finds an attempt in
the store, and each looks for those whose time is over (`overlooked`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from obelisk.runtime.external.attempt import ExternalAttempt
from obelisk.runtime.external.exchange import Fate, News

MAX_NEWS = 1_000
"""So many news of one worker are kept; it hears of the others by its heartbeats."""


class Held:
    """`expired` is called when the time of an attempt is over; on the event loop."""

    def __init__(self, expired: Callable[[ExternalAttempt], None]) -> None:
        self._expired = expired
        self._attempts: dict[str, ExternalAttempt] = {}
        self._runs: dict[str, str] = {}
        self._of_worker: dict[str, set[str]] = {}
        self._news: dict[str, dict[str, News]] = {}

    def __iter__(self) -> Iterator[ExternalAttempt]:
        return iter(tuple(self._attempts.values()))

    def add(self, attempt: ExternalAttempt) -> None:
        """Know an attempt and bound its time."""
        run = attempt.locked.run
        self.drop(run)
        self._attempts[run] = attempt
        self._runs[attempt.execution_id] = run
        self._of_worker.setdefault(attempt.worker, set()).add(run)
        seconds = max(0.0, attempt.limit_ms / 1000)
        attempt.timer = asyncio.get_running_loop().call_later(seconds, self._expire, run)

    def get(self, run: str) -> ExternalAttempt | None:
        """The attempt of a run."""
        return self._attempts.get(run)

    def of_execution(self, execution_id: str) -> ExternalAttempt | None:
        """The attempt of an execution."""
        run = self._runs.get(execution_id)
        return None if run is None else self._attempts.get(run)

    def of_worker(self, worker: str) -> Sequence[ExternalAttempt]:
        """The attempts of a worker."""
        return [self._attempts[run] for run in self._of_worker.get(worker, ())]

    def count(self, worker: str) -> int:
        """How many attempts of a worker are here."""
        return len(self._of_worker.get(worker, ()))

    def drop(self, run: str) -> ExternalAttempt | None:
        """Know an attempt no more; it, if it was known."""
        attempt = self._attempts.pop(run, None)
        if attempt is None:
            return None
        if attempt.timer is not None:
            attempt.timer.cancel()
        if self._runs.get(attempt.execution_id) == run:
            del self._runs[attempt.execution_id]
        runs = self._of_worker[attempt.worker]
        runs.discard(run)
        if not runs:
            del self._of_worker[attempt.worker]
        return attempt

    def tell(self, attempt: ExternalAttempt, fate: Fate) -> None:
        """Keep for its worker that an attempt has ended without it."""
        news = self._news.setdefault(attempt.worker, {})
        if len(news) < MAX_NEWS:
            news[attempt.locked.run] = News(execution_id=attempt.execution_id, run=attempt.locked.run, fate=fate)

    def has_news(self, worker: str) -> bool:
        """Whether there is something to tell a worker."""
        return worker in self._news

    def take_news(self, worker: str) -> Sequence[News]:
        """What there is to tell a worker, once."""
        return tuple(self._news.pop(worker, {}).values())

    def forget(self, worker: str) -> Sequence[ExternalAttempt]:
        """A worker is gone: know nothing of it any more; the attempts that were known."""
        self._news.pop(worker, None)
        attempts = self.of_worker(worker)
        for attempt in attempts:
            self.drop(attempt.locked.run)
        return attempts

    def close(self) -> None:
        """No timer is left."""
        for run in tuple(self._attempts):
            self.drop(run)

    def _expire(self, run: str) -> None:
        attempt = self._attempts.get(run)
        if attempt is None:
            return
        if attempt.limit_ms > 0:  # the clock was set back, or the timer was early
            seconds = attempt.limit_ms / 1000
            attempt.timer = asyncio.get_running_loop().call_later(seconds, self._expire, run)
        else:
            self._expired(attempt)
