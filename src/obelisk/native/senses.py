"""Time and randomness of native guests: a workflow's come from its history, an activity's from its executor."""

from __future__ import annotations

from collections.abc import Callable

from obelisk.runtime.ports.guest import JsonValue, Pending
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.host_calls import HostCalls
from obelisk.runtime.workers.recorded import RecordedClock, RecordedRandomness

_NS = 1_000_000_000


class OfWorkflow:
    """See `fiber.Senses`."""

    def __init__(self, calls: HostCalls) -> None:
        self._clock, randomness = RecordedClock(calls), RecordedRandomness(calls)
        self.wall_ns, self.monotonic_ns = self._clock.wall_ns, self._clock.monotonic_ns
        self.random_bytes = randomness.random_bytes

    def sleep(self, seconds: float) -> JsonValue | Pending:
        """A durable sleep."""
        at_ns = self._clock.monotonic_ns() + round(seconds * _NS)
        return self._clock.sleep_until(at_ns, lambda: None)


class OfActivity:
    """See `fiber.Senses`; `wake_in` lets the fiber wait."""

    def __init__(self, attempt: ActivityAttempt, wake_in: Callable[[float], Pending]) -> None:
        self._context, self._wake_in = attempt.context, wake_in
        self._start_us = attempt.context.now_us()

    def wall_ns(self) -> int:
        """The executor's clock."""
        return self._context.now_us() * 1000

    def monotonic_ns(self) -> int:
        """Since the attempt's begin."""
        return (self._context.now_us() - self._start_us) * 1000

    def sleep(self, seconds: float) -> JsonValue | Pending:
        """A pause of the attempt."""
        return self._wake_in(seconds)

    def random_bytes(self, count: int) -> bytes:
        """From the executor's entropy."""
        return self._context.bits(8 * count).to_bytes(count, "little") if count else b""
