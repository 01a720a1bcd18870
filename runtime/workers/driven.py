"""The guest of a workflow's run, and where it computes: on the event loop, or on threads once it computes for long.

A guest computes for long if it has yielded twice in a row with hardly a call to the host in between: a tick alone may
end right after it began, or while another program has the processor. Then its slices are run on threads (`on_thread`),
while its host calls are still answered on the event loop, where everything else is that they touch. It comes back
when it waits without having yielded, or calls the host so often that handing the calls over would cost more than it
computes.

The processor time that it takes on threads without making a step, which is a new event of its history or a recorded
one that it has come to again, is counted: not that of other guests, nor the time that it waits for a thread. A run is
judged by it, see `WorkflowRun`.
"""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time_ns
from typing import Final, Protocol

from obelisk.runtime.ports.guest import Fiber, GuestTrap, HandOver, JsonValue, Poll, Trapped, TrapReason, Yielded

YIELDED: Final = Yielded()
REPLAY_PATIENCE: Final = 10
"""So many times as long as a new step may take, a recorded one may."""
QUIET_YIELDS: Final = 2
LEAST_NS: Final = 5_000_000
"""So much processor time is most of a slice."""
CHATTY_CALLS: Final = 16
"""So many host calls in a slice are many."""
SLICES: Final = 10
"""So many slices are run on a thread that no other job waits for before the event loop is told of them."""


class Calls(Protocol):
    """Who counts host calls."""

    asked: int


class _NoCalls:
    """What a freed guest counts: it does not hold on to its run."""

    asked = 0


class Stay(Protocol):
    """A guest's time on threads."""

    def give_up(self) -> bool:
        """End it; True if a thread has the guest, which is closed when that has let go of it."""
        ...

    def is_over(self) -> None:
        """The guest does not compute for long any more."""
        ...


class Driven:
    """See the module's text. `start()` makes the fiber; `steps()` counts the steps, `calls` the host calls."""

    def __init__(self, start: Callable[[], Fiber], steps: Callable[[], int], calls: Calls) -> None:
        self._start: Callable[[], Fiber] | None = start
        self._steps, self._calls = steps, calls
        self._fiber: Fiber
        self.is_begun = self.is_closed = False
        self.is_away = False
        """Whether a thread has the guest, or will have it."""
        self.may_leave = False
        """Whether there are threads for it."""
        self.stay: Stay | None = None
        """Set by the executor when it first goes to threads."""
        self.aside = False
        """Whether its slices are run on threads."""
        self._came: Callable[[], Poll] | None = None
        self._quiet = 0
        self._seen = (0, 0)
        self._spent_ns = 0

    def begin(self) -> None:
        """Make the fiber. NoRoom."""
        assert self._start is not None
        self._fiber = self._start()
        self._start, self.is_begun = None, True

    def resume(self, value: JsonValue) -> None:
        """See `guest.Fiber`."""
        self._fiber.resume(value)

    def fail(self, trap: GuestTrap) -> None:
        """See `guest.Fiber`."""
        self._fiber.fail(trap)

    def poll(self) -> Poll:
        """What the guest came to: on a thread meanwhile, or in a slice now; Yielded when it is to be run on a thread.
        Raises what `Fiber.poll` raises."""
        came, self._came = self._came, None
        if came is None:
            if self.aside:
                return YIELDED
            poll = self._slice() if self._quiet else self._fiber.poll()
            if type(poll) is not Yielded:
                self._quiet = 0
                return poll
        else:
            self.is_away = False
            poll = came()
        self._look_at(poll)
        return poll

    def _look_at(self, poll: Poll) -> None:
        """Decide where it computes from now on."""
        calls, steps = self._counts()
        if steps != self._seen[1]:
            self._spent_ns = 0
        if type(poll) is not Yielded:
            self.aside = self.aside and self._quiet > 0
            self._quiet = 0
        elif poll.long:
            self._quiet, self.aside = QUIET_YIELDS, self.may_leave
        elif calls - self._seen[0] < CHATTY_CALLS:
            self._quiet += 1
            self.aside = self.aside or (self.may_leave and self._quiet >= QUIET_YIELDS)
        else:
            self._quiet, self.aside = 0, False
        self._seen = calls, steps
        if self.stay is not None and not self.aside:
            self.stay.is_over()

    def _slice(self) -> Poll:
        """A slice of a guest that has yielded. It counts only if the guest, and no other program, used the time."""
        begin_ns = thread_time_ns()
        poll = self._fiber.poll()
        if thread_time_ns() - begin_ns < LEAST_NS:
            self._quiet = 0
        return poll

    def overdue(self, most_ms: int, *, replaying: bool) -> Trapped | None:
        """The end of a guest that has computed without a step for longer than it may. A recorded step was reached once,
        if on a faster machine: it may take longer."""
        spent_ms = self._spent_ns // 1_000_000
        if spent_ms <= (most_ms * REPLAY_PATIENCE if replaying else most_ms):
            return None
        reason = f"it computed for {spent_ms} ms of processor time without a step, max_compute_ms is {most_ms}"
        return Trapped(TrapReason.COMPUTED_TOO_LONG, reason)

    def on_thread(self, wanted: Callable[[], bool], hand_over: HandOver) -> Callable[[], Poll]:
        """Run slices on this thread, until the guest ends, waits or calls the host, or others want the thread: gives
        what is to be handed to `came`."""
        begin_ns, counts = thread_time_ns(), self._counts()
        try:
            poll, slices = self._fiber.poll(hand_over), 1
            while isinstance(poll, Yielded) and slices < SLICES and not self.is_closed:
                if wanted() or self._counts() != counts:
                    break
                self._quiet += 1
                poll, slices = self._fiber.poll(hand_over), slices + 1
        except BaseException as error:
            raised = error

            def fail() -> Poll:
                raise raised

            return fail
        finally:
            self._spent_ns += thread_time_ns() - begin_ns
        return lambda: poll

    def came(self, came: Callable[[], Poll]) -> None:
        """A thread has let go of it; the next poll tells."""
        self._came = came

    def _counts(self) -> tuple[int, int]:
        return self._calls.asked, self._steps()

    @property
    def has_come(self) -> bool:
        """Whether a thread has let go of it, which was not told yet."""
        return self._came is not None

    def interrupt(self) -> None:
        """See `guest.Fiber`."""
        self._fiber.interrupt()

    def close(self) -> None:
        """Free the guest, at once or when a thread has let go of it. Idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        if self.stay is None or not self.stay.give_up():
            self.free()

    def free(self) -> None:
        """Free the guest, which no thread has."""
        self._start, self._calls = None, _NoCalls
        if self.is_begun:
            self._fiber.close()
