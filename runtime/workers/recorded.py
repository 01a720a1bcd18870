"""The clock and the randomness of a workflow: everything it can read off them is in its execution log.

**The clock stands still between recorded events.** It shows the instant for which the execution was scheduled, then
that of the newest history event that the guest has asked for, recorded or added. So it moves when an answer is taken,
costs no event, and shows the same however often it is read: a build that reads it more often, to stamp a log line,
replays. It never goes back, whatever the machine's clock does. A sleep is a durable sleep of a one-off join set; when
that is over, or was cancelled, the clock has reached its end.

**Randomness comes from one seed**, 256 bits, recorded when the guest first asks for some. Each request after that is
the next part of its stream (SHAKE-256 of the seed and the number of the request). The insecure kind, which hash tables
are seeded with, is made in the same way from what the execution was created with, and leaves no event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import accumulate
from typing import Final, cast

import msgspec

from obelisk.runtime.log import events as log
from obelisk.runtime.log.instants import later
from obelisk.runtime.ports.guest import GuestTrap, JsonValue, Pending
from obelisk.runtime.replay.commands import Answer, Sleep
from obelisk.runtime.workers import answers
from obelisk.runtime.workers.host_calls import HostCalls

SEED: Final = "wasi-random-seed"
"""The request of the `persist` event that holds the seed."""
_SEED_BITS: Final = 256
_LAST_NS: Final = (1 << 64) - 1
MAX_LOOKS: Final = 1_000_000
"""How often the clock may be read while it stands still: a guest that waits for it to move would wait for ever."""


class RecordedClock:
    """The clock of one run: a `DurableClock` of the host's WASI."""

    def __init__(self, calls: HostCalls) -> None:
        self._calls = calls
        created = calls.stored.events[0]
        assert isinstance(created, log.Created)
        self._start_us = created.scheduled_at_us
        times = zip(calls.stored.events, calls.stored.times, strict=False)
        history = (at_us for event, at_us in times if isinstance(event, log.HistoryEvent))
        self._recorded = list(accumulate(history, max, initial=self._start_us))
        self._slept_us = self._shown_us = 0
        self._looks = 0

    def wall_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._look() * 1000

    def monotonic_ns(self) -> int:
        """Nanoseconds since the execution's begin, at most the last that a guest can be told of."""
        return min((self._look() - self._start_us) * 1000, _LAST_NS)

    def sleep_until(self, at_ns: int, answer: Callable[[], JsonValue]) -> JsonValue | Pending:
        """A durable sleep; PENDING until it is over, then `answer()`."""
        at_us = later(self._start_us, -(-at_ns // 1000))

        def over(_: Answer) -> JsonValue:
            self._slept_us = max(self._slept_us, at_us)
            return answer()

        schedule = msgspec.Raw(msgspec.json.encode({"at": answers.datetime_record(at_us)}))
        return self._calls.ask(Sleep(schedule, at_us, None), over)

    def _look(self) -> int:
        calls = self._calls
        now_us = max(self._recorded[calls.machine.facts.position], calls.last_us, self._slept_us)
        self._looks = self._looks + 1 if now_us == self._shown_us else 0
        self._shown_us = now_us
        if self._looks > MAX_LOOKS:
            raise GuestTrap("the guest waits for its clock to move, which it does only between recorded events: sleep")
        return now_us


class RecordedRandomness:
    """The random numbers of one run: a `Randomness` of the host's WASI."""

    def __init__(self, calls: HostCalls) -> None:
        self._calls = calls
        self._secure: _Stream | None = None
        created = calls.stored.events[0]
        assert isinstance(created, log.Created)
        self._insecure = _Stream(msgspec.json.encode((created.ffqn, created.params, created.scheduled_at_us)))

    def random_bytes(self, count: int) -> bytes:
        """The next `count` bytes from the recorded seed."""
        if self._secure is None:
            proposed = f"{self._calls.context.bits(_SEED_BITS):0{_SEED_BITS // 4}x}"
            seed = cast("str", self._calls.record(SEED, proposed))
            self._secure = _Stream(bytes.fromhex(seed))
        return self._secure.take(count)

    def insecure_bytes(self, count: int) -> bytes:
        """The next `count` bytes that can be predicted."""
        return self._insecure.take(count)


class _Stream:
    """Bytes from a seed, a part at a time."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._parts = seed, 0

    def take(self, count: int) -> bytes:
        """The next part."""
        self._parts += 1
        return hashlib.shake_256(self._parts.to_bytes(8, "little") + self._seed).digest(count)
