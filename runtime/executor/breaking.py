"""What becomes of an execution in whose run the engine failed: a bug of ours never ends a user's work.

It is paused with an error id under which the process's log has the traceback. It goes on when somebody unpauses it,
with another version of the engine by itself (`resuming`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from obelisk.runtime.log.events import Broken, Paused
from obelisk.runtime.metrics import Metrics
from obelisk.runtime.ports import Create
from obelisk.runtime.workers.batch import Batch, Progress
from obelisk.runtime.workers.failures import shorten
from obelisk.runtime.workers.workflow import WorkflowRun

logger = logging.getLogger(__name__)


class Surroundings(Protocol):
    """What this needs from the executor."""

    @property
    def engine(self) -> str:
        """The version of the engine."""
        ...

    @property
    def metrics(self) -> Metrics:
        """Where to count."""
        ...

    def ulid(self) -> str:
        """A fresh ULID."""
        ...


def advance(run: WorkflowRun, around: Surroundings) -> tuple[Progress, Batch | None, Sequence[Create]]:
    """Move a run as far as it goes; what it adds, and the children it had taken places for but will not create."""
    try:
        progress = run.advance()
        return progress, run.take(), ()
    except Exception as error:
        dropped = run.broken(pause_for(error, run.execution_id, run.function.ffqn, around))
        return Progress.OVER, run.take(), dropped


def pause_for(error: Exception, execution_id: str, ffqn: str, around: Surroundings) -> Paused:
    """The pause that a bug leads to, which is said in the log and counted."""
    error_id = f"Err_{around.ulid()}"
    logger.error("%s: the engine failed (%s), %s is paused", execution_id, error_id, ffqn, exc_info=error)
    around.metrics.engine_errors.add(ffqn)
    reason = f"the engine failed ({error_id}): {shorten(f'{type(error).__name__}: {error}')}"
    return Paused(reason=reason, cause=Broken(error_id=error_id, engine=around.engine))
