"""What a command refuses or hears from a server, beside the runtime's own exceptions."""

from __future__ import annotations

from obelisk.runtime.errors import ObeliskError


class CommandError(ObeliskError):
    """A command cannot go on. `hint` is the next thing to try."""

    def __init__(self, code: str, message: str, *, hint: str = "", **fields: object) -> None:
        super().__init__(message, **fields)
        self.code = code  # type: ignore[misc]  # an exception class of one code each would say nothing more
        self.hint = hint
