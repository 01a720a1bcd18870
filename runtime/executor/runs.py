"""From a lock on record to the run that it stands for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from obelisk.runtime.catalog.registry import DeployedFunction
from obelisk.runtime.catalog.settings import AUTO, PIN, REPLAY, ComponentKind
from obelisk.runtime.errors import FunctionNotFound, ObeliskError, StoreError
from obelisk.runtime.log import events as log
from obelisk.runtime.log.builds import last_build
from obelisk.runtime.log.state import ExecutionState, LockedBy
from obelisk.runtime.ports.guest import Prepared
from obelisk.runtime.ports.store import Create, Stored
from obelisk.runtime.workers.activity import ActivityAttempt
from obelisk.runtime.workers.attempt import Attempt
from obelisk.runtime.workers.batch import Upgrade
from obelisk.runtime.workers.context import RunContext
from obelisk.runtime.workers.workflow import WorkflowRun

logger = logging.getLogger(__name__)
MAX_REVOKED = 10_000
MOST_CUTS = 10
"""A workflow is paused once so many runs in a row were cut off."""

Run: TypeAlias = WorkflowRun | ActivityAttempt
Ended: TypeAlias = WorkflowRun | Attempt
"""What may have an outcome: a run of this process, or an attempt that a worker outside the engine made."""


def stored_as(new: Create) -> Stored:
    """An execution as it is on record right after it was created and locked."""
    assert new.locked is not None
    events = (new.created, new.locked)
    return Stored(execution_id=new.execution_id, state=new.state, events=events, responses=())


def lock_of(stored: Stored, executor: str) -> log.Locked | None:
    """The lock that `executor` holds on an execution, or None."""
    status = stored.state.status
    if not isinstance(status, LockedBy) or status.executor != executor:
        return None
    return next(e for e in reversed(stored.events) if isinstance(e, log.Locked))


class KeepsCrashing(ObeliskError):
    """A workflow was cut off so often that it may be what ends its executors."""

    code = "keeps_crashing"

    def __init__(self, count: int, digest: str) -> None:
        super().__init__(f"{count} times in a row its server was gone before it had recorded anything")
        self.count, self.digest = count, digest


def cuts_before(events: Sequence[log.Event], locked: log.Locked) -> int:
    """How many runs in a row were cut off before the one of a lock, which is the last event."""
    before = events[-2] if len(events) > 1 else None
    return before.cut_off if type(before) is log.Unlocked and events[-1] == locked else 0


def holds(state: ExecutionState, locked: log.Locked) -> bool:
    """Whether a lock is the one that an execution is under."""
    return state.status == LockedBy(locked.executor, locked.run, locked.digest)


def new_run(
    stored: Stored,
    created: log.Created,
    locked: log.Locked,
    function_of: Callable[[str, str], DeployedFunction | None],
    prepared: Mapping[str, Prepared],
    context: RunContext,
    *,
    covered: bool,
) -> Run:
    """A run that has not begun; `covered`: its lock is on record; `function_of` gives a function by its Ffqn and the
    digest of a build, `prepared` has the code by digest."""
    function = function_of(created.ffqn, locked.digest)
    if function is None:
        raise FunctionNotFound(f"{created.ffqn} is not deployed any more", ffqn=created.ffqn)
    if function.kind is ComponentKind.WORKFLOW:
        policy = function.component.settings.upgrade
        before = "" if policy in (REPLAY, PIN) else last_build(stored.events)
        cuts = cuts_before(stored.events, locked)
        if cuts >= MOST_CUTS:
            raise KeepsCrashing(cuts, locked.digest)
        upgrade = Upgrade(before, locked.digest, policy == AUTO) if before not in ("", locked.digest) else None
        return WorkflowRun(
            stored=stored,
            locked=locked,
            function=function,
            prepared=prepared[locked.digest],
            context=context,
            upgrade=upgrade,
            cuts=cuts,
        )
    return ActivityAttempt(
        execution_id=stored.execution_id,
        created=created,
        locked=locked,
        state=stored.state,
        function=function,
        prepared=prepared[locked.digest],
        context=context,
        covered=covered,
        cuts=cuts_before(stored.events, locked),
    )


def tell_refused(run: Run, error: ObeliskError) -> None:
    """Log why a run's transaction was refused. That another was first is no trouble: it happens in every race."""
    level = logging.WARNING if isinstance(error, StoreError) else logging.DEBUG
    logger.log(level, "%s: run %s was refused: %s", run.execution_id, run.locked.run, error.message)


class Revoked:
    """Executions that lost a lock while they had no run here: one that was claimed before may still be on its way."""

    def __init__(self) -> None:
        self._all: dict[str, None] = {}

    def add(self, execution_id: str) -> None:
        """Remember one; the oldest is forgotten when there are too many."""
        self._all[execution_id] = None
        if len(self._all) > MAX_REVOKED:
            del self._all[next(iter(self._all))]

    def forget(self, execution_id: str) -> bool:
        """Whether it was remembered: then its lock has to be looked at again."""
        return self._all.pop(execution_id, MAX_REVOKED) is None
