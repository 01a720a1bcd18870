"""Moving a workflow's run, and what becomes of it when it breaks: a bug of ours never ends a user's work.

An execution in whose run the engine failed is paused with an error id under which the process's log has the traceback.
It goes on when it is unpaused, with another version of the engine by itself (`resuming`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from obelisk.runtime.catalog.fitting import Unfit
from obelisk.runtime.errors import FunctionNotFound, NoRoom
from obelisk.runtime.executor.context import ExecutorContext
from obelisk.runtime.executor.runs import KeepsCrashing
from obelisk.runtime.log import events as log
from obelisk.runtime.log.events import Broken, CutOff, Diverged, Paused
from obelisk.runtime.ports.guest import AnswerUnfit
from obelisk.runtime.ports.store import Create
from obelisk.runtime.workers.batch import Batch, Progress
from obelisk.runtime.workers.failures import shorten
from obelisk.runtime.workers.pausing import diverged
from obelisk.runtime.workers.workflow import WorkflowRun

logger = logging.getLogger(__name__)


def advance(run: WorkflowRun, context: ExecutorContext) -> tuple[Progress, Batch | None, Sequence[Create]]:
    """Move a run as far as it goes; what it adds, and the children it had taken places for but will not create.

    NoRoom."""
    try:
        progress = run.advance()
        if progress is Progress.OVER and (paused := run.paused) is not None:
            _tell(run.execution_id, run.function.ffqn, paused, context)
        return progress, run.take(), ()
    except NoRoom:
        raise
    except AnswerUnfit as error:
        reason = f"an answer on record does not have the type that the guest asks for: {error.message}"
        paused = diverged(run.calls.stored.events, run.locked.digest, run.calls.machine.facts.here(), reason)
        _tell(run.execution_id, run.function.ffqn, paused, context)
        dropped = run.broken(paused)
        return Progress.OVER, run.take(), dropped
    except Exception as error:
        dropped = run.broken(pause(error, run.execution_id, run.function.ffqn, context))
        return Progress.OVER, run.take(), dropped


def _tell(execution_id: str, ffqn: str, paused: Paused, context: ExecutorContext) -> None:
    """Say and count that a build does not fit a history."""
    if isinstance(paused.cause, Diverged):
        logger.warning("%s: %s is paused: %s", execution_id, ffqn, paused.reason)
        context.metrics.divergences.add(ffqn)


def not_begun(error: Exception, execution_id: str, run: str, ffqn: str, context: ExecutorContext) -> None:
    """Pause an execution that is locked here for `run`, which cannot begin: it does not fit what is deployed, or the
    engine failed."""
    context.places.give_back(run)
    if isinstance(error, FunctionNotFound):  # it was taken out after the lock, which `Watchers` gives back
        logger.warning("%s is locked here, and %s", execution_id, error.message)
        return
    if isinstance(error, Unfit):
        paused = _unfit(error, execution_id, ffqn, context)
    elif isinstance(error, KeepsCrashing):
        paused = _crashing(error, execution_id, ffqn, context)
    else:
        paused = pause(error, execution_id, ffqn, context)

    context.reloading.pause(execution_id, paused, ffqn)


def _unfit(error: Unfit, execution_id: str, ffqn: str, context: ExecutorContext) -> Paused:
    """The pause of an execution that was begun with other types than are deployed, which is said and counted."""
    logger.warning("%s is paused: %s", execution_id, error.message)
    context.metrics.unfit.add(ffqn)
    cause = log.Unfit(digest=str(error.fields["digest"]), signature=str(error.fields["signature"]))
    return Paused(reason=error.message, cause=cause)


def _crashing(error: KeepsCrashing, execution_id: str, ffqn: str, context: ExecutorContext) -> Paused:
    """The pause of a workflow that may be what ends its servers."""
    logger.error("%s: %s is paused: %s", execution_id, ffqn, error.message)
    context.metrics.crashing.add(ffqn)
    cause = CutOff(count=error.count, digest=error.digest, engine=context.engine)
    return Paused(reason=f"cut off: {error.message}: it may be what ends it", cause=cause)


def pause(error: Exception, execution_id: str, ffqn: str, context: ExecutorContext) -> Paused:
    """The pause that a bug leads to, which is said in the log and counted."""
    error_id = f"Err_{context.ulid()}"
    logger.error("%s: the engine failed (%s), %s is paused", execution_id, error_id, ffqn, exc_info=error)
    context.metrics.engine_errors.add(ffqn)
    reason = f"the engine failed ({error_id}): {shorten(f'{type(error).__name__}: {error}')}"
    return Paused(reason=reason, cause=Broken(error_id=error_id, engine=context.engine))
