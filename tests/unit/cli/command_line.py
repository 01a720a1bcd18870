"""Runs a command line in this process, as the program would."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from obelisk.cli.main import run

_STYLE = re.compile("\x1b\\[[0-9;]*m")


class Terminal(io.StringIO):
    """Text written to a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command line did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return msgspec.json.decode(self.out)

    @property
    def error(self) -> Any:
        """The error it printed with ``--json``."""
        return msgspec.json.decode(self.err)["error"]


def on_terminal(*args: str) -> str:
    """The text that ``obelisk`` shows on a terminal; COLUMNS of the environment says how wide it is."""
    out = Terminal()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run(args)
    return _STYLE.sub("", out.getvalue())


def obelisk(*args: str) -> Ran:
    """Run ``obelisk`` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(args)
    return Ran(status, out.getvalue(), err.getvalue())
