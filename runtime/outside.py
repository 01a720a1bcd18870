"""What guests see of the world outside, put together from the host's capabilities and the run that they belong to.

An activity gets the machine's clock and randomness. What it prints goes to its log, a line at a time: standard output
as `info`, standard error as `warn`.
"""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from obelisk.runtime.host.guests import Wasi
from obelisk.runtime.host.wasi.guests import ActivityGuest
from obelisk.runtime.host.wasi.system import Lines, SystemClock, SystemRandomness
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.workflow import WorkflowRun

_Run: TypeAlias = ActivityAttempt | WorkflowRun


def wasi() -> Wasi:
    """Who makes the WASI of the guests of a runtime."""
    return Wasi(new_activity=_activity)


def _activity(attempt: ActivityAttempt) -> ActivityGuest:
    return ActivityGuest(
        attempt, SystemClock(), randomness=SystemRandomness(), output=Lines(partial(_printed, attempt))
    )


def _printed(run: _Run, line: str, to_stderr: bool) -> None:
    run.around.guest_log(run.execution_id, "warn" if to_stderr else "info", line)
