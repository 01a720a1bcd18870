"""Threads for guests that compute for longer than a tick.

At most `limit` jobs run at once. While others wait, a job gives its thread back after a slice, a tick long, and is
queued again: the next slice is that of another component, and of the longest waiting job within it. So a component that
computes without end delays a slice of another by one of its own. A job that is given up goes on until its guest can be
stopped, within a tick, but no longer counts.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from obelisk.runtime.executor.turns import Group, Turns

CLOSE_S = 1.0
NICE = 10
"""By so much the threads are nicer than the event loop. It waits for events most of the time, and should run as soon as
one comes: among busy threads of its own priority it would wait for a processor."""


R = TypeVar("R")
Wanted: TypeAlias = Callable[[], bool]
"""Whether another job waits for a thread; on any thread."""


class Job(Generic[R]):
    """What a thread runs, slice by slice: `work(wanted)` runs a guest until it ends or waits, or after a slice if its
    thread is wanted then, and raises nothing. `begins()` is called when a thread takes the job, `done(result)` when it
    has let go of it; both on the event loop, for every slice. `group` is what the threads are shared between."""

    __slots__ = ("begins", "done", "group", "work")

    def __init__(
        self, group: Group, work: Callable[[Wanted], R], begins: Callable[[], None], done: Callable[[R], None]
    ) -> None:
        self.group, self.work, self.begins, self.done = group, work, begins, done


class Pool:
    """See the module's text."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = Turns[Job[Any]]()
        self._running: set[Job[Any]] = set()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()

    def run(self, job: Job[Any]) -> None:
        """Run a job when a thread is free and it is its turn."""
        self._waiting.add(job.group, job)
        self._next()

    def is_wanted(self) -> bool:
        """Whether a job waits for a thread; on any thread."""
        return len(self._waiting) > 0

    @property
    def is_busy(self) -> bool:
        """Whether a thread runs a job."""
        return bool(self._running)

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._running) < self._limit:
            job = self._waiting.take()
            self._running.add(job)
            job.begins()
            worker = self._idle.pop() if self._idle else self._hire(loop)
            worker.give(job)

    def _hire(self, loop: asyncio.AbstractEventLoop) -> _Worker:
        worker = _Worker(loop, self.is_wanted, self._ended)
        self._all.add(worker)
        worker.start()
        return worker

    def _ended(self, worker: _Worker, job: Job[R], result: R) -> None:
        if len(self._idle) < self._limit:
            self._idle.append(worker)
        else:
            self._all.discard(worker)
            worker.give(None)
        self._running.discard(job)
        job.done(result)
        self._next()

    def has_begun(self, job: Job[Any]) -> bool:
        """Whether a thread has the job."""
        return job in self._running

    def give_up(self, job: Job[Any]) -> bool:
        """Count a job no longer, if it is here; `done` follows when a thread has begun it. Whether one had."""
        if job in self._running:
            self._running.discard(job)
            self._next()
            return True
        self._waiting.remove(job.group, job)
        return False

    async def close(self) -> None:
        """Let the threads end. Every job was given up before, so guests stop within a tick, and are freed here; one
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
        self, loop: asyncio.AbstractEventLoop, wanted: Wanted, ended: Callable[[_Worker, Job[Any], Any], None]
    ) -> None:
        super().__init__(name="obelisk-computing", daemon=True)
        self._loop = loop
        self._wanted = wanted
        self._ended_callback = ended
        self._inbox: deque[Job[Any] | None] = deque()
        self._filled = threading.Semaphore(0)

    def give(self, job: Job[Any] | None) -> None:
        """The next job to run, or None to end."""
        self._inbox.append(job)
        self._filled.release()

    def run(self) -> None:
        if sys.platform == "linux":  # elsewhere it would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        while True:
            self._filled.acquire()
            job = self._inbox.popleft()
            if job is None:
                return
            result = job.work(self._wanted)
            try:
                self._loop.call_soon_threadsafe(self._ended_callback, self, job, result)
            except RuntimeError:
                return  # the loop is closed: the process is ending
            del job, result  # a thread that waits for work keeps no guest
