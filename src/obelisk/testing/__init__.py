"""A test kit for workflows and activities: the real engine on virtual time, in milliseconds, with every log replayed.

The pytest plugin gives the fixture `world`; see `docs/testing.md`.
"""

from obelisk.testing.errors import (
    ExecutionFailed,
    Forbidden,
    HistoryMismatch,
    KitError,
    NoAnswer,
    Nondeterminism,
    NotFinished,
)
from obelisk.testing.project import Project
from obelisk.testing.replacing import fails, never, script, times_out
from obelisk.testing.world import Call, Execution, World

__all__ = [
    "Call",
    "Execution",
    "ExecutionFailed",
    "Forbidden",
    "HistoryMismatch",
    "KitError",
    "NoAnswer",
    "Nondeterminism",
    "NotFinished",
    "Project",
    "World",
    "fails",
    "never",
    "script",
    "times_out",
]
