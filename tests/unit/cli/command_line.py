"""Runs a command line in this process, as the program would."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import msgspec

from obelisk.cli.main import run


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


def obelisk(*args: str) -> Ran:
    """Run ``obelisk`` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(args)
    return Ran(status, out.getvalue(), err.getvalue())
