"""One line on a terminal that says what is going on; nothing at all where there is no terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TextIO

from obelisk.cli.plain import in_one_line

_BACK_AND_CLEAR: Final = "\r\x1b[K"
_WIDTH: Final = 78
_PATIENCE_S: Final = 1.0
_shown: Final = threading.Event()


class ProgressLine:
    """Writes over itself; `clear` it before anything else is printed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` None is stderr."""
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = False

    def say(self, text: str) -> None:
        """Show this instead of what was shown."""
        if self._stream.isatty():
            self._stream.write(f"{_BACK_AND_CLEAR}{in_one_line(text)[:_WIDTH]}")
            self._stream.flush()
            self._is_shown = True

    @contextmanager
    def during(self, text: str, *, tick_s: float = 1.0, patience_s: float = 0.0) -> Generator[None]:
        """Show `text` and for how many seconds the block has lasted, from `patience_s` on until it is left.

        Of blocks inside each other the outermost is shown.
        """
        if _shown.is_set() or not self._stream.isatty():
            yield
            return
        ended = threading.Event()

        def tick() -> None:
            passed_s = patience_s
            pause_s = patience_s
            while not ended.wait(pause_s):
                self.say(f"{text} {passed_s:.0f} s")
                pause_s = tick_s
                passed_s += tick_s

        ticker = threading.Thread(target=tick, name="progress", daemon=True)
        _shown.set()
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()
            _shown.clear()
            self.clear()

    def clear(self) -> None:
        """Show nothing."""
        if self._is_shown:
            self._stream.write(_BACK_AND_CLEAR)
            self._stream.flush()
            self._is_shown = False


@contextmanager
def waiting(text: str, *, stream: TextIO | None = None, patience_s: float = _PATIENCE_S) -> Generator[None]:
    """For what is quick as a rule: as `ProgressLine.during`, but only once it has taken a second."""
    with ProgressLine(stream).during(text, patience_s=patience_s):
        yield
