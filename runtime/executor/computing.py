"""Workflows that compute for long, on the threads of the pool: the event loop is left to the others.

Their host calls are handed over to the event loop (`_Counter`), because the log, the places and everything else that
they touch belong to it. A function that was found to compute for long begins on threads, until it does no more.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from obelisk.runtime.executor.pool import Job, Pool, Wanted
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending, Poll
from obelisk.runtime.workers.workflow import WorkflowRun

GIVEN_UP: Final = "the run was given up"
_LOOK_S: Final = 0.25
"""So often a thread looks whether the guest that it waits with was given up."""


class Computing:
    """`again(run)` is called when a run may go on, `later(run)` when it may after others had their turn."""

    def __init__(self, pool: Pool, again: Callable[[WorkflowRun], None], later: Callable[[WorkflowRun], None]) -> None:
        self._pool, self._again, self._later = pool, again, later
        self._slow: set[str] = set()

    def begins(self, run: WorkflowRun) -> None:
        """A run is about to begin."""
        run.guest.may_leave, run.guest.aside = True, run.function.ffqn in self._slow

    def goes_on(self, run: WorkflowRun) -> None:
        """A run has yielded, is to be run on a thread, or is on one."""
        if run.guest.is_away:
            return
        if not run.guest.aside:
            self._later(run)
            return
        run.guest.is_away = True
        self._slow.add(run.function.ffqn)
        stay = run.guest.stay
        if not isinstance(stay, _Stay):
            over = partial(self._slow.discard, run.function.ffqn)
            stay = run.guest.stay = _Stay(run, self._pool, self._again, over)
        self._pool.run(stay.job)


class _Stay:
    """The time of one run on threads: see `driven.Stay`."""

    def __init__(
        self, run: WorkflowRun, pool: Pool, done: Callable[[WorkflowRun], None], is_over: Callable[[], None]
    ) -> None:
        self._run, self._pool, self._told, self.is_over = run, pool, done, is_over
        self._counter = _Counter(asyncio.get_running_loop())
        self.job = Job(run.group, self._work, lambda: None, self._done)

    def _work(self, wanted: Wanted) -> Callable[[], Poll]:
        return self._run.guest.on_thread(wanted, self._counter.hand_over)

    def _done(self, came: Callable[[], Poll]) -> None:
        guest = self._run.guest
        if guest.is_closed:
            guest.free()
            return
        guest.came(came)
        self._told(self._run)

    def give_up(self) -> bool:
        """See `driven.Stay`."""
        self._counter.close()
        self._run.guest.interrupt()
        return self._pool.give_up(self.job)


class _Counter:
    """Where the host calls of a guest on a thread are handed over to the event loop, and their answers back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._closed = False

    def hand_over(self, call: Callable[[], JsonValue | Pending]) -> JsonValue | Pending:
        """Have a host call answered; on the guest's thread."""
        answered = threading.Event()
        answers: list[Callable[[], JsonValue | Pending]] = []
        try:
            self._loop.call_soon_threadsafe(self._serve, call, answers, answered)
        except RuntimeError:
            raise GuestTrap(GIVEN_UP) from None  # the loop is closed: the process is ending
        while not answered.wait(_LOOK_S):
            if self._closed:
                raise GuestTrap(GIVEN_UP)
        return answers[0]()

    def _serve(
        self,
        call: Callable[[], JsonValue | Pending],
        answers: list[Callable[[], JsonValue | Pending]],
        answered: threading.Event,
    ) -> None:
        """On the event loop."""
        try:
            if self._closed:
                raise GuestTrap(GIVEN_UP)
            answers.append(partial(_give, call()))
        except BaseException as error:
            answers.append(partial(_raise, error))
        answered.set()

    def close(self) -> None:
        """The guest was given up: serve no call of it any more."""
        self._closed = True


def _give(answer: JsonValue | Pending) -> JsonValue | Pending:
    return answer


def _raise(error: BaseException) -> JsonValue | Pending:
    raise error
