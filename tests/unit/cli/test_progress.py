"""The line on a terminal that says what is going on."""

from __future__ import annotations

import io
import time

from obelisk.cli.progress import ProgressLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_how_long_it_takes() -> None:
    terminal = Terminal()
    with ProgressLine(terminal).during("compiling", tick_s=0.01):
        while "compiling 0 s" not in terminal.getvalue():
            time.sleep(0.01)
    assert terminal.getvalue().endswith("\r\x1b[K")
    before = terminal.getvalue()
    time.sleep(0.05)
    assert terminal.getvalue() == before


def test_a_pipe_is_told_nothing() -> None:
    pipe = io.StringIO()
    with ProgressLine(pipe).during("compiling", tick_s=0.001):
        time.sleep(0.01)
    assert pipe.getvalue() == ""
