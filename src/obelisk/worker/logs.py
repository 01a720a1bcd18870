"""Records of `logging` inside an attempt become lines of the execution's log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from obelisk.worker.current import CURRENT, Attempt

_LEVELS: Final = (
    (logging.ERROR, "error"),
    (logging.WARNING, "warn"),
    (logging.INFO, "info"),
    (logging.DEBUG, "debug"),
)


def level_of(number: int) -> str:
    """The server's name of a level of `logging`."""
    return next((name for least, name in _LEVELS if number >= least), "trace")


class LinesHandler(logging.Handler):
    """Tells `line` (attempt, time, level, message) of each record of code that runs in an attempt; of no others."""

    def __init__(self, line: Callable[[Attempt, str, str, str], None], level: int) -> None:
        super().__init__(level)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        found = CURRENT.get()
        if found is None or record.name == "obelisk.worker":
            return
        try:
            at = datetime.fromtimestamp(record.created, UTC).isoformat()
            self._line(found.of, at, level_of(record.levelno), self.format(record))
        except Exception:
            self.handleError(record)
