"""One line on a terminal that says what is going on; nothing at all where there is no terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, TextIO

_BACK_AND_CLEAR: Final = "\r\x1b[K"
_WIDTH: Final = 78


class ProgressLine:
    """Writes over itself; `clear` it before anything else is printed."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` None is stderr."""
        self._stream = sys.stderr if stream is None else stream
        self._is_shown = False

    def say(self, text: str) -> None:
        """Show this instead of what was shown."""
        if self._stream.isatty():
            self._stream.write(f"{_BACK_AND_CLEAR}{text[:_WIDTH]}")
            self._stream.flush()
            self._is_shown = True

    @contextmanager
    def during(self, text: str, *, tick_s: float = 1.0) -> Generator[None]:
        """Show `text` and for how many seconds it has been shown, until the block is left; then nothing."""
        ended = threading.Event()

        def tick() -> None:
            ticks = 0
            self.say(text)
            while not ended.wait(tick_s):
                ticks += 1
                self.say(f"{text} {ticks * tick_s:.0f} s")

        ticker = threading.Thread(target=tick, daemon=True)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()
            self.clear()

    def clear(self) -> None:
        """Show nothing."""
        if self._is_shown:
            self._stream.write(_BACK_AND_CLEAR)
            self._stream.flush()
            self._is_shown = False
