"""Python's `logging` into the execution's log."""

from __future__ import annotations

import logging
from typing import Final

from wit_world.imports import log

FORMAT: Final = "%(name)s: %(message)s"
"""How `configure` writes a record: the log keeps level and time itself."""


class ExecutionLog(logging.Handler):
    """Writes records to the log of the execution, with their levels: below DEBUG is trace, above ERROR is error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.ERROR:
            log.error(text)
        elif record.levelno >= logging.WARNING:
            log.warn(text)
        elif record.levelno >= logging.INFO:
            log.info(text)
        elif record.levelno >= logging.DEBUG:
            log.debug(text)
        else:
            log.trace(text)


def configure(level: int | str = logging.INFO) -> None:
    """Send the records of all loggers, from this level on, to the execution's log and nowhere else.

    Call it at the top of the component's source.
    """
    handler = ExecutionLog()
    handler.setFormatter(logging.Formatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
