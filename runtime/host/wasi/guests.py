"""One guest's WASI: what it found, what it holds, and what it waits for.

`ActivityGuest` parks a call that has to wait; `driving.WasiFiber` watches what it waits for and brings the answer.
`WorkflowGuest` knows but one thing to wait for, an instant, and sleeps through the log. `LoneGuest` has no event loop
next to it and sleeps on its thread.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

from obelisk.runtime.host.wasi.capabilities import (
    EMPTY_ENVIRONMENT,
    Clock,
    DurableClock,
    LoopClock,
    Output,
    Randomness,
    WasiEnvironment,
    unheard,
)
from obelisk.runtime.host.wasi.http.messages import HttpSender
from obelisk.runtime.host.wasi.io.asides import Aside, Held
from obelisk.runtime.host.wasi.io.pollables import Deadline, Pollable, Watch
from obelisk.runtime.host.wasi.io.table import MAX_HANDLES, Closeable, Table
from obelisk.runtime.host.wasi.memory import SharedMemory
from obelisk.runtime.ports.guest import PENDING, GuestTrap, HostMemory, JsonValue, Pending

T = TypeVar("T")
Answer: TypeAlias = "Callable[[], JsonValue | Pending]"
"""Computes what the guest is answered once it need not wait; PENDING when it has parked the call again."""


class GuestExit(Exception):
    """Raised to end the guest by its own wish; `status` is 0 to 255."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the guest exited with status {status}")
        self.status = status


class WasiGuest(ABC):
    """What the handlers of `wasi:*` get as their context; `owner` is the context that other handlers get."""

    def __init__(
        self,
        owner: object,
        clock: Clock,
        *,
        randomness: Randomness,
        output: Output,
        environment: WasiEnvironment = EMPTY_ENVIRONMENT,
        handles: int = MAX_HANDLES,
        memory: HostMemory | None = None,
    ) -> None:
        self.owner = owner
        self.clock = clock
        self.randomness = randomness
        self.output = output
        self.environment = environment
        self.http: HttpSender | None = None
        """Makes its requests; without one, every request is denied."""
        self.tell: Callable[[str], None] = unheard
        """Is told why it was refused what it asked for."""
        self.memory = memory or SharedMemory()
        """What the host keeps for the guest, here and for its owner."""
        self.table = Table(self.memory, handles)

    @abstractmethod
    def deadline(self, at_ns: int) -> Pollable:
        """An instant of the monotonic clock to wait for."""

    @abstractmethod
    def wait(self, pollables: Sequence[Pollable], answer: Answer) -> JsonValue | Pending:
        """Answer the guest with `answer()` once one of `pollables` is ready; one at least is given."""

    def aside(
        self, work: Callable[[], T], settle: Callable[[Callable[[], T]], JsonValue | Pending], held: Sequence[Held]
    ) -> JsonValue | Pending:
        """Do `work`, which may wait for a disk and uses `held`, and answer the guest with `settle(get)`, where `get()`
        gives what it gave, or raises what it raised. Here: at once, as nothing else waits."""
        return settle(work)

    def dropped(self, rep: int) -> None:
        """The guest dropped a handle."""
        entry = self.table.drop(rep)
        if isinstance(entry, Closeable):
            entry.close()

    def close(self) -> None:
        """The guest has ended: let go of everything it still held; idempotent."""
        for entry in self.table.clear():
            if isinstance(entry, Closeable):
                entry.close()
        self.output.close()


class ActivityGuest(WasiGuest):
    """A guest on its own thread, next to an event loop."""

    def __init__(
        self,
        owner: object,
        clock: LoopClock,
        *,
        randomness: Randomness,
        output: Output,
        environment: WasiEnvironment = EMPTY_ENVIRONMENT,
        http: HttpSender | None = None,
        tell: Callable[[str], None] = unheard,
        handles: int = MAX_HANDLES,
        memory: HostMemory | None = None,
    ) -> None:
        super().__init__(
            owner, clock, randomness=randomness, output=output, environment=environment, handles=handles, memory=memory
        )
        self.http, self.tell = http, tell
        self._call_at = clock.call_at
        self._parked: tuple[Sequence[Pollable], Answer] | None = None
        self._aside: Callable[[], None] | None = None

    def deadline(self, at_ns: int) -> Pollable:
        """Told by the clock's timer."""
        return Deadline(at_ns, self.clock, self._call_at)

    def wait(self, pollables: Sequence[Pollable], answer: Answer) -> JsonValue | Pending:
        """Answered at once when one is ready, else parked."""
        if not any(pollable.ready() for pollable in pollables):
            self._parked = pollables, answer
            return PENDING
        return answer()

    def aside(
        self, work: Callable[[], T], settle: Callable[[Callable[[], T]], JsonValue | Pending], held: Sequence[Held]
    ) -> JsonValue | Pending:
        """On a thread, if the guest runs on the event loop; one that has a thread already does it there."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return settle(work)
        begun = Aside(loop, work, held)
        self._aside = begun.give_up

        def answer() -> JsonValue | Pending:
            self._aside = None
            return settle(begun.get)

        return self.wait([begun.signal], answer)

    def is_due(self) -> bool:
        """Whether the parked call can be answered."""
        return self._parked is not None and any(pollable.ready() for pollable in self._parked[0])

    def take_answer(self) -> JsonValue | Pending:
        """What the parked call is to be answered; PENDING when nothing is parked or it has to wait on."""
        if self._parked is None or not self.is_due():
            return PENDING
        _, answer = self._parked
        self._parked = None
        return answer()

    def watch(self, changed: Callable[[], None]) -> Watch | None:
        """Watch what the parked call waits for, on the event loop; None when nothing is parked."""
        return None if self._parked is None else Watch(self._parked[0], changed)

    def close(self) -> None:
        """Nothing waits any more either."""
        self._parked = None
        give_up, self._aside = self._aside, None
        super().close()
        if give_up is not None:
            give_up()


class WorkflowGuest(WasiGuest):
    """A guest that is replayed: it reads the clock and the randomness of its history."""

    def __init__(
        self,
        owner: object,
        clock: DurableClock,
        *,
        randomness: Randomness,
        output: Output,
        handles: int = MAX_HANDLES,
        memory: HostMemory | None = None,
    ) -> None:
        super().__init__(owner, clock, randomness=randomness, output=output, handles=handles, memory=memory)
        self._sleep_until = clock.sleep_until

    def deadline(self, at_ns: int) -> Pollable:
        """Told by a durable sleep."""
        return Deadline(at_ns, self.clock, None)

    def wait(self, pollables: Sequence[Pollable], answer: Answer) -> JsonValue | Pending:
        """Answered at once when one is ready, else after a durable sleep until the earliest."""
        if any(pollable.ready() for pollable in pollables):
            return answer()
        instants = [pollable.at_ns for pollable in pollables if isinstance(pollable, Deadline)]
        assert len(instants) == len(pollables), "a workflow has nothing else to wait for"

        def awake() -> JsonValue:
            answered = answer()
            if answered is PENDING:
                raise GuestTrap("the clock of the workflow did not reach the instant that was slept for")
            return answered

        return self._sleep_until(min(instants), awake)


class LoneGuest(WasiGuest):
    """A guest that has its thread for itself: while it waits, the thread sleeps."""

    def deadline(self, at_ns: int) -> Pollable:
        """Slept for."""
        return Deadline(at_ns, self.clock, None)

    def wait(self, pollables: Sequence[Pollable], answer: Answer) -> JsonValue | Pending:
        """Answered once the earliest instant has come: without HTTP there is nothing else to wait for."""
        while not any(pollable.ready() for pollable in pollables):
            earliest_ns = min(pollable.at_ns for pollable in pollables if isinstance(pollable, Deadline))
            time.sleep(max(earliest_ns - self.clock.monotonic_ns(), 0) / 1e9)
        return answer()
