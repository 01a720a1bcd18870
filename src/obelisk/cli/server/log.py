"""The server's own log on stderr: lines for people, or one JSON object per line.

An object has ``at`` (RFC 3339, UTC), ``level``, ``logger``, ``message``; ``execution_id``, ``run`` and ``executor``
where the message names one; ``exception`` with the traceback of an error; ``code`` of an error that ends the server.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from obelisk.cli.json_text import json_text
from obelisk.cli.plain import below
from obelisk.runtime import ids

FORMATS: Final = ("text", "json")
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIELDS: Final = ((ids.EXECUTION, "execution_id"), (ids.RUN, "run"), (ids.EXECUTOR, "executor"))


class TextLines(logging.Formatter):
    """Records as lines for people."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """One line, further ones moved in: what is said may be a stranger's text."""
        return below(super().format(record))


class JsonLines(logging.Formatter):
    """Records as JSON objects. Ids are found among the arguments of a message."""

    def format(self, record: logging.LogRecord) -> str:
        """One object in one line, whatever the message has in it."""
        shown = _object(record.created, record.levelname.lower(), record.name, record.getMessage())
        code = getattr(record, "code", None)
        if code is not None:
            shown["code"] = code
        for argument in record.args if isinstance(record.args, tuple) else ():
            for prefix, name in _FIELDS:
                if isinstance(argument, str) and argument.startswith(prefix):
                    shown.setdefault(name, argument)
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return json_text(shown)


def line(message: str, **fields: object) -> str:
    """What a server says on stdout, as an object with the members of the log's."""
    return json_text(_object(time.time(), "info", "obelisk.server", message) | fields)


def _object(at_s: float, level: str, logger: str, message: str) -> dict[str, Any]:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    return {"at": f"{seconds}.{int(at_s % 1 * 1e6):06}Z", "level": level, "logger": logger, "message": message}


def configure(level: str, form: str) -> None:
    """Log to stderr from now on. What the HTTP server has to say counts from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
