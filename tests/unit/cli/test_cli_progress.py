"""Progress: seen by people who wait, and by nobody else."""

from __future__ import annotations

import io
import threading

from command_line import Terminal
from obelisk.cli import progress


class Watched(Terminal):
    """A terminal that tells when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


def test_what_takes_long_is_told_and_wiped_away() -> None:
    terminal = Watched()
    with progress.waiting("deploying", stream=terminal, patience_s=0.001):
        assert terminal.written.wait(120)
    assert terminal.getvalue().startswith("\r\x1b[Kdeploying 0 s")
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_what_is_quick_is_not_told() -> None:
    terminal = Terminal()
    with progress.waiting("deploying", stream=terminal, patience_s=60):
        pass
    assert terminal.getvalue() == ""


def test_of_two_inside_each_other_the_outer_one_is_told() -> None:
    outer, inner = Watched(), Watched()
    with (
        progress.waiting("outer", stream=outer, patience_s=0.001),
        progress.waiting("inner", stream=inner, patience_s=0),
    ):
        assert outer.written.wait(120)
    assert inner.getvalue() == ""
    with progress.waiting("inner", stream=inner, patience_s=0):
        assert inner.written.wait(120)


def test_a_pipe_gets_nothing() -> None:
    pipe = io.StringIO()
    before = threading.active_count()
    with progress.waiting("deploying", stream=pipe, patience_s=0):
        assert threading.active_count() == before
    assert pipe.getvalue() == ""
