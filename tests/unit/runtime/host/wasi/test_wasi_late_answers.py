"""A call that was parked and finds no room for its answer ends its guest, as one that is answered at once."""

from __future__ import annotations

from typing import Any, cast

from obelisk.runtime.host.fiber import Fiber
from obelisk.runtime.host.wasi.driving import WasiFiber
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.io.pollables import Signal
from obelisk.runtime.host.wasi.system import BoundedOutput, SystemClock, SystemRandomness
from obelisk.runtime.ports.guest import PENDING, GuestTrap, Trapped, TrapReason, Waiting


class Parked:
    """A fiber whose guest waits for an answer, and traps when it is told to."""

    def __init__(self) -> None:
        self.is_waiting = True
        self.trap: GuestTrap | None = None

    def poll(self, *_: object) -> Any:
        return Waiting() if self.trap is None else Trapped(self.trap.reason, str(self.trap))

    def fail(self, trap: GuestTrap) -> None:
        self.is_waiting, self.trap = False, trap


def test_a_late_answer_without_room_ends_the_guest() -> None:
    came = [False]
    signal = Signal(lambda: came[0])
    guest = ActivityGuest(None, SystemClock(), randomness=SystemRandomness(), output=BoundedOutput(0), handles=1)
    guest.table.add("the only one")
    fiber = WasiFiber(cast("Fiber", Parked()), guest)
    assert guest.wait([signal], lambda: guest.table.add("another")) is PENDING
    assert fiber.poll() == Waiting()
    came[0] = True
    ended = fiber.poll()
    assert isinstance(ended, Trapped)
    assert ended.reason is TrapReason.OUT_OF_MEMORY
    assert "asks for another" in ended.message
