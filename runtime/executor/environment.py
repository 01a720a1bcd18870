"""What every run may ask of the process it is in: time, ids, randomness, a place for its messages."""

from __future__ import annotations

import logging

from obelisk.runtime import ids
from obelisk.runtime.ports import Clock, Entropy

_LEVELS = {"trace": 5, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_guest_logger = logging.getLogger("obelisk.guest")


class Environment:
    """The part of an executor that does not depend on what is deployed."""

    def __init__(self, clock: Clock, entropy: Entropy) -> None:
        self.clock = clock
        self._entropy = entropy

    def now_us(self) -> int:
        """Microseconds since 1970."""
        return self.clock.now_us()

    def ulid(self) -> str:
        """A fresh ULID."""
        return ids.ulid(self.clock.now_us() // 1000, self._entropy.bits(80))

    def bits(self, count: int) -> int:
        """Random bits."""
        return self._entropy.bits(count)

    def guest_log(self, execution_id: str, level: str, message: str) -> None:
        """A guest's message goes to the process's log, as `obelisk.guest`."""
        _guest_logger.log(_LEVELS[level], "%s: %s", execution_id, message)
