"""Threads for attempts that compute for longer than a tick.

At most `limit` attempts count as running. One that is given up goes on until the guest can be stopped, within a tick,
but no longer counts.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from obelisk.runtime.guest import Poll
from obelisk.runtime.workers.activity import ActivityAttempt, broke

CLOSE_S = 1.0


class Pool:
    """`begins(attempt)` is called when a thread takes an attempt, `done(attempt, poll)` when it has let go of it; both
    on the event loop. `done` comes for attempts that were given up meanwhile, too."""

    def __init__(
        self,
        limit: int,
        begins: Callable[[ActivityAttempt], None],
        done: Callable[[ActivityAttempt, Poll], None],
    ) -> None:
        self._limit = limit
        self._begins = begins
        self._done = done
        self._waiting: deque[ActivityAttempt] = deque()
        self._running: set[ActivityAttempt] = set()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def run(self, attempt: ActivityAttempt) -> None:
        """Run an attempt when a thread is free."""
        self._waiting.append(attempt)
        self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._running) < self._limit:
            attempt = self._waiting.popleft()
            self._running.add(attempt)
            self._begins(attempt)
            worker = self._idle.pop() if self._idle else self._hire(loop)
            worker.give(attempt)

    def _hire(self, loop: asyncio.AbstractEventLoop) -> _Worker:
        worker = _Worker(loop, self._ended)
        self._all.add(worker)
        worker.start()
        return worker

    def _ended(self, worker: _Worker, attempt: ActivityAttempt, poll: Poll) -> None:
        if len(self._idle) < self._limit:
            self._idle.append(worker)
        else:
            self._all.discard(worker)
            worker.give(None)
        self._running.discard(attempt)
        self._done(attempt, poll)
        self._next()

    def is_unbegun(self, attempt: ActivityAttempt) -> bool:
        """Whether neither a thread nor the loop has started the guest of an attempt that waits."""
        return not attempt.begun and attempt not in self._running

    def give_up(self, attempt: ActivityAttempt) -> bool:
        """Count an attempt no longer, if it is here; `done` follows when a thread has begun it. Whether one had."""
        if attempt in self._running:
            self._running.discard(attempt)
            self._next()
            return True
        if attempt in self._waiting:
            self._waiting.remove(attempt)
        return False

    async def close(self) -> None:
        """Let the threads end. Every attempt was given up before, so guests stop within a tick, and are freed here; one
        that does not within `CLOSE_S` is left to its thread."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + CLOSE_S
        while len(self._idle) < len(self._all) and loop.time() < end_s:
            await asyncio.sleep(0.002)
        for worker in self._all:
            worker.give(None)


class _Worker(threading.Thread):
    """A daemon thread, because a guest blocked in native code must not keep the process from ending."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ended: Callable[[_Worker, ActivityAttempt, Poll], None]
    ) -> None:
        super().__init__(name="obelisk-activity", daemon=True)
        self._loop = loop
        self._ended_callback = ended
        self._inbox: deque[ActivityAttempt | None] = deque()
        self._filled = threading.Semaphore(0)

    def give(self, attempt: ActivityAttempt | None) -> None:
        """The next attempt to run, or None to end."""
        self._inbox.append(attempt)
        self._filled.release()

    def run(self) -> None:
        while True:
            self._filled.acquire()
            attempt = self._inbox.popleft()
            if attempt is None:
                return
            try:
                poll = attempt.run()
            except Exception as error:
                poll = broke(attempt, error)
            try:
                self._loop.call_soon_threadsafe(self._ended_callback, self, attempt, poll)
            except RuntimeError:
                return  # the loop is closed: the process is ending
