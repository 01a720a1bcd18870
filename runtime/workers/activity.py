"""One attempt of an activity: start the guest, poll it, and say what the log gets for how it ended.

How its end counts and when it is tried again is told in `attempt`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.errors import NoRoom
from obelisk.runtime.log import events as log
from obelisk.runtime.log.state import ExecutionState
from obelisk.runtime.ports.guest import (
    Fiber,
    GuestTrap,
    JsonValue,
    Poll,
    Prepared,
    Returned,
    Trapped,
    TrapReason,
    Yielded,
)
from obelisk.runtime.ports.store import Write
from obelisk.runtime.workers.attempt import Attempt
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.guest_output import GuestOutput

logger = logging.getLogger(__name__)


class ActivityAttempt(Attempt):
    """One lock of one activity execution, whose guest runs here."""

    def __init__(
        self,
        *,
        execution_id: str,
        created: log.Created,
        locked: log.Locked,
        state: ExecutionState,
        function: DeployedFunction,
        prepared: Prepared,
        context: RunContext,
        covered: bool,
        cuts: int = 0,
    ) -> None:
        super().__init__(
            execution_id=execution_id,
            created=created,
            locked=locked,
            state=state,
            function=function,
            context=context,
            cuts=cuts,
        )
        self.value_bytes = function.component.settings.max_value_bytes
        """See `guest.Bounded`."""
        self.prepared = prepared
        self.abandoned = False
        self.yields = 0
        """How often the guest computed for a whole tick."""
        self._fiber: Fiber | None = None
        self._output: GuestOutput | None = None
        self.covered = covered
        """Whether its lock is on record; until then nothing of what it does may leave the process."""
        self._held_back: list[Callable[[], object]] = []

    def when_covered(self, effect: Callable[[], object]) -> None:
        """Call `effect` once the lock is on record, at once if it is; never if that is refused. On the event loop."""
        if self.covered:
            effect()
        else:
            self._held_back.append(effect)

    def cover(self) -> None:
        """The lock is on record: what was held back happens now."""
        self.covered = True
        effects, self._held_back = self._held_back, []
        for effect in effects:
            effect()

    @property
    def output_bytes(self) -> int:
        """See `guest.Bounded`."""
        return self.function.component.settings.max_output_bytes

    @property
    def output(self) -> GuestOutput:
        """Where its messages and its standard streams go."""
        if self._output is None:
            limit = self.function.component.settings.max_output_bytes
            self._output = GuestOutput(self.execution_id, self.locked.run, self.context, limit=limit)
        return self._output

    @property
    def begun(self) -> bool:
        """Whether the guest was started."""
        return self._fiber is not None

    def poll(self) -> Poll:
        """Start the guest if need be and run it for one slice; on any thread, one at a time."""
        try:
            if self._fiber is None:
                self.begun_at_us = self.context.now_us() if self.created.trace else 0
                params: list[JsonValue] = msgspec.json.decode(self.params)
                self._fiber = self.prepared.start(self.function.export, params, self)
            return self._fiber.poll()
        except NoRoom as error:
            return Trapped(TrapReason.NO_ROOM, error.message)
        except GuestTrap as error:
            return Trapped(error.reason, str(error))

    def run(self, wanted: Callable[[], bool]) -> Poll:
        """Poll until the guest is done or waits, or has computed for a tick while its thread is `wanted`; for a pool
        thread."""
        while True:
            poll = self.poll()
            if not isinstance(poll, Yielded) or self.abandoned or wanted():
                return poll
            self.yields += 1

    def when_ready(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the event loop when the guest, which waits, may go on; never after `close`."""
        assert self._fiber is not None
        self._fiber.when_ready(callback)

    def interrupt(self) -> None:
        """Give the attempt up: whatever it answers later does not count."""
        self.abandoned = True
        if self._fiber is not None:
            self._fiber.interrupt()

    def close(self) -> None:
        """Free the guest; not while it is polled."""
        if self._fiber is not None:
            self._fiber.close()

    def conclude(self, poll: Returned | Trapped, *, again: bool = True, not_before_ms: int = 0) -> tuple[Write, ...]:
        """See `Attempt.conclude`; what the guest has begun to say is said."""
        if self._output is not None:
            self._output.end()
            poll = self._output.explained(poll) if isinstance(poll, Trapped) else poll
        return super().conclude(poll, again=again, not_before_ms=not_before_ms)


def broke(attempt: ActivityAttempt, error: Exception) -> Trapped:
    """The end of an attempt in which the engine failed: that harms nothing but the attempt."""
    logger.error("%s: the engine failed in attempt %s", attempt.execution_id, attempt.locked.run, exc_info=error)
    return Trapped(TrapReason.BROKEN, f"{type(error).__name__}: {error}")
