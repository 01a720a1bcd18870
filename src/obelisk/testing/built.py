"""Built components in a world: the host of wasmtime, with the world's clock and randomness instead of the machine's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from obelisk.native.senses import OfActivity
from obelisk.runtime.host.guests import Wasi, WasmtimeHost
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.memory import SharedMemory
from obelisk.runtime.ports.guest import PENDING
from obelisk.runtime.wiring.guest_environment import workflow_guest
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.testing.virtual_time import VirtualLoop

_SECOND: Final = 1_000_000_000


class _Clock(OfActivity):
    """A `LoopClock` on virtual time."""

    def __init__(self, attempt: ActivityAttempt, loop: VirtualLoop) -> None:
        super().__init__(attempt, lambda _: PENDING)
        self._loop = loop

    def call_at(self, at_ns: int, callback: Callable[[], None]) -> Callable[[], None]:
        """See `capabilities.LoopClock`."""
        return self._loop.call_later(max(at_ns - self.monotonic_ns(), 0) / _SECOND, callback).cancel

    def insecure_bytes(self, count: int) -> bytes:
        """See `capabilities.Randomness`."""
        return self.random_bytes(count)


def host(loop: VirtualLoop, folder: Path | None) -> WasmtimeHost:
    """The host; its guests reach nothing outside. Compiled components are kept in `folder`, if there is one."""

    def activity(attempt: ActivityAttempt) -> ActivityGuest:
        clock = _Clock(attempt, loop)
        memory = SharedMemory(attempt.function.component.settings.max_host_bytes)
        return ActivityGuest(attempt, clock, randomness=clock, output=attempt.output, memory=memory)

    return WasmtimeHost(folder, Wasi(activities=lambda _: activity, workflows=lambda _: workflow_guest))
