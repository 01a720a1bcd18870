"""Threads for attempts that compute or block for longer than a tick.

At most `limit` attempts count as running. One that ran past its limit is given up: its thread goes on until the guest
can be stopped, but no longer counts, so that a guest blocked in a host call never starves the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable

from obelisk.runtime.guest import Poll, Trapped, TrapReason
from obelisk.runtime.workers.activity import ActivityAttempt


class Pool:
    """`done(attempt, poll)` and `expired(attempt)` are called on the event loop; after `expired` comes `done` too."""

    def __init__(
        self,
        limit: int,
        done: Callable[[ActivityAttempt, Poll], None],
        expired: Callable[[ActivityAttempt], None],
    ) -> None:
        self._limit = limit
        self._done = done
        self._expired = expired
        self._waiting: deque[ActivityAttempt] = deque()
        self._running: dict[ActivityAttempt, asyncio.TimerHandle] = {}
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._empty: asyncio.Event | None = None

    def run(self, attempt: ActivityAttempt) -> None:
        """Run an attempt when a thread is free; its time limit counts from then."""
        self._waiting.append(attempt)
        self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._running) < self._limit:
            attempt = self._waiting.popleft()
            limit_s = attempt.limit_ms / 1000
            self._running[attempt] = loop.call_later(limit_s, self._expire, attempt)
            worker = self._idle.pop() if self._idle else self._hire(loop)
            worker.give(attempt)
        if self._empty is not None and not self._running and not self._waiting:
            self._empty.set()

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
        timer = self._running.pop(attempt, None)
        if timer is not None:
            timer.cancel()
        self._done(attempt, poll)
        self._next()

    def give_up(self, attempt: ActivityAttempt) -> bool:
        """Count an attempt no longer, if it is here; `done` follows when a thread has begun it. Whether one had."""
        if attempt in self._waiting:
            self._waiting.remove(attempt)
        timer = self._running.pop(attempt, None)
        if timer is not None:
            timer.cancel()
            self._next()
        return timer is not None

    def _expire(self, attempt: ActivityAttempt) -> None:
        if self._running.pop(attempt, None) is not None:
            self._expired(attempt)
            self._next()

    async def drain(self, timeout_s: float) -> None:
        """Wait until nothing runs, at most so long."""
        if self._running or self._waiting:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._empty.wait()

    def close(self) -> None:
        """Let the threads end; those still in a guest end when it does."""
        self._waiting.clear()
        for timer in self._running.values():
            timer.cancel()
        for attempt in self._running:
            attempt.interrupt()
        self._running.clear()
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
                poll = Trapped(TrapReason.HOST, f"{type(error).__name__}: {error}")
            try:
                self._loop.call_soon_threadsafe(self._ended_callback, self, attempt, poll)
            except RuntimeError:
                return  # the loop is closed: the process is ending
