"""The server's own log on stderr: lines for people, or one JSON object per line.

An object has ``at`` (RFC 3339, UTC), ``level``, ``logger``, ``message``; ``execution_id``, ``run`` and ``executor``
where the message names one; ``exception`` with the traceback of an error.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Final

import msgspec

from obelisk.runtime import ids

FORMATS: Final = ("text", "json")
_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIELDS: Final = ((ids.EXECUTION, "execution_id"), (ids.RUN, "run"), (ids.EXECUTOR, "executor"))


class JsonLines(logging.Formatter):
    """Records as JSON objects. Ids are found among the arguments of a message."""

    def format(self, record: logging.LogRecord) -> str:
        """One object in one line, whatever the message has in it."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        shown: dict[str, Any] = {
            "at": f"{seconds}.{int(record.created % 1 * 1e6):06}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for argument in record.args if isinstance(record.args, tuple) else ():
            for prefix, name in _FIELDS:
                if isinstance(argument, str) and argument.startswith(prefix):
                    shown.setdefault(name, argument)
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(shown).decode()


def configure(level: str, form: str) -> None:
    """Log to stderr from now on. What the HTTP server has to say counts from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
